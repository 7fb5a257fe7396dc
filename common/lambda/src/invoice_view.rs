//! An invoice as the API shows it, in responses and webhooks.

use chrono::NaiveDate;
use quittance_domain::creditor_reference::CreditorReference;
use quittance_domain::event::InvoiceSummary;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::InvoiceStatus;
use quittance_domain::money::Money;
use quittance_domain::tax::TaxPercent;
use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::openapi::{examples, extend_schema};

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Invoiced, examples(json!({
    "id": InvoiceId::EXAMPLE, "client_id": ClientId::EXAMPLE, "number": "INV-2026-000042",
    "payment_reference": "RF54INV2026000042", "status": "open", "total": examples::money(),
    "tax": {"value": "0.00", "currency": "EUR"}, "credited": {"value": "0.00", "currency": "EUR"},
    "paid": {"value": "0.00", "currency": "EUR"}, "version": 2, "issued_on": "2026-11-01", "due_on": "2026-12-01",
    "overdue": false,
})))]
pub struct InvoiceView {
    pub id: InvoiceId,
    /// Who owes it.
    pub client_id: ClientId,
    /// The number printed on it; null for a draft.
    #[schema(required, min_length = 1, max_length = 50)]
    pub number: Option<String>,
    /// The reference to quote (ISO 11649); payments with it are matched automatically.
    #[schema(required)]
    pub payment_reference: Option<String>,
    pub status: InvoiceStatus,
    /// The amount charged, including tax.
    pub total: Money,
    /// The tax included in `total`.
    pub tax: Money,
    /// The amount credited.
    pub credited: Money,
    /// The amount paid.
    pub paid: Money,
    /// Incremented with each change.
    pub version: i64,
    /// Date of issue; null for a draft.
    #[schema(required)]
    pub issued_on: Option<NaiveDate>,
    /// Due date.
    pub due_on: NaiveDate,
    /// Whether an amount is outstanding after the due date.
    pub overdue: bool,
}

/// An invoice with its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceWithLines {
    #[serde(flatten)]
    pub invoice: InvoiceView,
    /// The invoice lines.
    pub lines: Vec<InvoiceLineView>,
}

impl PartialSchema for InvoiceWithLines {
    fn schema() -> RefOr<Schema> {
        let lines = ArrayBuilder::new().items(Ref::from_schema_name(InvoiceLineView::name()));
        let lines = lines.description(Some("The invoice lines."));
        extend_schema::<InvoiceView>("An invoice with its lines.", "lines", lines)
    }
}

impl ToSchema for InvoiceWithLines {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        InvoiceView::schemas(schemas);
        schemas.push((InvoiceLineView::name().into_owned(), InvoiceLineView::schema()));
        InvoiceLineView::schemas(schemas);
    }
}

/// An invoice line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvoiceLineView {
    /// The goods or services.
    pub description: String,
    /// The quantity.
    pub quantity: u32,
    /// The net unit price, in the invoice's currency.
    pub unit_amount: Money,
    /// The tax rate in percent.
    pub tax_percent: TaxPercent,
}

impl InvoiceView {
    /// The invoice of an event, as it was after the change; whether it is overdue is determined as of `today`.
    #[must_use]
    pub fn from_summary(summary: &InvoiceSummary, client_id: ClientId, today: NaiveDate) -> Self {
        let nothing = || Money::zero(summary.total.currency());
        Self {
            id: summary.id,
            client_id,
            payment_reference: payment_reference(&summary.number),
            number: Some(summary.number.clone()),
            status: summary.status,
            total: summary.total,
            tax: summary.tax.unwrap_or_else(nothing),
            credited: summary.credited.unwrap_or_else(nothing),
            paid: summary.paid,
            version: summary.version,
            issued_on: Some(summary.issued_on),
            due_on: summary.due_on,
            overdue: summary.status.is_overdue(summary.due_on, today),
        }
    }
}

/// The reference that payments of the invoice with this printed number quote.
#[must_use]
pub fn payment_reference(number: &str) -> Option<String> {
    CreditorReference::of_number(number).map(|reference| reference.to_string())
}
