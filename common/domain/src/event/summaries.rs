//! Summaries of invoices, payments, credit notes and adjustments, as events carry them.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::adjustment::AdjustmentKind;
use crate::id::{AdjustmentId, CreditNoteId, InvoiceId, PaymentId, Provider, TransactionId};
use crate::invoice::InvoiceStatus;
use crate::money::Money;

/// An invoice as events carry it. Webhooks show it as the API does, under the name of that schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[schema(as = Invoiced)]
pub struct InvoiceSummary {
    /// The invoice.
    pub id: InvoiceId,
    /// The printed number.
    pub number: String,
    /// The amount charged.
    pub total: Money,
    /// The tax included in it; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tax: Option<Money>,
    /// The amount that credit notes took off; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credited: Option<Money>,
    /// The amount paid.
    pub paid: Money,
    /// The status after the change.
    pub status: InvoiceStatus,
    /// Incremented with each change.
    pub version: i64,
    /// Date of issue.
    pub issued_on: NaiveDate,
    /// Due date.
    pub due_on: NaiveDate,
}

impl InvoiceSummary {
    /// The outstanding amount; zero if more is paid than is owed, or if the amounts are in two currencies, which no
    /// invoice has.
    #[must_use]
    pub fn remaining(&self) -> Money {
        let credited = self.credited.unwrap_or_else(|| Money::zero(self.total.currency()));
        let remaining = self.total.checked_sub(credited).and_then(|owed| owed.checked_sub(self.paid));
        remaining.map_or_else(|_| Money::zero(self.total.currency()), Money::or_zero)
    }
}

/// A payment as events carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PaymentSummary {
    /// Our id.
    pub id: PaymentId,
    /// Its id in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The amount paid in total.
    pub amount: Money,
    /// When the money moved.
    pub paid_at: DateTime<Utc>,
    /// The accounting date; older events have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub paid_on: Option<NaiveDate>,
}

impl PaymentSummary {
    /// The day to show to people: the accounting date.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.paid_on.unwrap_or_else(|| self.paid_at.date_naive())
    }
}

/// A credit note as events carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CreditNoteSummary {
    /// The credit note.
    pub id: CreditNoteId,
    /// The printed number: gapless within a year.
    pub number: String,
    /// The amount that it takes off the invoice, including tax.
    pub total: Money,
    /// The tax included in it.
    pub tax: Money,
    /// The reason.
    pub reason: String,
    /// Date of issue.
    pub issued_on: NaiveDate,
}

/// An adjustment of the money at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct AdjustmentSummary {
    /// The adjustment.
    pub id: AdjustmentId,
    /// The kind of adjustment.
    pub kind: AdjustmentKind,
    /// The provider that has, or had, the money.
    pub provider: Provider,
    /// The amount; above zero.
    pub amount: Money,
    /// The provider's reference for it, as on its bill or report.
    pub reference: String,
}
