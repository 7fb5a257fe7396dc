//! `/v1/invoices/{id}/credit-notes`: what is taken off an invoice after it was issued.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{Datelike, Utc};
use http::{HeaderMap, StatusCode};
use quittance_domain::event::{CreditNoteIssued, CreditNoteSummary, InvoiceEvent};
use quittance_domain::id::{CreditNoteId, InvoiceId};
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::Conflict;
use quittance_lambda::openapi::schema::{Members, day, list_of, object, refer, refer_as, some_of, text, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{described, parameters};
use quittance_store::credit_notes::{self, CreditNote};
use quittance_store::document_lines::InvoiceLine;
use quittance_store::invoices;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::invoices::{InvoicePath, LINES_MAX, line, line_example, line_shape, locked, state, sums};
use crate::work::{Request, Work, answer};
use crate::{Billing, path_id, unavailable};

/// The longest reason, in characters.
const REASON_LENGTH_MAX: usize = 200;

parameters! {
    /// The credit note in a path.
    pub(crate) CreditNotePath => [in_path("id", refer("CreditNoteId"), "The credit note.")]
}

described! {
    /// The body of `POST /v1/invoices/{id}/credit-notes`.
    pub(crate) NewCreditNote => object("What is to be taken off: at most what is owed of the invoice. What is paid is refunded first.")
        .with("reason", text(1, REASON_LENGTH_MAX, "Why; it is printed."))
        .with("lines", some_of(line_shape(object("A line."), "PositiveMoney").closed(), LINES_MAX, "What is taken off, at the rates of tax at which it was charged."))
        .closed_like(json!({"reason": "Delivered in part", "lines": [line_example()]}))
}

fn shape(members: Members) -> Members {
    members
        .with("id", refer("CreditNoteId"))
        .with("invoice_id", refer("InvoiceId"))
        .with("number", words("Gapless within a year."))
        .with("total", refer_as("Money", "What it takes off, tax included."))
        .with("tax", refer_as("Money", "The tax within it."))
        .with("reason", words("Why."))
        .with("issued_on", day("Date of issue."))
}

described! {
    /// A credit note.
    pub(crate) CreditNoteView => shape(object("A credit note.")).open_like(json!({
        "id": examples::CREDIT_NOTE_ID, "invoice_id": examples::INVOICE_ID, "number": "CN-2026-000007",
        "total": examples::money(), "tax": {"value": "0.00", "currency": "EUR"}, "reason": "Delivered in part",
        "issued_on": "2026-11-12",
    }))
}

described! {
    /// The credit notes about an invoice.
    pub(crate) CreditNotes => object("The credit notes about an invoice.")
        .with("credit_notes", list_of(shape(object("A credit note.")).open(), "The oldest first."))
        .open()
}

/// Issues a credit note: it gets its number, and less is owed.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/credit-notes",
    operation_id = "createCreditNote",
    tag = "invoices",
    params(InvoicePath, ChangeHeaders),
    request_body = NewCreditNote,
    responses((status = 201, description = "The credit note.", body = CreditNoteView), Conflict)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let (reason, lines) = parse(&body)?;
    let name = id.to_string();
    let content: [&[u8]; 3] = [b"POST credit note", name.as_bytes(), &body];
    let mut work = match Work::begin(&billing, &caller, &headers, &content).await? {
        Request::New(work) => work,
        Request::Answered(status, body) => return Ok(answer(status, body)),
    };
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    let (total, tax) = sums(before.total().currency(), &lines)?;
    record.invoice = before.with_credit(total).map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    let today = Utc::now().date_naive();
    let number = credit_notes::next_number(&mut work.transaction, today.year()).await.map_err(unavailable)?;
    let summary = CreditNoteSummary {
        id: CreditNoteId::from_uuid(Uuid::now_v7()),
        number,
        total: total.into(),
        tax,
        reason,
        issued_on: today,
    };
    let note = CreditNote { summary, invoice_id: id };
    credit_notes::insert(&mut work.transaction, &note, &lines).await.map_err(unavailable)?;
    invoices::update_document(&mut work.transaction, &record).await.map_err(unavailable)?;
    work.audit("credit_note.issued", id.to_string(), state(&before), state(&record.invoice)).await?;
    if let Some(invoice) = record.summary(&record.invoice) {
        let issued = CreditNoteIssued { credit_note: note.summary.clone(), invoice, client: record.client.clone() };
        work.tell(InvoiceEvent::CreditNoteIssued(issued)).await?;
    }
    let shown = shown(&note);
    work.commit(StatusCode::CREATED, &shown).await?;
    Ok(answer(StatusCode::CREATED, shown))
}

/// Lists the credit notes about an invoice; a client sees its own only.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}/credit-notes",
    operation_id = "listCreditNotes",
    tag = "invoices",
    params(InvoicePath),
    responses((status = 200, description = "The credit notes.", body = CreditNotes))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let found = invoices::find(&billing.database, id, reach.client_id()).await.map_err(unavailable)?;
    if found.is_none() {
        return Err(Problem::not_found("invoice", id));
    }
    let notes = credit_notes::of_invoice(&billing.database, id).await.map_err(unavailable)?;
    Ok(Json(json!({"credit_notes": notes.iter().map(shown).collect::<Vec<_>>()})))
}

fn shown(note: &CreditNote) -> Value {
    let CreditNote { summary, invoice_id } = note;
    json!({
        "id": summary.id, "invoice_id": invoice_id, "number": summary.number, "total": summary.total, "tax": summary.tax,
        "reason": summary.reason, "issued_on": summary.issued_on,
    })
}

fn parse(body: &[u8]) -> Result<(String, Vec<InvoiceLine>), Problem> {
    let mut fields = Fields::parse(body)?;
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    let lines = fields.objects("lines", LINES_MAX, line);
    fields.finish()?;
    // A member that is None has left a problem behind, and `finish` has refused.
    reason.zip(lines).ok_or_else(|| Problem::invalid(Vec::new()))
}
