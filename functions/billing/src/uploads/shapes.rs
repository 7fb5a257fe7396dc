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
    /// The upload in a path.
    pub(crate) UploadPath => [in_path("id", refer("UploadId"), "The upload.")]
}

parameters! {
    /// The filters of lines.
    pub(crate) LineParameters => [in_query("outcome", one_of(outcomes(), "What became of them."), "One outcome only.")]
}

described! {
    /// The body of `POST /v1/uploads`.
    pub(crate) NewUpload => object("A file to upload.")
        .with("kind", one_of(kinds(), "What the file is."))
        .optional("client_id", refer_as("ClientId", "Whose payments the file confirms; staff must say, a client's own users need not."))
        .with("size_bytes", count(1, STATEMENT_BYTES_MAX.into(), "The file's exact size; a confirmation has at most 10 MiB."))
        .optional(
            "content_type",
            one_of(FILE_TYPES.into_iter().chain(PICTURE_TYPES), "The file's media type.").default(Some(json!(FILE_TYPES[0]))),
        )
        .optional("csv", object(
            "How to read a CSV file where it can be read in two ways; what is left out is found from the file, or refused. \
             `columns` says which column holds what, by its name or by its place from 1: `{\"direction\": \"7\"}`.",
        ).open())
        .optional("payments", some_of(
            object("A payment that the picture shows.")
                .with("transaction_id", refer("TransactionId"))
                .optional("provider", refer("Provider"))
                .optional("invoice_number", words("The number printed on the invoice it pays."))
                .with("amount", refer_as("PositiveMoney", "How much."))
                .with("paid_on", day("The day of the payment."))
                .closed(),
            TYPED_MAX,
            "With a picture (PDF, PNG, JPEG): the payments that it shows.",
        ))
        .closed_like(json!({"kind": "payment_confirmation", "client_id": examples::CLIENT_ID, "size_bytes": 184}))
}

described! {
    /// An announced file, with its upload URL.
    pub(crate) AnnouncedUpload => object("An announced file.")
        .with("id", refer("UploadId"))
        .with("status", one_of(statuses(), "Where it stands."))
        .with("put", object("The request that brings the file.")
            .with("method", one_of(["PUT"], "Its method."))
            .with("url", words("Its URL, made anew each time; it holds a signature, so keep it out of logs."))
            .with("expires_in_seconds", count(1, URL_LIFETIME.as_secs(), "How long the URL takes the file."))
            .with("headers", object("Headers that it must have, as they are.")
                .with("content-type", one_of(FILE_TYPES.into_iter().chain(PICTURE_TYPES), "The file's media type."))
                .with("content-length", matching("^[1-9][0-9]*$", "The file's size."))
                .with("if-none-match", one_of(["*"], "The URL takes one file, and no other in its place."))
                .open())
            .open())
        .open()
}

described! {
    /// An upload and the outcome of its lines.
    pub(crate) UploadOutcome => object("An upload and its lines.")
        .with("id", refer("UploadId"))
        .with("kind", one_of(kinds(), "What the file is."))
        .with("status", one_of(statuses(), "Where it stands."))
        .with_or_null("refusal", words("Why the file was refused."))
        .with("created_at", time("When it was announced."))
        .with_or_null("format", words("What the file turned out to be, and how it is read."))
        .with_or_null("lines_total", number("How many lines it has, once the whole file was checked."))
        .with("lines_done", number("How many of them have their outcome."))
        .with("outcomes", object("How many lines have each outcome.").open())
        .with("lines", list_of(
            object("A line and what became of it.")
                .with("line", count(1, u64::MAX, "Its number among the file's lines."))
                .with("place", words("Where it stands in the file."))
                .with("amount", refer("Money"))
                .with_or_null("booked_on", day("The day it was booked or paid."))
                .with_or_null("payer", words("Who paid, as the bank knows them."))
                .with_or_null("remittance", words("The text that came with it."))
                .with("outcome", one_of(outcomes(), "What became of it."))
                .with_or_null("transaction_id", refer_as("TransactionId", "The payment that it reports; null if it was left out."))
                .with_or_null("payment_status", words("Where that stands; null while it is on its way."))
                .with_or_null("score", number("How sure the match is, of 100."))
                .with_or_null("reason", words("Why."))
                .with_or_null("matched_text", words("The text or reference that names the invoice; null if nothing does."))
                .with_or_null("return_reason", words("Why the money went back, in the bank's code or words."))
                .with_or_null("bank_fee", refer_as("Money", "What the bank took for a return, within the amount."))
                .with("invoice_ids", list_of(refer("InvoiceId"), "The invoices that it pays, in that order."))
                .with("candidates", list_of(candidate_shape(), "What it may pay, the best first; staff decide."))
                .open(),
            "A page of its lines, in their order.",
        ))
        .with_or_null("next_cursor", words("Where the next page begins; null on the last."))
        .open()
}

/// An open item that a bank line may settle.
pub(crate) fn candidate_shape() -> ObjectBuilder {
    object("An invoice that the money may pay.")
        .with("invoice_id", refer("InvoiceId"))
        .with("number", words("The invoice's number."))
        .with("score", number("How sure it is, of 100."))
        .with("reason", words("What speaks for it and against it."))
        .open()
}
