//! An invoice as the API shows it, in responses and webhooks: both share one serialiser and one schema.

use chrono::NaiveDate;
use quittance_domain::creditor_reference::CreditorReference;
use quittance_domain::event::InvoiceSummary;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::InvoiceStatus;
use quittance_domain::money::Money;
use serde_json::{Value, json};

use crate::openapi::examples;
use crate::openapi::schema::{Members, day, flag, number, object, one_of, refer, refer_as, text, words};

/// The data that is shown of an invoice.
#[derive(Debug, Clone)]
pub struct InvoiceView<'a> {
    pub id: InvoiceId,
    /// Who owes it.
    pub client_id: ClientId,
    /// The printed number; none for a draft.
    pub number: Option<&'a str>,
    pub status: InvoiceStatus,
    /// The amount charged.
    pub total: Money,
    /// The tax included in it.
    pub tax: Money,
    /// The amount that credit notes took off.
    pub credited: Money,
    /// The amount paid.
    pub paid: Money,
    /// Incremented with each change.
    pub version: i64,
    /// Date of issue; none for a draft.
    pub issued_on: Option<NaiveDate>,
    /// Due date.
    pub due_on: NaiveDate,
}

impl<'a> InvoiceView<'a> {
    /// The invoice of an event, as it was after the change.
    #[must_use]
    pub fn from_summary(summary: &'a InvoiceSummary, client_id: ClientId) -> Self {
        Self {
            id: summary.id,
            client_id,
            number: Some(&summary.number),
            status: summary.status,
            total: summary.total,
            tax: summary.tax.unwrap_or_else(|| Money::zero(summary.total.currency())),
            credited: summary.credited.unwrap_or_else(|| Money::zero(summary.total.currency())),
            paid: summary.paid,
            version: summary.version,
            issued_on: Some(summary.issued_on),
            due_on: summary.due_on,
        }
    }

    /// The invoice as JSON; whether it is overdue is determined as of `today`.
    #[must_use]
    pub fn to_json(&self, today: NaiveDate) -> Value {
        json!({
            "id": self.id, "client_id": self.client_id, "number": self.number,
            "payment_reference": self.number.and_then(CreditorReference::of_number).map(|reference| reference.to_string()),
            "status": self.status, "total": self.total, "tax": self.tax, "credited": self.credited, "paid": self.paid, "version": self.version,
            "issued_on": self.issued_on, "due_on": self.due_on, "overdue": self.status.is_overdue(self.due_on, today),
        })
    }
}

/// The schema of [`InvoiceView::to_json`].
#[must_use]
pub fn shape() -> Members {
    object("An invoice.")
        .with("id", refer("InvoiceId"))
        .with("client_id", refer("ClientId"))
        .with_or_null("number", text(1, 50, "The number printed on it; null for a draft."))
        .with_or_null(
            "payment_reference",
            words("The reference to quote (ISO 11649); payments with it are matched automatically."),
        )
        .with("status", one_of(InvoiceStatus::ALL.map(InvoiceStatus::as_str), "The status."))
        .with("total", refer_as("Money", "The amount charged, including tax."))
        .with("tax", refer_as("Money", "The tax included in `total`."))
        .with("credited", refer_as("Money", "The amount credited."))
        .with("paid", refer_as("Money", "The amount paid."))
        .with("version", number("Incremented with each change."))
        .with_or_null("issued_on", day("Date of issue; null for a draft."))
        .with("due_on", day("Due date."))
        .with("overdue", flag("Whether an amount is outstanding after the due date."))
}

#[must_use]
pub fn example() -> Value {
    json!({
        "id": examples::INVOICE_ID, "client_id": examples::CLIENT_ID, "number": "INV-2026-000042", "payment_reference": "RF54INV2026000042", "status": "open",
        "total": examples::money(), "tax": {"value": "0.00", "currency": "EUR"},
        "credited": {"value": "0.00", "currency": "EUR"}, "paid": {"value": "0.00", "currency": "EUR"}, "version": 2,
        "issued_on": "2026-11-01", "due_on": "2026-12-01", "overdue": false,
    })
}
