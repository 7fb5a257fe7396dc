//! Parameters in paths and headers that several operations take.

use quittance_domain::id::{CaseId, TransactionId};
use utoipa::IntoParams;

use crate::etag::IfMatch;
use crate::idempotency_key::KeyHeader;

/// A payment in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path")]
pub struct PaymentPath {
    /// The payment, by any of its transaction ids.
    transaction_id: TransactionId,
}

/// A case in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path")]
pub struct CasePath {
    /// The case.
    id: CaseId,
}

/// The headers of a request that changes something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes the headers")]
pub struct ChangeHeaders {
    /// One key per intended change, kept for retries: for 30 days the same key and request have one effect and one
    /// response. With or without the quotes of a structured field.
    #[param(inline, rename = "Idempotency-Key")]
    idempotency_key: KeyHeader,
    /// The caller's correlation id, for logs, audit records and events: 1 to 64 letters, digits, hyphens, points and
    /// underscores; anything else is ignored.
    #[param(nullable = false, rename = "x-correlation-id")]
    correlation_id: Option<String>,
}

/// The header of a request that edits a resource, besides [`ChangeHeaders`].
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes the headers")]
pub struct EditHeaders {
    /// The `ETag` of the resource as it was read: if it has changed since, the request is refused (412) and changes
    /// nothing. Without it, the members that are sent overwrite the current ones.
    #[param(inline, nullable = false, rename = "If-Match")]
    if_match: Option<IfMatch>,
}
