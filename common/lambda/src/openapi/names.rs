//! The schemas of domain types: ids, references and amounts, by the rules that the domain parses them by.

use quittance_domain::id::{
    AdjustmentId, AuditId, CaseId, ClientId, CorrectionId, CreditNoteId, InvoiceId, LedgerTransactionId, PaymentId,
    Provider, RefundId, TransactionId, UploadId, WebhookEndpointId,
};
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{Components, ComponentsBuilder, RefOr};

use super::examples;
use super::schema::{Shape, count, list_of, matching, object, some_of, text, words};

/// The longest text of an amount.
const AMOUNT_LENGTH_MAX: usize = 40;

/// An amount above zero, before its currency limits the decimals.
const POSITIVE: &str = r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,20})?$";

/// An amount as we write it.
const AMOUNT: &str = r"^-?[0-9]+(\.[0-9]+)?$";

const CURRENCY: &str = "^[A-Z]{3}$";

/// An id that we assigned.
fn id(prefix: &str, description: &str, example: &str) -> ObjectBuilder {
    matching(format!("^{prefix}_[0-9a-fA-F]{{32}}$"), description).examples([example])
}

/// The id of a payment in a path or a body.
fn transaction_id() -> ObjectBuilder {
    matching(
        format!("^[A-Za-z0-9._:-]{{1,{}}}$", TransactionId::LENGTH_MAX),
        "The name of a payment in its provider's namespace: `stripe:pi_3Nn`. A bare name is that of a bank transfer: \
         `PO-4711` is `manual:PO-4711`. With the provider it has at most 100 characters.",
    )
    .examples([examples::TRANSACTION_ID])
}

fn money(description: &str, pattern: &str) -> ObjectBuilder {
    let value = matching(pattern, "A decimal number as a string, with at most as many decimals as the currency has.");
    object(description)
        .with("value", value.max_length(Some(AMOUNT_LENGTH_MAX)))
        .with("currency", currency())
        .closed_like(examples::money())
}

/// A currency's code.
#[must_use]
pub fn currency() -> ObjectBuilder {
    matching(CURRENCY, "An ISO 4217 code of a currency that has a minor unit.").examples(["EUR"])
}

/// The lines of a postal address.
#[must_use]
pub fn address(lines_max: usize, length_max: usize) -> Shape {
    some_of(text(1, length_max, "A line."), lines_max, "Postal address, one line per element.").into()
}

/// All of these schemas, for the document's `components`.
#[must_use]
pub fn components() -> Components {
    let provider = matching(
        format!("^[a-z0-9_]{{1,{}}}$", Provider::LENGTH_MAX),
        "Who moved the money: a payment gateway, or `manual` for bank transfers.",
    );
    let shapes: [(&str, ObjectBuilder); 17] = [
        ("ClientId", id(ClientId::PREFIX, "A client: the party that owes invoices.", examples::CLIENT_ID)),
        ("InvoiceId", id(InvoiceId::PREFIX, "An invoice.", examples::INVOICE_ID)),
        ("CreditNoteId", id(CreditNoteId::PREFIX, "A credit note.", examples::CREDIT_NOTE_ID)),
        ("PaymentId", id(PaymentId::PREFIX, "A payment, under one or more transaction ids.", examples::PAYMENT_ID)),
        ("UploadId", id(UploadId::PREFIX, "An uploaded file.", examples::UPLOAD_ID)),
        ("RefundId", id(RefundId::PREFIX, "A refund that staff requested.", examples::REFUND_ID)),
        ("CaseId", id(CaseId::PREFIX, "A case: an exception about a payment that staff resolve.", examples::CASE_ID)),
        (
            "AdjustmentId",
            id(AdjustmentId::PREFIX, "An adjustment of the money at a provider.", examples::ADJUSTMENT_ID),
        ),
        (
            "CorrectionId",
            id(CorrectionId::PREFIX, "A correction that awaits approval by a second person.", examples::CORRECTION_ID),
        ),
        ("AuditId", id(AuditId::PREFIX, "An audit record.", examples::AUDIT_ID)),
        (
            "LedgerTransactionId",
            id(LedgerTransactionId::PREFIX, "A transaction of the ledger.", examples::LEDGER_TRANSACTION_ID),
        ),
        (
            "WebhookEndpointId",
            id(WebhookEndpointId::PREFIX, "An endpoint for outgoing webhooks.", examples::WEBHOOK_ENDPOINT_ID),
        ),
        ("TransactionId", transaction_id()),
        ("Provider", provider.examples([examples::PROVIDER])),
        ("Money", money("An exact amount of money; may be zero or negative.", AMOUNT)),
        ("PositiveMoney", money("An exact amount of money above zero, at most 99999999999.", POSITIVE)),
        ("Problem", problem()),
    ];
    let schemas = shapes.map(|(name, shape)| (name, RefOr::<Schema>::from(shape)));
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
