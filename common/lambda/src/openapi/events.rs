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
        ("invoice.issued", "The invoice received its number and is owed.", changed().open()),
        ("invoice.voided", "The invoice is not owed any more.", changed().open()),
        ("credit_note.issued", "A credit note reduced what the invoice charges.", credit_note().open()),
        ("invoice.paid", "The invoice is paid in full.", settled().open()),
        ("invoice.partially_paid", "The invoice is paid in part.", settled().open()),
        ("payment.surplus_recorded", "Money came in that no invoice could take.", surplus_recorded().open()),
        ("invoice.reopened", "Money was taken back from the invoice, which is owed again.", reopened().open()),
        (
            "payment.unapplied",
            "Money left an invoice because a credit note reduced what was paid; it is the client's credit.",
            unapplied().open(),
        ),
        ("payment.surplus_reduced", "Unapplied cash went back or was applied to an invoice.", surplus_reduced().open()),
        ("payment.duplicate_recorded", "A further source reported money that was already posted.", noted().open()),
        ("payment.contradiction_found", "Sources disagree; the lower amount is posted.", noted().open()),
        ("payment.refund_refused", "A refund exceeds what can be refunded.", refund_refused().open()),
        ("payment.refunded", "We refunded money to the payer.", adjusted()),
        ("payment.refund_failed", "A refund that was reported did not reach the payer.", adjusted()),
        ("payment.goodwill_recorded", "A refund was booked as goodwill, at our expense.", adjusted()),
        ("payment.goodwill_reversed", "Goodwill was reversed: the refund failed, or has another reason.", adjusted()),
        ("payment.disputed", "The provider withholds money because the payer disputes the payment.", adjusted()),
        (
            "payment.dispute_closed",
            "A dispute ended, and nothing is withheld for it any more. If it was lost, `invoice.reopened` and \
             `payment.surplus_reduced` report the loss.",
            adjusted(),
        ),
        ("adjustment.recorded", "A fee or a rounding difference changed what a provider owes us.", adjustment().open()),
        ("receipt.issued", "A receipt was issued.", receipt().open()),
        ("refund_receipt.issued", "A receipt for a refund was issued.", refund_receipt().open()),
    ]
}

fn changed() -> Members {
    object("The invoice after the change.").with("invoice", refer("Invoiced")).with("client", refer("ClientDetails"))
}

fn credit_note() -> Members {
    let note = object("The credit note.")
        .with("id", refer("CreditNoteId"))
        .with("number", words("The printed number: gapless within a year."))
        .with("total", refer_as("Money", "The amount by which it reduces the invoice, including tax."))
        .with("tax", refer_as("Money", "The tax included in it."))
        .with("reason", words("The reason."))
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
        .with("allocated", refer_as("Money", "The amount allocated to this invoice."))
}

fn unapplied() -> Members {
    payment_event("The invoice after the change; it is not owed again.")
        .with("invoice", refer("Invoiced"))
        .with("client", refer("ClientDetails"))
        .with("amount", refer_as("Money", "The amount that left it."))
}

fn surplus_recorded() -> Members {
    payment_event("The unapplied cash: credit of `client`, or in suspense if there is none.")
        .with("amount", refer_as("Money", "The amount of unapplied cash."))
        .with("reason", one_of(UnappliedReason::ALL.iter().map(|reason| reason.as_str()), "The reason."))
        .perhaps("client", refer("ClientDetails"))
        .perhaps("invoice", refer("Invoiced"))
}

fn why() -> ObjectBuilder {
    one_of(ReleaseReason::ALL.iter().map(|reason| reason.as_str()), "The reason.")
}

fn reopened() -> Members {
    payment_event("The invoice after the change.")
        .with("invoice", refer("Invoiced"))
        .with("client", refer("ClientDetails"))
        .with("released", refer_as("Money", "The amount taken back."))
        .with("reason", why())
}

fn surplus_reduced() -> Members {
    payment_event("The unapplied cash: credit of `client`, or in suspense if there is none.")
        .with("amount", refer_as("Money", "The amount that left."))
        .with("reason", why())
        .perhaps("client", refer("ClientDetails"))
}

fn refund_refused() -> Members {
    payment_event("The refund.")
        .with("refund_id", refer("RefundId"))
        .with("amount", refer_as("Money", "The requested amount."))
        .with("reason", words("The reason, for people."))
}

fn adjusted() -> ObjectBuilder {
    payment_event("The payment, and the invoice that it names.")
        .with("amount", refer_as("Money", "The change since the last event; above zero."))
        .perhaps("invoice", refer("Invoiced"))
        .perhaps("client", refer("ClientDetails"))
        .perhaps(
            "reason_kind",
            one_of(RefundReason::ALL.iter().map(|reason| reason.as_str()), "The reason of a refund."),
        )
        .perhaps("reopens", flag("Whether the refund makes its invoice owed again."))
        .open()
}

fn adjustment() -> Members {
    let adjustment = object("The adjustment.")
        .with("id", refer("AdjustmentId"))
        .with("kind", one_of(AdjustmentKind::ALL.iter().map(|kind| kind.as_str()), "The kind of adjustment."))
        .with("provider", refer("Provider"))
        .with("amount", refer_as("Money", "The amount; above zero."))
        .with("reference", words("The provider's reference for it, as on its bill or report."));
    object("A fee or a rounding difference that finance recorded.").with("adjustment", adjustment.open())
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
        .with("amount", refer_as("Money", "The amount paid in total."))
        .with("paid_at", time("When the money moved."))
        .perhaps("paid_on", day("The accounting date."));
    let client = object("The party that owes.")
        .with("id", refer("ClientId"))
        .with("name", words("Legal name."))
        .with("email", words("The address for documents."))
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
        "A CloudEvent 1.0 (JSON) that also has the members of Standard Webhooks 1.0. Order is best effort: of two events \
         about an invoice, the one with the greater `invoiceversion` has the later state; ignore lower versions. \
         `subjectsequence` counts the deliveries of a subject to this endpoint, from 1 without gaps: a missing number is \
         still on its way, or can be replayed.",
    )
        .with("specversion", one_of(["1.0"], "The version of CloudEvents."))
        .with("id", words("Unique per source; a redelivery keeps it. Also the header `webhook-id`."))
        .with("source", matching("^/quittance/[a-z]+$", "The function that emits it."))
        .with("subject", words("The invoice, otherwise the payment or the adjustment."))
        .with("time", time("The time of the event."))
        .with("timestamp", time("The same as `time`, as Standard Webhooks names it."))
        .with("subjectsequence", count(1, u64::MAX, "The number of the delivery among those of the subject to this endpoint."))
        .with("datacontenttype", one_of(["application/json"], "The media type of `data`."))
        .with("correlationid", words("Links everything that one request or message caused."))
        .perhaps("invoiceversion", number("The invoice's version after the change."))
        .perhaps("accountingdate", day("The accounting date of what the event posts."))
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
        .with("type", one_of([name], "The type of the event."))
        .with("dataschema", one_of([schema.as_str()], "The schema of `data`, with its version."))
        .with("data", data);
    let body = AllOfBuilder::new().item(refer("CloudEvent")).item(event.open());
    let content = ContentBuilder::new().schema(Some(body)).build();
    let request = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    let headers = [
        in_header("webhook-id", words("The event's `id`."), "Identifies repeated deliveries."),
        in_header("webhook-timestamp", matching("^[0-9]+$", "Seconds since 1970."), "When it was sent."),
        in_header(
            "webhook-signature",
            matching(
                "^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$",
                "`v1,` and the base64 of an HMAC-SHA256; two of them, separated by a space, while a secret is being rotated.",
            ),
            "Signs `<webhook-id>.<webhook-timestamp>.<body>` with the receiver's secret (Standard Webhooks 1.0).",
        ),
    ];
    let taken = ResponseBuilder::new().description(
        "2xx within 15 seconds: accepted. 410: the endpoint is disabled. Anything else, including redirects: retried after \
         5 s, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, or later if a 429 or 503 says so in `Retry-After`; then the \
         endpoint is disabled.",
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
