//! `/v1/invoices`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{Datelike, NaiveDate};
use http::{HeaderMap, StatusCode};
use quittance_domain::event::{InvoiceChanged, InvoiceEvent};
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::Invoice;
use quittance_domain::money::{Currency, Money, MoneyError, PositiveMoney};
use quittance_domain::tax::tax;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::invoice_view::{self, InvoiceView};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::names::currency;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::openapi::schema::{
    Members, count, day, list_of, matching, object, refer, refer_as, some_of, text,
};
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_lambda::{described, parameters};
use quittance_store::document_lines::InvoiceLine;
use quittance_store::invoices::{self, InvoiceRecord};
use quittance_store::{clients, database::Transaction};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::{Billing, path_id, unavailable};

pub(crate) const LINES_MAX: usize = 200;

const QUANTITY_MAX: u32 = 1_000_000;

/// The longest text of one line, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 200;

/// A percentage from 0 to 100.
const TAX_PERCENT: &str = r"^(100(\.0{1,2})?|(0|[1-9][0-9]?)(\.[0-9]{1,2})?)$";

parameters! {
    pub(crate) InvoicePath => [in_path("id", refer("InvoiceId"), "The invoice.")]
}

pub(crate) fn line_shape(members: Members, amount: &str) -> Members {
    members
        .with("description", text(1, DESCRIPTION_LENGTH_MAX, "The goods or services."))
        .with("quantity", count(1, QUANTITY_MAX.into(), "The quantity."))
        .with("unit_amount", refer_as(amount, "The net unit price, in the invoice's currency."))
        .optional("tax_percent", matching(TAX_PERCENT, "The tax rate in percent; 0 by default.").examples(["19"]))
}

pub(crate) fn line_example() -> Value {
    json!({"description": "Consulting, October", "quantity": 1, "unit_amount": examples::money()})
}

described! {
    /// The body of `POST /v1/invoices`.
    pub(crate) NewInvoice => object(
        "A draft. Its total is the exact sum of its lines and their tax, at most 99999999999. Tax is summed and rounded half \
         up for each rate (EN 16931-1).",
    )
        .with("client_id", refer("ClientId"))
        .with("currency", currency())
        .with("due_on", day("Due date, in the years from 1970 to 2199."))
        .with("lines", some_of(line_shape(object("An invoice line."), "PositiveMoney").closed(), LINES_MAX, "The invoice lines."))
        .closed_like(json!({
            "client_id": examples::CLIENT_ID, "currency": "EUR", "due_on": "2026-12-01", "lines": [line_example()],
        }))
}

described! {
    pub(crate) InvoiceWithLines =>
        invoice_view::shape()
            .with("lines", list_of(line_shape(object("An invoice line."), "Money").open(), "The invoice lines."))
            .open()
}

described! {
    /// An invoice after a change.
    pub(crate) Invoiced => invoice_view::shape().open_like(invoice_view::example())
}

struct Draft {
    client_id: ClientId,
    total: PositiveMoney,
    tax: Money,
    due_on: NaiveDate,
    lines: Vec<InvoiceLine>,
}

/// Creates a draft invoice.
#[utoipa::path(
    post,
    path = "/v1/invoices",
    operation_id = "createInvoice",
    tag = "invoices",
    params(ChangeHeaders),
    request_body = NewInvoice,
    responses((status = 201, description = "The draft.", body = InvoiceWithLines), UnknownInBody)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let draft = parse(&body)?;
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST /v1/invoices", &body]).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    if clients::find(&billing.database, draft.client_id).await.map_err(unavailable)?.is_none() {
        return Err(Problem::not_found("client", draft.client_id));
    }
    let invoice = Invoice::draft(InvoiceId::from_uuid(Uuid::now_v7()), draft.client_id, draft.total);
    invoices::insert_draft(&mut work.transaction, &invoice, draft.tax, draft.due_on, &draft.lines)
        .await
        .map_err(unavailable)?;
    work.audit("invoice.created", invoice.id().to_string(), Value::Null, state(&invoice)).await?;
    let body = to_json(&view(&invoice, draft.tax, draft.due_on), &draft.lines, work.today);
    work.commit(StatusCode::CREATED, &body).await?;
    Ok(answer(StatusCode::CREATED, body))
}

/// Issues a draft invoice: it gets its number and becomes receivable.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/send",
    operation_id = "sendInvoice",
    tag = "invoices",
    params(InvoicePath, ChangeHeaders),
    responses((status = 200, description = "The issued invoice.", body = Invoiced), Conflict)
)]
pub(crate) async fn send(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let mut work =
        match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST send", id.to_string().as_bytes()]).await? {
            ChangeRequest::New(work) => work,
            ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
        };
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    record.invoice = before.issued().map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    let today = work.today;
    record.number = Some(invoices::next_number(&mut work.transaction, today.year()).await.map_err(unavailable)?);
    record.issued_on = Some(today);
    finish(work, &before, record, "invoice.issued", InvoiceEvent::Issued).await
}

/// Voids an open invoice; its number stays used.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/void",
    operation_id = "voidInvoice",
    tag = "invoices",
    params(InvoicePath, ChangeHeaders),
    responses((status = 200, description = "The void invoice.", body = Invoiced), Conflict)
)]
pub(crate) async fn void(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let mut work =
        match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST void", id.to_string().as_bytes()]).await? {
            ChangeRequest::New(work) => work,
            ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
        };
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    record.invoice = before.voided().map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    finish(work, &before, record, "invoice.voided", InvoiceEvent::Voided).await
}

/// Returns an invoice; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}",
    operation_id = "readInvoice",
    tag = "invoices",
    params(InvoicePath),
    responses((status = 200, description = "The invoice.", body = InvoiceWithLines))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let found = invoices::find(&billing.database, id, reach.client_id()).await.map_err(unavailable)?;
    let record = found.ok_or_else(|| Problem::not_found("invoice", id))?;
    let lines = invoices::lines(&billing.database, &record.invoice).await.map_err(unavailable)?;
    Ok(Json(record_to_json(&record, &lines, billing.today())))
}

pub(crate) async fn locked(transaction: &mut Transaction, id: InvoiceId) -> Result<InvoiceRecord, Problem> {
    let found = invoices::lock_document(transaction, id).await.map_err(unavailable)?;
    found.ok_or_else(|| Problem::not_found("invoice", id))
}

/// Writes the change with its audit record and event, and returns the invoice after the change.
async fn finish(
    mut work: IdempotentChange<'_>,
    before: &Invoice,
    record: InvoiceRecord,
    action: &'static str,
    event: impl FnOnce(InvoiceChanged) -> InvoiceEvent,
) -> Result<Response, Problem> {
    invoices::update_document(&mut work.transaction, &record).await.map_err(unavailable)?;
    work.audit(action, record.invoice.id().to_string(), state(before), state(&record.invoice)).await?;
    if let Some(invoice) = record.summary(&record.invoice) {
        work.emit(event(InvoiceChanged { invoice, client: record.client.clone() })).await?;
    }
    let body = record_to_json(&record, &[], work.today);
    work.commit(StatusCode::OK, &body).await?;
    Ok(answer(StatusCode::OK, body))
}

pub(crate) fn state(invoice: &Invoice) -> Value {
    json!({
        "status": invoice.status(), "total": invoice.total(), "credited": invoice.credited(),
        "paid": invoice.paid(), "version": invoice.version(),
    })
}

fn record_to_json(record: &InvoiceRecord, lines: &[InvoiceLine], today: NaiveDate) -> Value {
    let number = record.number.as_deref();
    let view = view(&record.invoice, record.tax, record.due_on);
    to_json(&InvoiceView { number, issued_on: record.issued_on, ..view }, lines, today)
}

/// An invoice before it has a number.
fn view(invoice: &Invoice, tax: Money, due_on: NaiveDate) -> InvoiceView<'static> {
    InvoiceView {
        id: invoice.id(),
        client_id: invoice.client_id(),
        number: None,
        status: invoice.status(),
        total: invoice.total(),
        tax,
        credited: invoice.credited(),
        paid: invoice.paid(),
        version: invoice.version(),
        issued_on: None,
        due_on,
    }
}

fn to_json(view: &InvoiceView<'_>, lines: &[InvoiceLine], today: NaiveDate) -> Value {
    let mut shown = view.to_json(today);
    if let (false, Some(members)) = (lines.is_empty(), shown.as_object_mut()) {
        let line = |line: &InvoiceLine| {
            json!({
                "description": line.description, "quantity": line.quantity, "unit_amount": line.unit_amount,
                "tax_percent": line.tax_percent.to_string(),
            })
        };
        members.insert("lines".to_owned(), Value::Array(lines.iter().map(line).collect()));
    }
    shown
}

fn parse(body: &[u8]) -> Result<Draft, Problem> {
    let mut fields = Fields::parse(body)?;
    let client_id = fields.required("client_id");
    let currency = fields.required::<Currency>("currency");
    if let Some(withdrawn) = currency.filter(|currency| currency.is_withdrawn()) {
        fields.problem("currency", format!("{withdrawn} was withdrawn; new invoices cannot use it"));
    }
    let due_on = fields.day("due_on");
    let lines = fields.objects("lines", LINES_MAX, line);
    fields.finish()?;
    let (Some(client_id), Some(currency), Some(due_on), Some(lines)) = (client_id, currency, due_on, lines) else {
        // A member that is `None` has recorded a problem, so `finish` has failed already.
        return Err(Problem::invalid(Vec::new()));
    };
    let (total, tax) = sums(currency, &lines)?;
    Ok(Draft { client_id, total, tax, due_on, lines })
}

pub(crate) fn line(fields: &mut Fields) -> Option<InvoiceLine> {
    let description = fields.text("description", 1, DESCRIPTION_LENGTH_MAX);
    let quantity = fields.count("quantity", QUANTITY_MAX);
    let unit_amount = fields.money("unit_amount");
    let tax_percent = fields.optional("tax_percent").unwrap_or_default();
    Some(InvoiceLine { description: description?, quantity: quantity?, unit_amount: unit_amount?.into(), tax_percent })
}

/// Total and tax of the lines.
pub(crate) fn sums(currency: Currency, lines: &[InvoiceLine]) -> Result<(PositiveMoney, Money), Problem> {
    total_and_tax(currency, lines).map_err(|error| {
        Problem::invalid(vec![FieldProblem { pointer: "/lines".to_owned(), detail: error.to_string() }])
    })
}

fn total_and_tax(currency: Currency, lines: &[InvoiceLine]) -> Result<(PositiveMoney, Money), MoneyError> {
    let mut net = Vec::with_capacity(lines.len());
    for line in lines {
        net.push((line.unit_amount.checked_mul(line.quantity)?, line.tax_percent));
    }
    let tax = tax(currency, net.iter().copied())?;
    let total = net.into_iter().try_fold(tax, |sum, (amount, _)| sum.checked_add(amount))?;
    Ok((Money::new(total.amount(), currency)?.positive()?, tax))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(lines: &str) -> Result<Draft, Problem> {
        let body = format!(
            r#"{{"client_id":"cli_00000000000000000000000000000001","currency":"EUR","due_on":"2026-12-31","lines":{lines}}}"#
        );
        parse(body.as_bytes())
    }

    #[test]
    fn the_total_is_the_exact_sum_of_the_lines() {
        let lines = r#"[{"description":"a","quantity":3,"unit_amount":{"value":"0.10","currency":"EUR"}},
                        {"description":"b","quantity":1,"unit_amount":{"value":"99.70","currency":"EUR"}}]"#;
        assert_eq!(*draft(lines).unwrap().total, Money::parse("100.00", "EUR").unwrap());
    }

    #[test]
    fn tax_is_part_of_the_total_and_a_rate_that_is_none_is_refused() {
        let line = |percent: &str| {
            format!(
                r#"[{{"description":"a","quantity":2,"unit_amount":{{"value":"50.00","currency":"EUR"}},"tax_percent":{percent}}}]"#
            )
        };
        let taxed = draft(&line(r#""19""#)).unwrap();
        assert_eq!((taxed.total.to_string(), taxed.tax.to_string()), ("119.00 EUR".to_owned(), "19.00 EUR".to_owned()));
        for percent in [r#""101""#, r#""-1""#, "19", r#""1.234""#] {
            assert!(draft(&line(percent)).is_err(), "{percent}");
        }
    }

    #[test]
    fn no_new_invoice_is_in_a_currency_that_was_withdrawn() {
        for (currency, is_taken) in
            [("EUR", true), ("HRK", false), ("BGN", false), ("SLL", false), ("CUC", false), ("ZWL", false)]
        {
            let body = format!(
                r#"{{"client_id":"cli_00000000000000000000000000000001","currency":"{currency}","due_on":"2026-12-31","lines":
                    [{{"description":"a","quantity":1,"unit_amount":{{"value":"1.00","currency":"{currency}"}}}}]}}"#
            );
            assert_eq!(parse(body.as_bytes()).is_ok(), is_taken, "{currency}");
            assert!(Money::parse("1.00", currency).is_ok(), "{currency} of old is read");
        }
    }

    #[test]
    fn another_currency_no_line_or_an_absurd_sum_is_refused() {
        for lines in [
            r#"[{"description":"a","quantity":1,"unit_amount":{"value":"1","currency":"USD"}}]"#,
            "[]",
            r#"[{"description":"a","quantity":1000000,"unit_amount":{"value":"99999999999","currency":"EUR"}}]"#,
            r#"[{"description":"a","quantity":0,"unit_amount":{"value":"1","currency":"EUR"}}]"#,
        ] {
            assert!(draft(lines).is_err(), "{lines}");
        }
    }
}
