//! `/v1/invoices/{id}/credit-notes`: reductions of issued invoices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{Datelike, NaiveDate};
use deserr::{Deserr, ValuePointerRef};
use http::StatusCode;
use quittance_domain::command::{CreditUse, PaymentCommand, ReleaseCredited};
use quittance_domain::event::{CreditNoteIssued, CreditNoteSummary, InvoiceEvent};
use quittance_domain::id::{CreditNoteId, InvoiceId, RefundId};
use quittance_domain::invoice::Invoice;
use quittance_domain::money::{Currency, Money, MoneyError, PositiveMoney};
use quittance_domain::tax::{TaxPercent, taxes};
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::body::values::Text;
use quittance_lambda::caller::Reach;
use quittance_lambda::change::{ChangeRequest, Reply};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{ChangeHeaders, EditHeaders};
use quittance_lambda::openapi::responses::{ChangedMeanwhile, Conflict, UnknownInBody};
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_store::allocations;
use quittance_store::credit_notes::{self, CreditNote};
use quittance_store::document_lines::InvoiceLine;
use quittance_store::invoices::{self, InvoiceRecord};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Billing;
use crate::idempotent_change::IdempotentChange;
use crate::invoices::{InvoicePath, NewLines, line_example, locked, named_invoice, state, sums, visible};

/// A reason that is printed.
type PrintedReason = Text<1, 200>;

/// The credited lines: in total at most what was charged. The part that was paid becomes the client's credit, which is
/// kept, refunded, or applied to another invoice. The credit note that completes the credit of all lines takes the
/// remainder that rounding left in earlier ones.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = used_once -> Faults)]
#[schema(examples(json!({"reason": "Delivered in part", "lines": [line_example()]})))]
pub struct NewCreditNote {
    /// The reason, which is printed.
    reason: PrintedReason,
    /// The credited lines, at the tax rates at which they were charged.
    lines: NewLines,
    /// Whether to refund what becomes the client's credit.
    #[deserr(default)]
    refund_credit: Option<bool>,
    /// Another open invoice of the client, to which the credit is applied.
    #[deserr(default)]
    apply_credit_to: Option<InvoiceIdOrNumber>,
}

fn used_once(note: NewCreditNote, location: ValuePointerRef<'_>) -> Result<NewCreditNote, Faults> {
    if note.refund_credit == Some(true) && note.apply_credit_to.is_some() {
        return Err(Faults::at(location.push_key("apply_credit_to"), "credit is refunded or applied, not both"));
    }
    Ok(note)
}

/// A credit note.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": CreditNoteId::EXAMPLE, "invoice_id": InvoiceId::EXAMPLE, "number": "CN-2026-000007",
    "total": examples::money(), "tax": {"value": "0.00", "currency": "EUR"}, "reason": "Delivered in part",
    "issued_on": "2026-11-12",
})))]
pub(crate) struct CreditNoteView {
    id: CreditNoteId,
    invoice_id: InvoiceId,
    /// The printed number: gapless within a year.
    number: String,
    /// The credited amount, including tax.
    total: Money,
    /// The tax included in `total`.
    tax: Money,
    /// The reason.
    reason: String,
    /// Date of issue.
    issued_on: NaiveDate,
    /// The part that was paid and becomes the client's credit; only in the response that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_credit: Option<Money>,
}

impl From<CreditNote> for CreditNoteView {
    fn from(CreditNote { summary, invoice_id }: CreditNote) -> Self {
        let CreditNoteSummary { id, number, total, tax, reason, issued_on } = summary;
        Self { id, invoice_id, number, total, tax, reason, issued_on, client_credit: None }
    }
}

/// The credit notes of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditNotes {
    /// Oldest first.
    credit_notes: Vec<CreditNoteView>,
}

/// Issues a credit note against an invoice.
#[utoipa::path(
    post,
    path = "/v1/invoices/{id}/credit-notes",
    operation_id = "createCreditNote",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number."), ChangeHeaders, EditHeaders),
    request_body = NewCreditNote,
    responses((status = 201, description = "The credit note.", body = CreditNoteView), Conflict, UnknownInBody, ChangedMeanwhile)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    InvoicePath(id): InvoicePath,
    ChangeRequest { head, body }: ChangeRequest<NewCreditNote>,
) -> Result<Response, Reply> {
    let asked = CreditNoteRequest::new(&billing, head.reach, body).await?;
    let mut work = billing.begin_edit(head).await?;
    let mut record = locked(&mut work.transaction, id).await?;
    let before = record.invoice.clone();
    work.check_version(&format!("invoice {id}"), before.version())?;
    let (total, tax) = credited_sums(&billing, &mut work, &record, &asked.lines).await?;
    record.invoice = before.with_credit(total).map_err(|error| Problem::conflict(format!("invoice {id}: {error}")))?;
    let today = work.today;
    let number = credit_notes::next_number(&mut work.transaction, today.year()).await?;
    let summary = CreditNoteSummary {
        id: CreditNoteId::from_uuid(Uuid::now_v7()),
        number,
        total: total.into(),
        tax,
        reason: asked.reason.clone(),
        issued_on: today,
    };
    let note = CreditNote { summary, invoice_id: id };
    credit_notes::insert(&mut work.transaction, &note, &asked.lines).await?;
    invoices::update_document(&mut work.transaction, &record).await?;
    work.audit("credit_note.issued", id.to_string(), state(&before), state(&record.invoice)).await?;
    if let Some(invoice) = record.summary(&record.invoice) {
        let issued = CreditNoteIssued { credit_note: note.summary.clone(), invoice, client: record.client.clone() };
        work.emit(InvoiceEvent::CreditNoteIssued(issued)).await?;
    }
    let client_credit = release_paid(&billing, &mut work, &before, &record, &note, &asked).await?;
    let shown = CreditNoteView { client_credit, ..CreditNoteView::from(note) };
    work.finish(StatusCode::CREATED, &shown).await
}

/// Total and tax of a credit note. Of several that together credit every line at its original rate, the last takes the
/// remainder, so that invoice and credit notes add up to the cent.
async fn credited_sums(
    billing: &Billing,
    work: &mut IdempotentChange<'_>,
    record: &InvoiceRecord,
    lines: &[InvoiceLine],
) -> Result<(PositiveMoney, Money), Reply> {
    let invoice = &record.invoice;
    let currency = invoice.total().currency();
    let by_themselves = sums(currency, lines)?;
    let charged = invoices::lines(&billing.database, invoice).await?;
    let (mut credited, credited_tax) = credit_notes::credited(&mut work.transaction, invoice).await?;
    credited.extend_from_slice(lines);
    if nets(currency, &charged)? != nets(currency, &credited)? {
        return Ok(by_themselves);
    }
    let left = invoice.total().checked_sub(invoice.credited()).and_then(Money::positive);
    let tax = record.tax.checked_sub(credited_tax);
    Ok(left.ok().zip(tax.ok().filter(|tax| !tax.is_negative())).unwrap_or(by_themselves))
}

/// The net amounts of lines, by tax rate.
fn nets(currency: Currency, lines: &[InvoiceLine]) -> Result<Vec<(TaxPercent, Money)>, Faults> {
    let refused = |error: MoneyError| Faults::of("/lines", error);
    let net = |line: &InvoiceLine| Ok((line.unit_amount.checked_mul(line.quantity)?, line.tax_percent));
    let nets = lines.iter().map(net).collect::<Result<Vec<_>, MoneyError>>().map_err(refused)?;
    Ok(taxes(currency, nets).map_err(refused)?.into_iter().map(|rate| (rate.percent, rate.net)).collect())
}

/// Has the processor release what is paid beyond what is owed after the credit note: it becomes the client's credit.
/// Returns the amount, if there is one.
async fn release_paid(
    billing: &Billing,
    work: &mut IdempotentChange<'_>,
    before: &Invoice,
    record: &InvoiceRecord,
    note: &CreditNote,
    asked: &CreditNoteRequest,
) -> Result<Option<Money>, Problem> {
    let conflict = |reason: &str| Problem::conflict(format!("invoice {}: {reason}", record.invoice.id()));
    let refused = |error: MoneyError| conflict(&error.to_string());
    let excess = |invoice: &Invoice| Ok(invoice.outstanding()?.negated().or_zero());
    // Money from an earlier credit note may not have left yet.
    let leaving: Money = excess(before).map_err(refused)?;
    let credit = excess(&record.invoice).and_then(|all| all.checked_sub(leaving)).map_err(refused)?;
    if !credit.is_positive() {
        return match asked.then {
            CreditDisposition::Keep => Ok(None),
            CreditDisposition::Refund | CreditDisposition::Apply(_) => {
                Err(conflict("no paid amount is credited, so there is nothing to refund or apply"))
            }
        };
    }
    if let CreditDisposition::Apply(other) = asked.then {
        let client = Some(record.invoice.client_id());
        let found = invoices::find(&billing.database, other, client).await?;
        let requires = |other: &InvoiceRecord| {
            let currency = record.invoice.total().currency();
            let left = other.invoice.outstanding().ok().filter(|left| left.is_positive());
            other.invoice.is_payable() && left.is_some_and(|left| left.currency() == currency)
        };
        if other == record.invoice.id() || !found.as_ref().is_some_and(requires) {
            return Err(conflict(&format!("{other} is not another open invoice of the client in the same currency")));
        }
    }
    let payments = allocations::of_invoice(&mut work.transaction, record.invoice.id()).await?;
    let (mut skipped, mut left) = (leaving, credit);
    for (transaction_id, allocated) in payments {
        let gone = allocated.smaller(skipped).map_err(refused)?;
        skipped = skipped.checked_sub(gone).map_err(refused)?;
        let share = allocated.checked_sub(gone).and_then(|rest| rest.smaller(left)).map_err(refused)?;
        let Ok(amount) = share.positive() else { continue };
        left = left.checked_sub(share).map_err(refused)?;
        let request = format!("{}:{transaction_id}", note.summary.id);
        let refund_id = RefundId::from_uuid(Uuid::new_v5(&note.summary.id.as_uuid(), request.as_bytes()));
        let actor = work.actor().to_owned();
        work.command(PaymentCommand::ReleaseCredited(ReleaseCredited {
            transaction_id,
            invoice_id: record.invoice.id(),
            amount,
            then: match asked.then {
                CreditDisposition::Keep => CreditUse::Keep,
                CreditDisposition::Refund => CreditUse::Refund { refund_id },
                CreditDisposition::Apply(invoice_id) => CreditUse::Apply { invoice_id },
            },
            reason: format!("credit note {}: {}", note.summary.number, note.summary.reason),
            actor,
            request,
        }))
        .await?;
    }
    Ok(Some(credit))
}

/// Lists the credit notes of an invoice; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}/credit-notes",
    operation_id = "listCreditNotes",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number.")),
    responses((status = 200, description = "The credit notes.", body = CreditNotes))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    InvoicePath(id): InvoicePath,
) -> Result<Json<CreditNotes>, Problem> {
    visible(&billing, reach, id).await?;
    let notes = credit_notes::of_invoice(&billing.database, id).await?;
    Ok(Json(CreditNotes { credit_notes: notes.into_iter().map(CreditNoteView::from).collect() }))
}

struct CreditNoteRequest {
    reason: String,
    lines: Vec<InvoiceLine>,
    then: CreditDisposition,
}

/// What happens to the client's credit.
#[derive(Clone, Copy)]
enum CreditDisposition {
    Keep,
    Refund,
    Apply(InvoiceId),
}

impl CreditNoteRequest {
    async fn new(billing: &Billing, reach: Reach, note: NewCreditNote) -> Result<Self, Problem> {
        let then = match (note.apply_credit_to, note.refund_credit) {
            (Some(invoice), _) => CreditDisposition::Apply(named_invoice(billing, &invoice, reach).await?),
            (None, Some(true)) => CreditDisposition::Refund,
            (None, Some(false) | None) => CreditDisposition::Keep,
        };
        let lines = note.lines.into_vec().into_iter().map(InvoiceLine::from).collect();
        Ok(Self { reason: note.reason.into(), lines, then })
    }
}
