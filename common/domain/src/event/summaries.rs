//! Invoices, payments, credit notes and adjustments as events tell of them.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adjustment::AdjustmentKind;
use crate::id::{AdjustmentId, CreditNoteId, InvoiceId, PaymentId, Provider, TransactionId};
use crate::invoice::InvoiceStatus;
use crate::money::Money;

/// An invoice as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceSummary {
    /// The invoice.
    pub id: InvoiceId,
    /// The number printed on it.
    pub number: String,
    /// What is owed in all.
    pub total: Money,
    /// The tax within it; none where none is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Money>,
    /// What credit notes took off it; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credited: Option<Money>,
    /// What has been paid of it.
    pub paid: Money,
    /// Where it stands after the change.
    pub status: InvoiceStatus,
    /// Grows with each change.
    pub version: i64,
    /// Date of issue.
    pub issued_on: NaiveDate,
    /// Date by which it is to be paid.
    pub due_on: NaiveDate,
}

impl InvoiceSummary {
    /// What is still owed; nothing where more is paid than is owed, or the amounts are in two currencies, which no invoice
    /// has.
    #[must_use]
    pub fn remaining(&self) -> Money {
        let credited = self.credited.unwrap_or_else(|| Money::zero(self.total.currency()));
        let remaining = self.total.checked_sub(credited).and_then(|owed| owed.checked_sub(self.paid));
        remaining.map_or_else(|_| Money::zero(self.total.currency()), Money::or_zero)
    }
}

/// A payment as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentSummary {
    /// Our id.
    pub id: PaymentId,
    /// Its name in its provider's namespace.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
    /// What was paid in all.
    pub amount: Money,
    /// When the money moved.
    pub paid_at: DateTime<Utc>,
    /// The day of it in the seller's books; older events have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_on: Option<NaiveDate>,
}

impl PaymentSummary {
    /// The day to name to people: that of the books.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.paid_on.unwrap_or_else(|| self.paid_at.date_naive())
    }
}

/// A credit note as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreditNoteSummary {
    /// The credit note.
    pub id: CreditNoteId,
    /// The number printed on it: gapless within a year.
    pub number: String,
    /// What it takes off the invoice, tax included.
    pub total: Money,
    /// The tax within it.
    pub tax: Money,
    /// Why.
    pub reason: String,
    /// Date of issue.
    pub issued_on: NaiveDate,
}

/// An adjustment of the money at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdjustmentSummary {
    /// The adjustment.
    pub id: AdjustmentId,
    /// What happened.
    pub kind: AdjustmentKind,
    /// Who has, or had, the money.
    pub provider: Provider,
    /// How much; above zero.
    pub amount: Money,
    /// The provider's name of it, as on its bill or report.
    pub reference: String,
}
