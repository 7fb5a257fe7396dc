//! The schemas that all functions share: ids, references, amounts and problems.

use quittance_domain::id::{
    AdjustmentId, AuditId, CaseId, ClientId, CorrectionId, CreditNoteId, InvoiceId, LedgerTransactionId, PaymentId,
    Provider, RefundId, TransactionId, UploadId, WebhookEndpointId,
};
use quittance_domain::money::{Money, PositiveMoney};
use quittance_domain::tax::TaxPercent;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Components, ComponentsBuilder, RefOr};

use crate::body::invoice_reference::InvoiceIdOrNumber;
use crate::problem::Problem;

fn named<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}

/// The schemas that `T` refers to.
fn nested<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas
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
        named::<InvoiceIdOrNumber>(),
        named::<Problem>(),
    ];
    ComponentsBuilder::new().schemas_from_iter(schemas.into_iter().chain(nested::<Problem>())).build()
}
