//! `/v1/invoices`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use chrono::{Datelike, NaiveDate};
use deserr::Deserr;
use http::StatusCode;
use http::request::Parts;
use quittance_domain::event::{InvoiceChanged, InvoiceEvent};
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::{Currency, Money, MoneyError, PositiveMoney};
use quittance_domain::tax::{TaxPercent, tax};
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::body::times::Day;
use quittance_lambda::body::values::{List, Text, Whole};
use quittance_lambda::caller::Reach;
use quittance_lambda::change::{ChangeRequest, Changes, NoBody, Reply, Versioned};
use quittance_lambda::invoice_view::{InvoiceLineView, InvoiceView, InvoiceWithLines, payment_reference};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{ChangeHeaders, EditHeaders};
use quittance_lambda::openapi::responses::{ChangedMeanwhile, Conflict, UnknownInBody};
use quittance_lambda::path_id::PathId;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::refused;
use quittance_store::clients;
use quittance_store::database::Transaction;
use quittance_store::document_lines::InvoiceLine;
use quittance_store::invoices::{self, InvoiceRecord};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Billing;
use crate::idempotent_change::IdempotentChange;

pub(crate) const LINES_MAX: usize = 200;

const QUANTITY_MAX: u32 = 1_000_000;

/// The longest text of one line, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 200;

/// The text of a line.
type Description = Text<1, DESCRIPTION_LENGTH_MAX>;

/// The quantity of a line.
type Quantity = Whole<1, QUANTITY_MAX>;

/// An invoice line.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
pub(crate) struct NewLine {
    /// The goods or services.
    description: Description,
    /// The quantity.
    quantity: Quantity,
    /// The net unit price, in the invoice's currency.
    unit_amount: PositiveMoney,
    /// The tax rate in percent; 0 by default.
    #[deserr(default)]
    tax_percent: Option<TaxPercent>,
}

impl From<NewLine> for InvoiceLine {
    fn from(line: NewLine) -> Self {
        Self {
            description: line.description.into(),
            quantity: line.quantity.get(),
            unit_amount: line.unit_amount.into(),
            tax_percent: line.tax_percent.unwrap_or_default(),
        }
    }
}

/// The lines of a body.
pub(crate) type NewLines = List<NewLine, 1, LINES_MAX>;

/// A draft. Its total is the exact sum of its lines and their tax, at most 99999999999. Tax is summed and rounded half
/// up for each rate (EN 16931-1).
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "client_id": ClientId::EXAMPLE, "currency": "EUR", "due_on": "2026-12-01", "lines": [line_example()],
})))]
pub struct NewInvoice {
    client_id: ClientId,
    currency: Currency,
    /// Due date, in the years from 1970 to 2199.
    due_on: Day,
    /// The invoice lines.
    lines: NewLines,
}

pub(crate) fn line_example() -> Value {
    json!({"description": "Consulting, October", "quantity": 1, "unit_amount": examples::money()})
}

/// Creates a draft invoice.
#[utoipa::path(
    post,
    path = "/v1/invoices",
    operation_id = "createInvoice",
    tag = "invoices",
    params(ChangeHeaders),
    request_body = NewInvoice,
    responses((status = 201, description = "The draft.", body = InvoiceWithLines, headers(("ETag" = String, description = "The version."))), UnknownInBody)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    ChangeRequest { head, body }: ChangeRequest<NewInvoice>,
) -> Result<Response, Reply> {
    let NewInvoice { client_id, currency, due_on, lines } = body;
    let lines: Vec<InvoiceLine> = lines.into_vec().into_iter().map(InvoiceLine::from).collect();
    let (total, tax) = sums(currency, &lines)?;
    let mut work = billing.begin(head).await?;
    if !clients::hold_active(&mut work.transaction, client_id).await? {
        return Err(Problem::not_found("client", client_id).into());
    }
    let invoice = Invoice::draft(InvoiceId::from_uuid(Uuid::now_v7()), client_id, total);
    invoices::insert_draft(&mut work.transaction, &invoice, tax, due_on.get(), &lines).await?;
    work.audit("invoice.created", invoice.id().to_string(), Value::Null, state(&invoice)).await?;
    let invoice = view(&invoice, tax, due_on.get(), work.today);
    work.finish(StatusCode::CREATED, &InvoiceWithLines { invoice, lines: line_views(&lines) }).await
}

/// Issues a draft invoice: it gets its number and becomes receivable.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/send",
    operation_id = "sendInvoice",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number."), ChangeHeaders, EditHeaders),
    responses((status = 200, description = "The issued invoice.", body = InvoiceView, headers(("ETag" = String, description = "The version."))), Conflict, ChangedMeanwhile)
)]
pub(crate) async fn send(
    State(billing): State<Arc<Billing>>,
    InvoicePath(id): InvoicePath,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let mut work = billing.begin_edit(head).await?;
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    work.check_version(&format!("invoice {id}"), before.version())?;
    if !clients::hold_active(&mut work.transaction, before.client_id()).await? {
        return Err(Problem::conflict(format!("invoice {id}: its client {} is deleted", before.client_id())).into());
    }
    record.invoice = before.issued().map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    let today = work.today;
    record.number = Some(invoices::next_number(&mut work.transaction, today.year()).await?);
    record.issued_on = Some(today);
    finish(work, &before, record, "invoice.issued", InvoiceEvent::Issued).await
}

/// Voids an open invoice; its number stays used.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/void",
    operation_id = "voidInvoice",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number."), ChangeHeaders, EditHeaders),
    responses((status = 200, description = "The void invoice.", body = InvoiceView, headers(("ETag" = String, description = "The version."))), Conflict, ChangedMeanwhile)
)]
pub(crate) async fn void(
    State(billing): State<Arc<Billing>>,
    InvoicePath(id): InvoicePath,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let mut work = billing.begin_edit(head).await?;
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    work.check_version(&format!("invoice {id}"), before.version())?;
    record.invoice = before.voided().map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    finish(work, &before, record, "invoice.voided", InvoiceEvent::Voided).await
}

/// Returns an invoice; clients see their own only, and no drafts.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}",
    operation_id = "readInvoice",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number.")),
    responses((status = 200, description = "The invoice.", body = InvoiceWithLines, headers(("ETag" = String, description = "The version."))))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    InvoicePath(id): InvoicePath,
) -> Result<Versioned<InvoiceWithLines>, Problem> {
    let record = visible(&billing, reach, id).await?;
    let lines = invoices::lines(&billing.database, &record.invoice).await?;
    let invoice = view_of(record, billing.today());
    Ok(Versioned(InvoiceWithLines { invoice, lines: line_views(&lines) }))
}

/// The invoice in a path, by its id or by its printed number. The number of an invoice that the caller may not see is
/// not found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InvoicePath(pub(crate) InvoiceId);

impl FromRequestParts<Arc<Billing>> for InvoicePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, billing: &Arc<Billing>) -> Result<Self, Self::Rejection> {
        let permit = Permit::from_request_parts(parts, billing).await?;
        let PathId(named) = PathId::<InvoiceIdOrNumber>::from_request_parts(parts, billing).await?;
        named_invoice(billing, &named, permit.reach).await.map(Self)
    }
}

/// The id of an invoice that a request names.
///
/// # Errors
/// 404 if no invoice that the caller may see has the number.
pub(crate) async fn named_invoice(
    billing: &Billing,
    named: &InvoiceIdOrNumber,
    reach: Reach,
) -> Result<InvoiceId, Problem> {
    let found = invoices::resolve(&billing.database, &named.0, reach.client_id()).await?;
    found.ok_or_else(|| Problem::not_found("invoice", named))
}

/// The invoice to filter a list by.
///
/// # Errors
/// 400 if no invoice that the caller may see has the number.
pub(crate) async fn filtered_invoice(
    billing: &Billing,
    named: Option<InvoiceIdOrNumber>,
    reach: Reach,
) -> Result<Option<InvoiceId>, Problem> {
    let Some(named) = named else { return Ok(None) };
    let found = invoices::resolve(&billing.database, &named.0, reach.client_id()).await?;
    found.map(Some).ok_or_else(|| refused("invoice_id", format!("there is no invoice {named} that you may see")))
}

/// The invoice, if the caller's permission covers it; a draft is not found by a client's own users.
pub(crate) async fn visible(billing: &Billing, reach: Reach, id: InvoiceId) -> Result<InvoiceRecord, Problem> {
    let found = invoices::find(&billing.database, id, reach.client_id()).await?;
    let is_shown = |record: &InvoiceRecord| reach == Reach::All || record.invoice.status() != InvoiceStatus::Draft;
    found.filter(is_shown).ok_or_else(|| Problem::not_found("invoice", id))
}

pub(crate) async fn locked(transaction: &mut Transaction, id: InvoiceId) -> Result<InvoiceRecord, Problem> {
    let found = invoices::lock_document(transaction, id).await?;
    found.ok_or_else(|| Problem::not_found("invoice", id))
}

/// Writes the change with its audit record and event, and returns the invoice after the change.
async fn finish(
    mut work: IdempotentChange<'_>,
    before: &Invoice,
    record: InvoiceRecord,
    action: &'static str,
    event: impl FnOnce(InvoiceChanged) -> InvoiceEvent,
) -> Result<Response, Reply> {
    invoices::update_document(&mut work.transaction, &record).await?;
    work.audit(action, record.invoice.id().to_string(), state(before), state(&record.invoice)).await?;
    if let Some(invoice) = record.summary(&record.invoice) {
        work.emit(event(InvoiceChanged { invoice, client: record.client.clone() })).await?;
    }
    let shown = view_of(record, work.today);
    work.finish(StatusCode::OK, &shown).await
}

pub(crate) fn state(invoice: &Invoice) -> Value {
    json!({
        "status": invoice.status(), "total": invoice.total(), "credited": invoice.credited(),
        "paid": invoice.paid(), "version": invoice.version(),
    })
}

fn view_of(record: InvoiceRecord, today: NaiveDate) -> InvoiceView {
    let view = view(&record.invoice, record.tax, record.due_on, today);
    let payment_reference = record.number.as_deref().and_then(payment_reference);
    InvoiceView { number: record.number, payment_reference, issued_on: record.issued_on, ..view }
}

/// An invoice before it has a number.
fn view(invoice: &Invoice, tax: Money, due_on: NaiveDate, today: NaiveDate) -> InvoiceView {
    InvoiceView {
        id: invoice.id(),
        client_id: invoice.client_id(),
        number: None,
        payment_reference: None,
        status: invoice.status(),
        total: invoice.total(),
        tax,
        credited: invoice.credited(),
        paid: invoice.paid(),
        version: invoice.version(),
        issued_on: None,
        due_on,
        overdue: invoice.status().is_overdue(due_on, today),
    }
}

fn line_views(lines: &[InvoiceLine]) -> Vec<InvoiceLineView> {
    let view = |line: &InvoiceLine| InvoiceLineView {
        description: line.description.clone(),
        quantity: line.quantity,
        unit_amount: line.unit_amount,
        tax_percent: line.tax_percent,
    };
    lines.iter().map(view).collect()
}

/// Total and tax of the lines.
///
/// # Errors
/// The fault of `/lines`.
pub(crate) fn sums(currency: Currency, lines: &[InvoiceLine]) -> Result<(PositiveMoney, Money), Faults> {
    total_and_tax(currency, lines).map_err(|error| Faults::of("/lines", error))
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

    fn parse(body: &str) -> Result<(PositiveMoney, Money), Problem> {
        let invoice: NewInvoice = quittance_lambda::body::parse(body.as_bytes())?;
        let lines: Vec<InvoiceLine> = invoice.lines.into_vec().into_iter().map(InvoiceLine::from).collect();
        sums(invoice.currency, &lines).map_err(Faults::into_problem)
    }

    fn draft(lines: &str) -> Result<(PositiveMoney, Money), Problem> {
        parse(&format!(
            r#"{{"client_id":"cli_00000000000000000000000000000001","currency":"EUR","due_on":"2026-12-31","lines":{lines}}}"#
        ))
    }

    #[test]
    fn the_total_is_the_exact_sum_of_the_lines() {
        let lines = r#"[{"description":"a","quantity":3,"unit_amount":{"value":"0.10","currency":"EUR"}},
                        {"description":"b","quantity":1,"unit_amount":{"value":"99.70","currency":"EUR"}}]"#;
        assert_eq!(*draft(lines).unwrap().0, Money::parse("100.00", "EUR").unwrap());
    }

    #[test]
    fn tax_is_part_of_the_total_and_a_rate_that_is_none_is_refused() {
        let line = |percent: &str| {
            format!(
                r#"[{{"description":"a","quantity":2,"unit_amount":{{"value":"50.00","currency":"EUR"}},"tax_percent":{percent}}}]"#
            )
        };
        let (total, tax) = draft(&line(r#""19""#)).unwrap();
        assert_eq!((total.to_string(), tax.to_string()), ("119.00 EUR".to_owned(), "19.00 EUR".to_owned()));
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
            assert_eq!(parse(&body).is_ok(), is_taken, "{currency}");
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
