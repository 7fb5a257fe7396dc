//! Schemas of uploads, from the limits that requests are parsed by.

use quittance_domain::upload::{LineOutcome, STATEMENT_BYTES_MAX, UploadKind, UploadStatus};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{in_path, in_query};
use quittance_lambda::openapi::schema::{
    count, day, list_of, matching, number, object, one_of, refer, refer_as, some_of, time, words,
};
use quittance_lambda::{described, parameters};
use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use super::{FILE_TYPES, PICTURE_TYPES, TYPED_MAX, URL_LIFETIME};

fn kinds() -> impl Iterator<Item = &'static str> {
    UploadKind::ALL.iter().map(|kind| kind.as_str())
}

fn statuses() -> impl Iterator<Item = &'static str> {
    UploadStatus::ALL.iter().map(|status| status.as_str())
}

fn outcomes() -> impl Iterator<Item = &'static str> {
    LineOutcome::ALL.iter().map(|outcome| outcome.as_str())
}

parameters! {
    pub(crate) UploadPath => [in_path("id", refer("UploadId"), "The upload.")]
}

parameters! {
    /// The filters of lines.
    pub(crate) LineParameters => [in_query("outcome", one_of(outcomes(), "The outcome."), "Only lines with this outcome.")]
}

described! {
    /// The body of `POST /v1/uploads`.
    pub(crate) NewUpload => object("A file to upload.")
        .with("kind", one_of(kinds(), "The kind of upload."))
        .optional("client_id", refer_as("ClientId", "The client whose payments the file confirms; required from staff, optional for a client's own users."))
        .with("size_bytes", count(1, STATEMENT_BYTES_MAX.into(), "The file's exact size; a confirmation has at most 10 MiB."))
        .optional(
            "content_type",
            one_of(FILE_TYPES.into_iter().chain(PICTURE_TYPES), "The file's media type.").default(Some(json!(FILE_TYPES[0]))),
        )
        .optional("csv", object(
            "How to read an ambiguous CSV file. Options that are left out are detected from the file; if that is not \
             possible, it is refused. `columns` assigns columns, by name or by position from 1: `{\"direction\": \"7\"}`.",
        ).open())
        .optional("payments", some_of(
            object("A payment that the image shows.")
                .with("transaction_id", refer("TransactionId"))
                .optional("provider", refer("Provider"))
                .optional("invoice_number", words("The number printed on the invoice that it pays."))
                .with("amount", refer_as("PositiveMoney", "The amount."))
                .with("paid_on", day("The day of the payment."))
                .closed(),
            TYPED_MAX,
            "With an image (PDF, PNG, JPEG): the payments that it shows.",
        ))
        .closed_like(json!({"kind": "payment_confirmation", "client_id": examples::CLIENT_ID, "size_bytes": 184}))
}

described! {
    /// An announced file, with its upload URL.
    pub(crate) AnnouncedUpload => object("An announced file.")
        .with("id", refer("UploadId"))
        .with("status", one_of(statuses(), "Status."))
        .with("put", object("The request that uploads the file.")
            .with("method", one_of(["PUT"], "The method."))
            .with("url", words("The URL, created per request. It contains a signature: keep it out of logs."))
            .with("expires_in_seconds", count(1, URL_LIFETIME.as_secs(), "How long the URL is valid."))
            .with("headers", object("The headers that it must have, unchanged.")
                .with("content-type", one_of(FILE_TYPES.into_iter().chain(PICTURE_TYPES), "The file's media type."))
                .with("content-length", matching("^[1-9][0-9]*$", "The file's size."))
                .with("if-none-match", one_of(["*"], "The URL accepts one file, which cannot be replaced."))
                .open())
            .open())
        .open()
}

described! {
    /// An upload and the outcome of its lines.
    pub(crate) UploadOutcome => object("An upload and the outcomes of its lines.")
        .with("id", refer("UploadId"))
        .with("kind", one_of(kinds(), "The kind of upload."))
        .with("status", one_of(statuses(), "Status."))
        .with_or_null("refusal", words("Why the file was refused."))
        .with("created_at", time("When it was announced."))
        .with_or_null("format", words("The detected format, and how the file is read."))
        .with_or_null("lines_total", number("The number of lines; null until the whole file was checked."))
        .with("lines_done", number("The number of lines with an outcome."))
        .with("outcomes", object("The number of lines by outcome.").open())
        .with("lines", list_of(
            object("A line and its outcome.")
                .with("line", count(1, u64::MAX, "The number of the line."))
                .with("place", words("The position in the file."))
                .with("amount", refer("Money"))
                .with_or_null("booked_on", day("The day on which it was booked or paid."))
                .with_or_null("payer", words("The payer, as the bank reports it."))
                .with_or_null("remittance", words("The remittance information."))
                .with("outcome", one_of(outcomes(), "The outcome."))
                .with_or_null("transaction_id", refer_as("TransactionId", "The payment that it reports; null if the line was not queued."))
                .with_or_null("payment_status", words("The status of that payment; null until it is recorded."))
                .with_or_null("score", number("The score of the match, from 0 to 100."))
                .with_or_null("reason", words("The reason for the outcome."))
                .with_or_null("matched_text", words("The text or reference that names the invoice; null if nothing does."))
                .with_or_null("return_reason", words("Why the money was returned: the bank's code or text."))
                .with_or_null("bank_fee", refer_as("Money", "The bank's fee for a return, included in the amount."))
                .with("invoice_ids", list_of(refer("InvoiceId"), "The invoices that it pays, in this order."))
                .with("candidates", list_of(candidate_shape(), "Candidate invoices, best first; staff decide."))
                .open(),
            "A page of its lines, in order.",
        ))
        .with_or_null("next_cursor", words("Cursor of the next page; null on the last."))
        .open()
}

/// An open item that a bank line may settle.
pub(crate) fn candidate_shape() -> ObjectBuilder {
    object("A candidate invoice.")
        .with("invoice_id", refer("InvoiceId"))
        .with("number", words("The invoice's number."))
        .with("score", number("The score, from 0 to 100."))
        .with("reason", words("The evidence for and against it."))
        .open()
}
