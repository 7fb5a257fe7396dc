//! Errors of the table of deliveries.

use std::error::Error;

use quittance_domain::error::DependencyFailure;

use crate::item::EventKey;

/// DynamoDB refused or did not answer. The outcome of a write is then unknown; retrying is safe.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// DynamoDB refused the call or did not answer.
    #[error("the call of the deliveries table failed")]
    Call(#[source] Box<dyn Error + Send + Sync>),
    /// A record of another shape.
    #[error("delivery {0} cannot be read")]
    Unreadable(EventKey),
    /// The sequence has no number for an event.
    #[error("event {event_id} has no sequence number at {recipient}")]
    NoSequenceNumber { event_id: String, recipient: String },
}

impl DependencyFailure for TableError {}

impl TableError {
    pub(crate) fn from_sdk(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Call(Box::new(error))
    }

    /// The error for an invalid record.
    pub(crate) fn none(event_key: &EventKey) -> Self {
        Self::Unreadable(event_key.clone())
    }
}
