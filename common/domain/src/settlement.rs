//! Settlement: where a payment's money is and where it should be. Decided here, written by the processor.
//!
//! The net amount of a payment (what was captured less what went back) is always in one of two places: *allocated* to
//! invoices, or *unapplied*: a client's credit, or in suspense while the payer is unknown. After every settlement both
//! add up to the net amount, so money is neither lost nor created.
//!
//! An invoice takes up to its outstanding amount from the payments that name it, in their order of arrival; the rest is
//! unapplied cash. When allocated money goes back the invoice reopens, and unapplied cash of other payments that name
//! it fills the gap. So an invoice's paid amount is the same for every order of arrival of payments that name one
//! invoice each; which of two payments is the unapplied one depends on the order, and stays as first decided.

mod settling;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId};
use crate::invoice::{Invoice, InvoiceError, InvoiceStatus};
use crate::money::{Money, MoneyError};
use crate::names::stored_name;
use settling::SettlementRun;

/// Why money could not be allocated to the invoice that its payment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnappliedReason {
    /// Another payment paid the invoice in full.
    AlreadyPaid,
    /// More than was outstanding.
    Overpaid,
    /// The invoice was voided, credited in full, or never issued.
    NotPayable,
    /// No invoice is named, or none that exists.
    UnknownInvoice,
    /// The invoice is in another currency.
    WrongCurrency,
    /// A refund of it did not reach the payer.
    RefundFailed,
    /// A credit note reduced what was paid.
    Credited,
}

stored_name!(UnappliedReason {
    AlreadyPaid => "already_paid",
    Overpaid => "overpaid",
    NotPayable => "not_payable",
    UnknownInvoice => "unknown_invoice",
    WrongCurrency => "wrong_currency",
    RefundFailed => "refund_failed",
    Credited => "credited",
});

/// The outcome of a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementOutcome {
    /// Recorded; it moves no money.
    Recorded,
    /// The invoice is paid.
    Settled,
    /// The invoice is paid in part.
    PartiallySettled,
    /// The money is unapplied.
    #[serde(rename = "surplus")]
    UnappliedCash,
    /// It proves money that was already posted.
    Duplicate,
    /// Sources disagree: the lower amount is posted, and staff have to review it.
    Contradiction,
    /// Money was taken back from an invoice, which is owed again.
    Reopened,
    /// Unapplied cash went back.
    Returned,
}

stored_name!(SettlementOutcome {
    Recorded => "recorded",
    Settled => "settled",
    PartiallySettled => "partially_settled",
    UnappliedCash => "surplus",
    Duplicate => "duplicate",
    Contradiction => "contradiction",
    Reopened => "reopened",
    Returned => "returned",
});

/// The amounts and invoices that a payment's evidence entitles it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The amount that must be allocated or unapplied in total. Negative if more went back than was captured.
    pub net: Money,
    /// The captured amount, before anything went back.
    pub gross: Money,
    /// The amount refunded from the client's credit: it never makes an invoice owed again, but may make the credit
    /// negative.
    pub from_credit: Money,
    /// The invoices that the evidence names, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// The amount that refunds in progress will take; it is not allocated to further invoices.
    pub reserved: Money,
    /// Unapplied cash that staff decided to leave as it is.
    pub pinned: Money,
}

impl Entitlement {
    /// An entitlement without refunds and staff decisions.
    #[must_use]
    pub fn new(net: Money, invoices: Vec<InvoiceId>) -> Self {
        let zero = Money::zero(net.currency());
        Self { net, gross: net, from_credit: zero, invoices, reserved: zero, pinned: zero }
    }
}

/// Money of a payment allocated to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allocation {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// The amount.
    pub amount: Money,
    /// Staff allocated it, so evidence does not move it.
    pub by_staff: bool,
}

/// Unapplied cash of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnappliedCash {
    /// The owner; none while in suspense.
    pub client_id: Option<ClientId>,
    /// The amount; negative if more went back than was captured.
    pub amount: Money,
}

/// Where a payment's money is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentFunds {
    /// Allocations, the latest last.
    pub allocations: Vec<Allocation>,
    /// Unapplied cash, by owner and currency.
    pub credits: Vec<UnappliedCash>,
}

impl PaymentFunds {
    /// The allocated and unapplied amount, in one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn total(&self, like: Money) -> Result<Money, MoneyError> {
        let allocated = self.allocations.iter().map(|held| held.amount);
        sum(allocated.chain(self.credits.iter().map(|held| held.amount)), like)
    }

    /// The unapplied amount, in one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn surplus(&self, like: Money) -> Result<Money, MoneyError> {
        sum(self.credits.iter().map(|held| held.amount), like)
    }
}

/// One change of where a payment's money is. Amounts are above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FundsMovement {
    /// Money is allocated to an invoice.
    Allocated {
        /// The invoice after the change.
        invoice: Invoice,
        /// The amount.
        amount: Money,
        /// Whether staff decided it.
        by_staff: bool,
    },
    /// Money is taken back from an invoice, which is owed again.
    Released {
        /// The invoice after the change.
        invoice: Invoice,
        /// The amount.
        amount: Money,
        /// Whether staff had allocated it.
        by_staff: bool,
    },
    /// Money leaves an invoice because a credit note reduced what was paid.
    Unapplied {
        /// The invoice after the change.
        invoice: Invoice,
        /// The amount.
        amount: Money,
        /// Whether staff had allocated it.
        by_staff: bool,
    },
    /// Unapplied cash increases.
    Credited {
        /// The owner; none for suspense.
        client_id: Option<ClientId>,
        /// The amount.
        amount: Money,
        /// Why no invoice takes it.
        reason: UnappliedReason,
    },
    /// Unapplied cash decreases.
    Debited {
        /// The owner; none for suspense.
        client_id: Option<ClientId>,
        /// The amount.
        amount: Money,
    },
}

/// The invoices that a settlement may change, as read under their locks.
pub type LockedInvoices = BTreeMap<InvoiceId, Invoice>;

/// Why money cannot be moved: stored data is inconsistent, so a person must investigate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The invoice cannot take or return the money.
    #[error(transparent)]
    Invoice(#[from] InvoiceError),
    /// Two currencies, or an amount that is too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// An invoice that has money of the payment was not locked.
    #[error("invoice {0} has money of the payment and was not loaded")]
    NotAtHand(InvoiceId),
}

/// Moves a payment's money to where its evidence requires it to be. Updates `invoices` and `funds`.
///
/// `invoices` must contain every existing invoice that the payment names or has money at.
///
/// # Errors
/// [`SettlementError`].
pub fn settle(
    entitled: &Entitlement,
    funds: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let mut settling = SettlementRun { net: entitled.net, funds, invoices, movements: Vec::new() };
    settling.leave_other_currencies()?;
    settling.leave_other_invoices(&entitled.invoices)?;
    settling.leave_what_is_credited()?;
    let free = settling.keep_what_is_covered(entitled)?;
    settling.pay(&entitled.invoices, free)?;
    settling.balance_unapplied_cash(&entitled.invoices)?;
    Ok(settling.movements)
}

/// Allocates a payment's free unapplied cash to the locked invoices that it names. Nothing else moves.
///
/// # Errors
/// [`SettlementError`].
pub fn fill(
    entitled: &Entitlement,
    funds: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let free = undecided_unapplied_cash(entitled, funds)?.or_zero();
    let mut settling = SettlementRun { net: entitled.net, funds, invoices, movements: Vec::new() };
    let mut paid = settling.pay(&entitled.invoices, free)?;
    for credit in settling.funds.credits.clone() {
        if credit.amount.is_positive() && credit.amount.currency() == paid.currency() && paid.is_positive() {
            let debited = credit.amount.smaller(paid)?;
            settling.move_credit(credit.client_id, debited.negated(), None)?;
            paid = paid.checked_sub(debited)?;
        }
    }
    Ok(settling.movements)
}

/// Takes all money of a payment away from its allocations and unapplied cash.
///
/// # Errors
/// [`SettlementError`].
pub fn withdraw(
    funds: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let held = funds.clone();
    let amounts = held.allocations.iter().map(|held| held.amount).chain(held.credits.iter().map(|held| held.amount));
    let Some(any) = amounts.last() else { return Ok(Vec::new()) };
    let mut settling = SettlementRun { net: Money::zero(any.currency()), funds, invoices, movements: Vec::new() };
    for allocation in held.allocations {
        settling.release(allocation.invoice_id, allocation.by_staff, allocation.amount)?;
    }
    for credit in held.credits {
        settling.move_credit(credit.client_id, credit.amount.negated(), None)?;
    }
    Ok(settling.movements)
}

/// Allocates as much free unapplied cash as fits, up to the limit, to an invoice that staff chose, and settles what
/// follows. Does nothing if nothing fits.
///
/// # Errors
/// [`SettlementError`].
pub fn apply(
    entitled: &Entitlement,
    funds: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
    to: InvoiceId,
    limit: Option<Money>,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let undecided = undecided_unapplied_cash(entitled, funds)?;
    let mut settling = SettlementRun { net: entitled.net, funds, invoices, movements: Vec::new() };
    let undecided = limit.map_or(Ok(undecided), |limit| undecided.smaller(limit))?;
    let amount = settling.capacity(to)?.smaller(undecided.or_zero())?;
    if amount.is_positive() {
        settling.allocate(to, amount, true)?;
    }
    let mut movements = settling.movements;
    movements.extend(settle(entitled, funds, invoices)?);
    Ok(movements)
}

/// Releases a payment's money from an invoice, regardless of who allocated it, and settles what follows.
///
/// `entitled` must not name the invoice any more.
///
/// # Errors
/// [`SettlementError`].
pub fn unmatch(
    entitled: &Entitlement,
    funds: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
    from: InvoiceId,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let mut settling = SettlementRun { net: entitled.net, funds, invoices, movements: Vec::new() };
    for held in settling.funds.allocations.clone() {
        if held.invoice_id == from {
            settling.release(from, held.by_staff, held.amount)?;
        }
    }
    let mut movements = settling.movements;
    movements.extend(settle(entitled, funds, invoices)?);
    Ok(movements)
}

/// Unapplied cash that waits for a decision: neither reserved by refunds nor pinned by staff. Negative if more went
/// back than was captured.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn undecided_unapplied_cash(entitled: &Entitlement, funds: &PaymentFunds) -> Result<Money, MoneyError> {
    let surplus = funds.surplus(entitled.net)?;
    if surplus.is_negative() {
        return Ok(surplus);
    }
    Ok(surplus.checked_sub(entitled.reserved)?.checked_sub(entitled.pinned)?.or_zero())
}

/// The outcome of the movements that follow from a piece of evidence; `is_proof` means that it proves money.
#[must_use]
pub fn outcome(movements: &[FundsMovement], is_proof: bool, is_contradiction: bool) -> SettlementOutcome {
    let any = |wanted: fn(&FundsMovement) -> Option<SettlementOutcome>| movements.iter().rev().find_map(wanted);
    if is_contradiction {
        return SettlementOutcome::Contradiction;
    }
    any(|movement| match movement {
        FundsMovement::Allocated { invoice, .. } if invoice.status() == InvoiceStatus::Paid => {
            Some(SettlementOutcome::Settled)
        }
        FundsMovement::Allocated { .. } => Some(SettlementOutcome::PartiallySettled),
        _ => None,
    })
    .or_else(|| {
        any(|movement| matches!(movement, FundsMovement::Released { .. }).then_some(SettlementOutcome::Reopened))
    })
    .or_else(|| {
        any(|movement| matches!(movement, FundsMovement::Credited { .. }).then_some(SettlementOutcome::UnappliedCash))
    })
    .or_else(|| any(|_| Some(SettlementOutcome::Returned)))
    .unwrap_or(if is_proof { SettlementOutcome::Duplicate } else { SettlementOutcome::Recorded })
}

fn sum(amounts: impl Iterator<Item = Money>, like: Money) -> Result<Money, MoneyError> {
    let currency = like.currency();
    amounts.filter(|amount| amount.currency() == currency).try_fold(Money::zero(currency), Money::checked_add)
}

#[cfg(test)]
mod tests;
