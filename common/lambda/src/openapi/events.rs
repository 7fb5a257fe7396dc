//! The events that are sent as signed webhooks: each type of [`InvoiceEvent`] in its CloudEvents envelope.

use quittance_domain::adjustment::AdjustmentKind;
use quittance_domain::event::{EVENT_VERSION, ReleaseReason};
use quittance_domain::language::Language;
use quittance_domain::refund_reason::RefundReason;
use quittance_domain::settlement::UnappliedReason;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{ContentBuilder, Paths, RefOr, Required, ResponseBuilder};

use super::parameters::in_header;
use super::schema::{
    Members, count, day, flag, list_of, matching, number, object, one_of, refer, refer_as, time, words,
};

#[cfg(doc)]
use quittance_domain::event::InvoiceEvent;

/// The description of each type, and its data.
fn all() -> [(&'static str, &'static str, ObjectBuilder); 21] {
    let noted = || payment_event("The payment, and the invoice that it names.").perhaps("invoice", refer("Invoiced"));
    [
        ("invoice.issued", "The invoice got its number and is owed.", changed().open()),
        ("invoice.voided", "The invoice is owed no more.", changed().open()),
        ("credit_note.issued", "A credit note took something off what was charged.", credit_note().open()),
        ("invoice.paid", "Nothing is owed of the invoice any more.", settled().open()),
        ("invoice.partially_paid", "Some of the invoice is paid.", settled().open()),
        ("payment.surplus_recorded", "Money came in that no invoice could take.", surplus_recorded().open()),
        ("invoice.reopened", "Money was taken back from the invoice, which is owed again.", reopened().open()),
        (
            "payment.unapplied",
            "A credit note took off what was paid; the money is the client's credit.",
            unapplied().open(),
        ),
        ("payment.surplus_reduced", "Surplus money went back or pays an invoice.", surplus_reduced().open()),
        ("payment.duplicate_recorded", "Another source reported money that was posted before.", noted().open()),
        ("payment.contradiction_found", "Sources disagree; the lower amount is posted.", noted().open()),
        ("payment.refund_refused", "More was to be refunded than there is.", refund_refused().open()),
        ("payment.refunded", "Money went back to the payer because we wanted it to.", adjusted()),
        ("payment.refund_failed", "A reported refund did not reach the payer.", adjusted()),
        ("payment.goodwill_recorded", "What was refunded is given away, from our own pocket.", adjusted()),
        ("payment.goodwill_reversed", "A goodwill refund was reversed.", adjusted()),
        ("payment.disputed", "The provider holds money back, because the payer disputes the payment.", adjusted()),
        ("payment.dispute_closed", "A dispute ended; what was held back is ours, or went back.", adjusted()),
        ("adjustment.recorded", "A fee, or rounding, changed what a provider has of ours.", adjustment().open()),
        ("receipt.issued", "A receipt was made.", receipt().open()),
        ("refund_receipt.issued", "A receipt for a refund was made.", refund_receipt().open()),
    ]
}

fn changed() -> Members {
    object("The invoice after the change.").with("invoice", refer("Invoiced")).with("client", refer("ClientDetails"))
}

fn credit_note() -> Members {
    let note = object("The credit note.")
        .with("id", refer("CreditNoteId"))
        .with("number", words("Gapless within a year."))
        .with("total", refer_as("Money", "What it takes off the invoice, tax included."))
        .with("tax", refer_as("Money", "The tax within it."))
        .with("reason", words("Why."))
        .with("issued_on", day("Date of issue."));
    changed().with("credit_note", note.open())
}

/// The data of every event about a payment.
fn payment_event(description: &str) -> Members {
    object(description)
        .with("payment", refer("PaymentSummary"))
        .with("audit_id", refer_as("AuditId", "The audit record of the change."))
}

fn settled() -> Members {
    payment_event("The invoice after the allocation.")
        .with("invoice", refer("Invoiced"))
        .with("client", refer("ClientDetails"))
        .with("allocated", refer_as("Money", "What went to this invoice."))
}

fn unapplied() -> Members {
    payment_event("The invoice afterwards, which is not owed again.")
        .with("invoice", refer("Invoiced"))
        .with("client", refer("ClientDetails"))
        .with("amount", refer_as("Money", "How much left it."))
}

fn surplus_recorded() -> Members {
    payment_event("Whose credit it is; without a client the payer is unknown.")
        .with("amount", refer_as("Money", "How much is surplus."))
        .with("reason", one_of(UnappliedReason::ALL.iter().map(|reason| reason.as_str()), "Why."))
        .perhaps("client", refer("ClientDetails"))
        .perhaps("invoice", refer("Invoiced"))
}

fn why() -> ObjectBuilder {
    one_of(ReleaseReason::ALL.iter().map(|reason| reason.as_str()), "Why.")
}

fn reopened() -> Members {
    payment_event("The invoice afterwards.")
        .with("invoice", refer("Invoiced"))
        .with("client", refer("ClientDetails"))
        .with("released", refer_as("Money", "How much was taken back."))
        .with("reason", why())
}

fn surplus_reduced() -> Members {
    payment_event("Whose credit it was; without a client it was in suspense.")
        .with("amount", refer_as("Money", "How much left."))
        .with("reason", why())
        .perhaps("client", refer("ClientDetails"))
}

fn refund_refused() -> Members {
    payment_event("The refund.")
        .with("refund_id", refer("RefundId"))
        .with("amount", refer_as("Money", "What was asked for."))
        .with("reason", words("Why it is refused, for people."))
}

fn adjusted() -> ObjectBuilder {
    payment_event("The payment, and the invoice that it names.")
        .with("amount", refer_as("Money", "The increase since the last report."))
        .perhaps("invoice", refer("Invoiced"))
        .perhaps("client", refer("ClientDetails"))
        .perhaps(
            "reason_kind",
            one_of(RefundReason::ALL.iter().map(|reason| reason.as_str()), "Why a refund was made."),
        )
        .perhaps("reopens", flag("Whether a refund makes its invoice owed again."))
        .open()
}

fn adjustment() -> Members {
    let adjustment = object("The adjustment.")
        .with("id", refer("AdjustmentId"))
        .with("kind", one_of(AdjustmentKind::ALL.iter().map(|kind| kind.as_str()), "What happened."))
        .with("provider", refer("Provider"))
        .with("amount", refer_as("Money", "How much; above zero."))
        .with("reference", words("The provider's name of it."));
    object("What finance recorded.").with("adjustment", adjustment.open())
}

fn receipt() -> Members {
    object("The receipt.")
        .with("number", words("Unique, never reused, with gaps."))
        .with("document_key", words("Key of the PDF in the documents bucket."))
        .with("settled", settled().open())
}

fn refund_receipt() -> Members {
    object("The receipt.")
        .with("number", words("Unique, never reused, with gaps."))
        .with("document_key", words("Key of the PDF in the documents bucket."))
        .with("refund", adjusted())
}

/// The schemas that the events share, for the document's `components`.
#[must_use]
pub fn components() -> [(String, RefOr<Schema>); 3] {
    let payment = object("A payment as of the event.")
        .with("id", refer("PaymentId"))
        .with("transaction_id", refer("TransactionId"))
        .with("provider", refer("Provider"))
        .with("amount", refer_as("Money", "What was paid in all."))
        .with("paid_at", time("When the money moved."))
        .perhaps("paid_on", day("The day of it in the seller's books."));
    let client = object("The party that owes.")
        .with("id", refer("ClientId"))
        .with("name", words("Legal name."))
        .with("email", words("Where documents are sent."))
        .with("address", list_of(words("A line."), "Postal address, one line per element."))
        .perhaps("tax_id", words("VAT or other tax number."))
        .perhaps(
            "language",
            matching(Language::PATTERN, "The language of documents and messages (ISO 639-1); without it `en`."),
        );
    [
        ("PaymentSummary".to_owned(), payment.open().into()),
        ("ClientDetails".to_owned(), client.open().into()),
        ("CloudEvent".to_owned(), envelope().open().into()),
    ]
}

fn envelope() -> Members {
    object(
        "A CloudEvent 1.0 (JSON), which has the members of Standard Webhooks 1.0 too. Order is best effort: of two events \
         of an invoice the one with the greater `invoiceversion` tells how it stands, and what has a smaller one than was \
         seen before is old news. `subjectsequence` counts what an endpoint is told of a subject, from 1 and without \
         gaps: a number that is missing is still on its way, or can be sent again with `replay`.",
    )
        .with("specversion", one_of(["1.0"], "The version of CloudEvents."))
        .with("id", words("Unique per source; a redelivery keeps it. Also the header `webhook-id`."))
        .with("source", matching("^/quittance/[a-z]+$", "The function that says it."))
        .with("subject", words("The invoice, or else the payment, or the adjustment."))
        .with("time", time("When it happened."))
        .with("timestamp", time("The same as `time`, as Standard Webhooks names it."))
        .with("subjectsequence", count(1, u64::MAX, "Counts what this endpoint is told of the subject."))
        .with("datacontenttype", one_of(["application/json"], "The media type of `data`."))
        .with("correlationid", words("Ties together all that one request or message caused."))
        .perhaps("invoiceversion", number("The invoice's version after the change."))
        .perhaps("accountingdate", day("The day in the seller's books of what the event posts."))
        .perhaps("traceparent", words("W3C trace context."))
}

/// The document's `webhooks`.
#[must_use]
pub fn webhooks() -> Paths {
    let mut paths = PathsBuilder::new();
    for (name, description, data) in all() {
        paths = paths.path(name, PathItem::new(HttpMethod::Post, webhook(name, description, data)));
    }
    paths.build()
}

fn webhook(name: &str, description: &str, data: ObjectBuilder) -> Operation {
    let schema = format!("urn:quittance:{name}:{EVENT_VERSION}");
    let event = object(description)
        .with("type", one_of([name], "What happened."))
        .with("dataschema", one_of([schema.as_str()], "The shape of `data`, with its version."))
        .with("data", data);
    let body = AllOfBuilder::new().item(refer("CloudEvent")).item(event.open());
    let content = ContentBuilder::new().schema(Some(body)).build();
    let request = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    let headers = [
        in_header("webhook-id", words("The event's `id`."), "Tells a repetition."),
        in_header("webhook-timestamp", matching("^[0-9]+$", "Seconds since 1970."), "When it was sent."),
        in_header(
            "webhook-signature",
            matching(
                "^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$",
                "`v1,` and base64 of HMAC-SHA256; while the secret is changed two of them, with a space between.",
            ),
            "Signs `<webhook-id>.<webhook-timestamp>.<body>` with the receiver's secret (Standard Webhooks 1.0).",
        ),
    ];
    let taken = ResponseBuilder::new().description(
        "Any 2xx within 15 seconds: taken. 410: the endpoint is disabled. Anything else, redirects among it: it comes again \
         after 5 s, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, or later if 429 or 503 asks for it by `Retry-After`; \
         then the endpoint is disabled.",
    );
    OperationBuilder::new()
        .tag("events")
        .summary(Some(description))
        .operation_id(Some(name))
        .parameters(Some(headers))
        .request_body(Some(request.build()))
        .response("2XX", taken.build())
        .build()
}
