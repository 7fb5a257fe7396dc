//! The id in a path.

use std::fmt;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use quittance_domain::id::{
    CaseId, ClientId, CorrectionId, CreditNoteId, LedgerTransactionId, UploadId, WebhookEndpointId,
};

use crate::body::invoice_reference::InvoiceIdOrNumber;
use crate::problem::Problem;

/// The longest part of an unknown id that is repeated to the caller, in characters.
const SHOWN_LENGTH_MAX: usize = 60;

/// A resource that is addressed by an id in a path.
pub trait NamedResource: FromStr<Err: fmt::Debug> {
    /// The resource's name in errors.
    const NOUN: &'static str;
}

macro_rules! addressed {
    ($($id:ty => $noun:literal),+ $(,)?) => { $(impl NamedResource for $id { const NOUN: &'static str = $noun; })+ };
}

addressed!(
    CaseId => "case",
    ClientId => "client",
    CorrectionId => "correction",
    CreditNoteId => "credit note",
    InvoiceIdOrNumber => "invoice",
    LedgerTransactionId => "ledger transaction",
    UploadId => "upload",
    WebhookEndpointId => "webhook endpoint",
);

/// The only parameter of a path; a text that is not an id answers 404.
#[derive(Debug, Clone, Copy)]
pub struct PathId<T>(pub T);

impl<T: NamedResource, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|_| Problem::not_found(T::NOUN, parts.uri.path()))?;
        let shown = || text.chars().take(SHOWN_LENGTH_MAX).collect::<String>();
        text.parse().map(Self).map_err(|_| Problem::not_found(T::NOUN, shown()))
    }
}
