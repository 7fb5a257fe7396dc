//! Builds the body for an endpoint: the event, with the invoice as the API shows it.

use chrono::NaiveDate;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::ClientId;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::invoice_view::InvoiceView;
use serde_json::{Value, json};
use uuid::Uuid;

/// The largest body, in bytes, as Standard Webhooks recommends.
pub const BODY_BYTES_MAX: usize = 20 * 1024;

/// The places of the invoice in events.
const INVOICE_PLACES: [&str; 3] = ["/data/invoice", "/data/settled/invoice", "/data/refund/invoice"];

/// Why an event cannot be delivered to any endpoint.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The event cannot be serialised.
    #[error("the event cannot be serialised")]
    Json(#[from] serde_json::Error),
    #[error("event {event_id} has {bytes} bytes, more than {BODY_BYTES_MAX}")]
    TooLarge {
        event_id: Uuid,
        /// The size of the body.
        bytes: usize,
    },
}

impl BodyError {
    /// A short stable code for alarms and tools.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "malformed",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// The body for an endpoint. `owner` is the invoice's client, `sequence` the event's number among all events about its
/// subject that the endpoint receives.
///
/// # Errors
/// [`BodyError`] if the body would be too large or the event cannot be serialised.
pub fn body(
    event: &CloudEvent<InvoiceEvent>,
    owner: Option<ClientId>,
    sequence: u64,
    today: NaiveDate,
) -> Result<String, BodyError> {
    let mut body = serde_json::to_value(event)?;
    if let (Some(summary), Some(owner)) = (event.payload.invoice(), owner) {
        let shown = serde_json::to_value(InvoiceView::from_summary(summary, owner, today))?;
        let pointer = INVOICE_PLACES.into_iter().find(|pointer| body.pointer(pointer).is_some());
        if let Some(invoice) = pointer.and_then(|pointer| body.pointer_mut(pointer)) {
            *invoice = shown;
        }
    }
    if let Value::Object(members) = &mut body {
        members.insert("timestamp".to_owned(), json!(event.time));
        members.insert("subjectsequence".to_owned(), json!(sequence));
    }
    let body = body.to_string();
    if body.len() > BODY_BYTES_MAX {
        return Err(BodyError::TooLarge { event_id: event.id, bytes: body.len() });
    }
    Ok(body)
}
