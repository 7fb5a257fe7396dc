//! The schemas that all functions share: ids, references, amounts and problems.

use quittance_domain::id::{
    AdjustmentId, AuditId, CaseId, ClientId, CorrectionId, CreditNoteId, InvoiceId, LedgerTransactionId, PaymentId,
    Provider, RefundId, TransactionId, UploadId, WebhookEndpointId,
};
use quittance_domain::money::{Money, PositiveMoney};
use quittance_domain::tax::TaxPercent;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{Components, ComponentsBuilder, RefOr};

use super::schema::{count, list_of, matching, object, words};

fn named<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}

/// All of these schemas, for the document's `components`.
#[must_use]
pub fn components() -> Components {
    let schemas = [
        named::<ClientId>(),
        named::<InvoiceId>(),
        named::<CreditNoteId>(),
        named::<PaymentId>(),
        named::<UploadId>(),
        named::<RefundId>(),
        named::<CaseId>(),
        named::<AdjustmentId>(),
        named::<CorrectionId>(),
        named::<AuditId>(),
        named::<LedgerTransactionId>(),
        named::<WebhookEndpointId>(),
        named::<TransactionId>(),
        named::<Provider>(),
        named::<Money>(),
        named::<PositiveMoney>(),
        named::<TaxPercent>(),
        ("Problem".to_owned(), problem().into()),
    ];
    ComponentsBuilder::new().schemas_from_iter(schemas).build()
}

/// The schema of [`crate::problem::Problem`].
fn problem() -> ObjectBuilder {
    let field = object("A problem with one member of the request.")
        .with("pointer", words("JSON Pointer (RFC 6901) to the member, or the name of a header or parameter."))
        .with("detail", words("What is wrong, and what would be valid."))
        .open();
    object("What went wrong, for which id, and what to do (RFC 9457). A 4xx has changed nothing.")
        .with("type", matching("^urn:quittance:problem:[a-z-]+$", "The kind of problem."))
        .with("title", words("The kind of problem, for people."))
        .with("status", count(400, 599, "The HTTP status."))
        .with("detail", words("The details of this problem, for people."))
        .perhaps("errors", list_of(field, "All problems of the request."))
        .open()
}
