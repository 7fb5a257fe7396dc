//! What an invoice is once it has been issued: a total, what has been paid of it, and the status that follows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId};
use crate::money::{Money, MoneyError};

/// Where an invoice stands. `overdue` is no status: it follows from the due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Being written; has no number and may change.
    Draft,
    /// Issued, nothing paid.
    Open,
    /// Issued, some of it paid.
    PartiallyPaid,
    /// Paid in full.
    Paid,
    /// Cancelled; its number stays used.
    Void,
}

impl InvoiceStatus {
    /// The name used in the database, the API and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::PartiallyPaid => "partially_paid",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

impl fmt::Display for InvoiceStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no invoice status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an invoice status")]
pub struct UnknownInvoiceStatus(String);

impl FromStr for InvoiceStatus {
    type Err = UnknownInvoiceStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Draft, Self::Open, Self::PartiallyPaid, Self::Paid, Self::Void]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownInvoiceStatus(text.to_owned()))
    }
}

/// What settlement needs to know of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice.
    pub id: InvoiceId,
    /// Who owes it.
    pub client_id: ClientId,
    /// What is owed.
    pub total: Money,
    /// What has been allocated to it so far.
    pub paid: Money,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// Grows by one with each change; events carry it so that readers can tell old from new.
    pub version: i64,
}

impl Invoice {
    /// What is still owed.
    ///
    /// # Errors
    /// [`MoneyError`] if total and paid amount were kept in two currencies.
    pub fn outstanding(&self) -> Result<Money, MoneyError> {
        self.total.checked_sub(self.paid)
    }

    /// The invoice after `amount` more has been allocated to it; a negative amount takes money back.
    ///
    /// # Errors
    /// [`MoneyError`] if the currencies differ.
    pub fn with_allocation(&self, amount: Money) -> Result<Self, MoneyError> {
        let paid = self.paid.checked_add(amount)?;
        let status = match self.status {
            InvoiceStatus::Draft | InvoiceStatus::Void => self.status,
            _ if paid.is_zero() => InvoiceStatus::Open,
            _ if self.total.checked_sub(paid)?.is_positive() => InvoiceStatus::PartiallyPaid,
            _ => InvoiceStatus::Paid,
        };
        Ok(Self { paid, status, version: self.version.saturating_add(1), ..self.clone() })
    }
}
