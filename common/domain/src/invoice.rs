//! Invoices: the total, what credit notes took off, what was paid, and the status that follows.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId};
use crate::money::{Money, MoneyError, PositiveMoney};
use crate::names::stored_name;

/// The status of an invoice. `overdue` is not a status: it follows from the due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// A draft: it has no number and may change.
    Draft,
    /// Issued, nothing paid.
    Open,
    /// Issued, paid in part.
    PartiallyPaid,
    /// Nothing is owed: it is paid, except for what credit notes took off.
    Paid,
    /// Nothing is owed: credit notes took off all of it, and nothing is paid.
    Credited,
    /// Voided; its number is not reused.
    Void,
}

stored_name!(InvoiceStatus {
    Draft => "draft",
    Open => "open",
    PartiallyPaid => "partially_paid",
    Paid => "paid",
    Credited => "credited",
    Void => "void",
});

impl InvoiceStatus {
    /// Whether something is owed after the due date.
    #[must_use]
    pub fn is_overdue(self, due_on: NaiveDate, today: NaiveDate) -> bool {
        matches!(self, Self::Open | Self::PartiallyPaid) && today > due_on
    }
}

/// Why invoice data is inconsistent, or a change of an invoice is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// Total, paid amount and status are inconsistent.
    #[error("an invoice over {total} of which {paid} is paid cannot be {status}")]
    Inconsistent {
        /// The amount owed.
        total: Money,
        /// The stored paid amount.
        paid: Money,
        /// The stored status.
        status: InvoiceStatus,
    },
    /// Only a draft can be issued.
    #[error("the invoice is {0}; only a draft can be sent")]
    NotADraft(InvoiceStatus),
    /// Only an invoice that is owed in full can be voided.
    #[error("the invoice is {0}; only an open invoice of which nothing is paid or credited can be voided")]
    NotVoidable(InvoiceStatus),
    /// An issued invoice can be credited up to its total.
    #[error("the invoice is {status} and {left} of it is not credited yet; {amount} cannot be credited")]
    NotCreditable {
        /// Its status.
        status: InvoiceStatus,
        /// The amount that has not been credited yet.
        left: Money,
        /// The amount to credit.
        amount: Money,
    },
    /// Only an issued invoice takes or returns money, and never more than it is owed.
    #[error("an invoice that is {status}, over {total} of which {paid} is paid, cannot take {amount}")]
    NotPayable {
        /// Its status.
        status: InvoiceStatus,
        /// The amount owed.
        total: Money,
        /// The amount paid.
        paid: Money,
        /// The amount to allocate; negative for money taken back.
        amount: Money,
    },
    /// Two currencies, or an amount that is too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The data of an invoice that settlement needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    id: InvoiceId,
    client_id: ClientId,
    total: Money,
    credited: Money,
    paid: Money,
    status: InvoiceStatus,
    version: i64,
}

/// The amounts of an invoice, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// The amount charged.
    pub total: Money,
    /// The amount that credit notes took off.
    pub credited: Money,
    /// The amount paid.
    pub paid: Money,
}

impl Invoice {
    /// A new draft.
    #[must_use]
    pub fn draft(id: InvoiceId, client_id: ClientId, total: PositiveMoney) -> Self {
        let zero = Money::zero(total.currency());
        let status = InvoiceStatus::Draft;
        Self { id, client_id, total: total.into(), credited: zero, paid: zero, status, version: 1 }
    }

    /// Restores a stored invoice.
    ///
    /// # Errors
    /// [`InvoiceError::Inconsistent`] if the values contradict each other.
    pub fn restore(
        id: InvoiceId,
        client_id: ClientId,
        Amounts { total, credited, paid }: Amounts,
        status: InvoiceStatus,
        version: i64,
    ) -> Result<Self, InvoiceError> {
        let owed = total.checked_sub(credited)?;
        let outstanding = owed.checked_sub(paid)?;
        let is_consistent = total.is_positive()
            && !credited.is_negative()
            && match status {
                InvoiceStatus::Draft | InvoiceStatus::Void => paid.is_zero() && credited.is_zero(),
                InvoiceStatus::Open => paid.is_zero() && outstanding.is_positive(),
                InvoiceStatus::PartiallyPaid => paid.is_positive() && outstanding.is_positive(),
                InvoiceStatus::Paid => paid.is_positive() && !outstanding.is_positive(),
                InvoiceStatus::Credited => paid.is_zero() && owed.is_zero(),
            };
        if is_consistent {
            Ok(Self { id, client_id, total, credited, paid, status, version })
        } else {
            Err(InvoiceError::Inconsistent { total, paid, status })
        }
    }

    /// The invoice.
    #[must_use]
    pub const fn id(&self) -> InvoiceId {
        self.id
    }

    /// Who owes it.
    #[must_use]
    pub const fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The amount charged.
    #[must_use]
    pub const fn total(&self) -> Money {
        self.total
    }

    /// The amount that credit notes took off.
    #[must_use]
    pub const fn credited(&self) -> Money {
        self.credited
    }

    /// The amount allocated to it.
    #[must_use]
    pub const fn paid(&self) -> Money {
        self.paid
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> InvoiceStatus {
        self.status
    }

    /// Incremented with each change; events carry it so that readers can order them.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// The amount still owed; negative if a credit note reduced what was paid and the money has not left yet.
    ///
    /// # Errors
    /// [`MoneyError`] if total and paid amount were stored in different currencies.
    pub fn outstanding(&self) -> Result<Money, MoneyError> {
        self.total.checked_sub(self.credited)?.checked_sub(self.paid)
    }

    /// Whether money can be allocated to it: it is issued and not voided.
    #[must_use]
    pub const fn is_payable(&self) -> bool {
        matches!(self.status, InvoiceStatus::Open | InvoiceStatus::PartiallyPaid | InvoiceStatus::Paid)
    }

    /// The draft as an issued invoice.
    ///
    /// # Errors
    /// [`InvoiceError::NotADraft`].
    pub fn issued(&self) -> Result<Self, InvoiceError> {
        match self.status {
            InvoiceStatus::Draft => Ok(self.changed(InvoiceStatus::Open, self.paid)),
            other => Err(InvoiceError::NotADraft(other)),
        }
    }

    /// The invoice as a void one.
    ///
    /// # Errors
    /// [`InvoiceError::NotVoidable`].
    pub fn voided(&self) -> Result<Self, InvoiceError> {
        match self.status {
            InvoiceStatus::Open if self.credited.is_zero() => Ok(self.changed(InvoiceStatus::Void, self.paid)),
            other => Err(InvoiceError::NotVoidable(other)),
        }
    }

    /// The invoice after a credit note of `amount`. If more is paid than is owed afterwards, the excess is the client's
    /// credit and leaves the invoice at its payment's next settlement.
    ///
    /// # Errors
    /// [`InvoiceError::NotCreditable`] if it is a draft or void, or more would be credited than was charged.
    pub fn with_credit(&self, amount: PositiveMoney) -> Result<Self, InvoiceError> {
        let (status, amount) = (self.status, Money::from(amount));
        let left = self.total.checked_sub(self.credited)?;
        if !self.is_payable() || left.checked_sub(amount)?.is_negative() {
            return Err(InvoiceError::NotCreditable { status, left, amount });
        }
        let credited = self.credited.checked_add(amount)?;
        let owed = self.total.checked_sub(credited)?;
        Ok(Self { credited, ..self.changed(status_of(owed, self.paid)?, self.paid) })
    }

    /// The invoice after an allocation of `amount`; a negative amount takes money back.
    ///
    /// # Errors
    /// [`InvoiceError::NotPayable`] if it is a draft, void, credited in full, or if its paid amount would become
    /// negative or, through this amount, exceed what is owed.
    pub fn with_allocation(&self, amount: Money) -> Result<Self, InvoiceError> {
        let paid = self.paid.checked_add(amount)?;
        let owed = self.total.checked_sub(self.credited)?;
        let is_too_much = amount.is_positive() && owed.checked_sub(paid)?.is_negative();
        if !self.is_payable() || paid.is_negative() || is_too_much {
            let Self { status, total, paid, .. } = *self;
            return Err(InvoiceError::NotPayable { status, total, paid, amount });
        }
        Ok(self.changed(status_of(owed, paid)?, paid))
    }

    /// Whether something is owed after the due date.
    #[must_use]
    pub fn is_overdue(&self, due_on: NaiveDate, today: NaiveDate) -> bool {
        self.status.is_overdue(due_on, today)
    }

    fn changed(&self, status: InvoiceStatus, paid: Money) -> Self {
        Self { status, paid, version: self.version.saturating_add(1), ..self.clone() }
    }
}

/// The status of an issued invoice with these amounts.
fn status_of(owed: Money, paid: Money) -> Result<InvoiceStatus, MoneyError> {
    let is_open = owed.checked_sub(paid)?.is_positive();
    Ok(match (is_open, paid.is_positive()) {
        (true, true) => InvoiceStatus::PartiallyPaid,
        (true, false) => InvoiceStatus::Open,
        (false, true) => InvoiceStatus::Paid,
        (false, false) => InvoiceStatus::Credited,
    })
}

#[cfg(test)]
mod tests;
