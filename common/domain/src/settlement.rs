//! Where a payment's money stands, and where it should: decided here, written by the processor.
//!
//! The money that is left of a payment (what was captured less what went back) is always in one of two places:
//! *allocated* to invoices, or *surplus*: a client's credit, or in suspense while the payer is unknown. The sum of both
//! is the payment's net amount after every settlement, so money is neither lost nor made.
//!
//! An invoice takes as much as it asks for from the payments that name it, in the order in which they come; the rest is
//! surplus. When allocated money goes back the invoice reopens, and surplus of other payments that name it fills the
//! gap. So an invoice's paid amount is the same for every order of arrival of payments that name one invoice each; which
//! of two payments is the surplus one is not, and stays as it was decided first.

mod settling;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId};
use crate::invoice::{Invoice, InvoiceError, InvoiceStatus};
use crate::money::{Money, MoneyError};
use crate::names::stored_name;
use settling::SettlementRun;

/// Why money could not go to the invoice that its payment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnappliedReason {
    /// Another payment paid the invoice in full.
    AlreadyPaid,
    /// More than was owed.
    Overpaid,
    /// The invoice was voided, credited in full, or never issued.
    NotPayable,
    /// No invoice is named, or none that exists.
    UnknownInvoice,
    /// The invoice is in another currency.
    WrongCurrency,
    /// A refund of it did not reach the payer.
    RefundFailed,
    /// A credit note took off what was paid.
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

/// What became of one more piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementOutcome {
    /// Noted; it moves no money.
    Recorded,
    /// The invoice is paid.
    Settled,
    /// The invoice is paid in part.
    PartiallySettled,
    /// The money pays no invoice.
    Surplus,
    /// It proves money that was posted before.
    Duplicate,
    /// Sources disagree: the lower amount is posted, for staff to look at.
    Contradiction,
    /// Money was taken back from an invoice, which is owed again.
    Reopened,
    /// Surplus money went back.
    Returned,
}

stored_name!(SettlementOutcome {
    Recorded => "recorded",
    Settled => "settled",
    PartiallySettled => "partially_settled",
    Surplus => "surplus",
    Duplicate => "duplicate",
    Contradiction => "contradiction",
    Reopened => "reopened",
    Returned => "returned",
});

/// What a payment's evidence entitles it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// What must stand at invoices and as surplus in all. Below zero when more went back than came.
    pub net: Money,
    /// What came in, before anything went back.
    pub gross: Money,
    /// What was refunded from the client's credit: it never makes an invoice owed again, but makes the credit negative.
    pub from_credit: Money,
    /// The invoices that the evidence names, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// What refunds under way will take; it pays no further invoice.
    pub reserved: Money,
    /// Surplus that staff decided to leave where it is.
    pub pinned: Money,
}

impl Entitlement {
    /// Without refunds and decisions of staff.
    #[must_use]
    pub fn new(net: Money, invoices: Vec<InvoiceId>) -> Self {
        let zero = Money::zero(net.currency());
        Self { net, gross: net, from_credit: zero, invoices, reserved: zero, pinned: zero }
    }
}

/// Money of a payment at one invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allocation {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// How much.
    pub amount: Money,
    /// Staff put it there, so evidence does not move it.
    pub by_staff: bool,
}

/// Surplus money of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnappliedCash {
    /// Whose it is; none while in suspense.
    pub client_id: Option<ClientId>,
    /// How much; below zero when more went back than came.
    pub amount: Money,
}

/// Where a payment's money stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentFunds {
    /// At invoices, the latest last.
    pub allocations: Vec<Allocation>,
    /// Surplus, by owner and currency.
    pub credits: Vec<UnappliedCash>,
}

impl PaymentFunds {
    /// What is allocated or surplus, in one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn total(&self, like: Money) -> Result<Money, MoneyError> {
        let allocated = self.allocations.iter().map(|held| held.amount);
        sum(allocated.chain(self.credits.iter().map(|held| held.amount)), like)
    }

    /// What is surplus, in one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn surplus(&self, like: Money) -> Result<Money, MoneyError> {
        sum(self.credits.iter().map(|held| held.amount), like)
    }
}

/// One change of where a payment's money stands. Amounts are above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FundsMovement {
    /// Money goes to an invoice.
    Allocated {
        /// The invoice afterwards.
        invoice: Invoice,
        /// How much.
        amount: Money,
        /// Staff decided so.
        by_staff: bool,
    },
    /// Money is taken back from an invoice, which is owed again.
    Released {
        /// The invoice afterwards.
        invoice: Invoice,
        /// How much.
        amount: Money,
        /// Staff had put it there.
        by_staff: bool,
    },
    /// Money leaves an invoice that asks for less now: a credit note took off what was paid.
    Unapplied {
        /// The invoice afterwards.
        invoice: Invoice,
        /// How much.
        amount: Money,
        /// Staff had put it there.
        by_staff: bool,
    },
    /// Surplus grows.
    Credited {
        /// Whose it is; none for suspense.
        client_id: Option<ClientId>,
        /// How much.
        amount: Money,
        /// Why no invoice takes it.
        reason: UnappliedReason,
    },
    /// Surplus shrinks.
    Debited {
        /// Whose it was; none for suspense.
        client_id: Option<ClientId>,
        /// How much.
        amount: Money,
    },
}

/// The invoices that a settlement may touch, as they stand under their locks.
pub type LockedInvoices = BTreeMap<InvoiceId, Invoice>;

/// Why money cannot be moved: what is kept does not fit together, so a person must look at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The invoice cannot take or give back the money.
    #[error(transparent)]
    Invoice(#[from] InvoiceError),
    /// Amounts of two currencies, or too large to keep.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// An invoice that has money of the payment is not among those that were locked.
    #[error("invoice {0} has money of the payment and is not at hand")]
    NotAtHand(InvoiceId),
}

/// Moves a payment's money to where its evidence says it belongs. `invoices` and `holdings` are brought up to date.
///
/// `invoices` has all that exist of those that the payment names or has money at.
///
/// # Errors
/// [`SettlementError`].
pub fn settle(
    entitled: &Entitlement,
    holdings: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let mut settling = SettlementRun { net: entitled.net, holdings, invoices, movements: Vec::new() };
    settling.leave_other_currencies()?;
    settling.leave_other_invoices(&entitled.invoices)?;
    settling.leave_what_is_credited()?;
    let free = settling.keep_what_is_covered(entitled)?;
    settling.pay(&entitled.invoices, free)?;
    settling.balance_surplus(&entitled.invoices)?;
    Ok(settling.movements)
}

/// Lets loose surplus of a payment pay those invoices at hand that the payment names. Nothing else moves.
///
/// # Errors
/// [`SettlementError`].
pub fn fill(
    entitled: &Entitlement,
    holdings: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let free = loose_surplus(entitled, holdings)?.or_zero();
    let mut settling = SettlementRun { net: entitled.net, holdings, invoices, movements: Vec::new() };
    let mut paid = settling.pay(&entitled.invoices, free)?;
    for credit in settling.holdings.credits.clone() {
        if credit.amount.is_positive() && credit.amount.currency() == paid.currency() && paid.is_positive() {
            let debited = credit.amount.smaller(paid)?;
            settling.move_credit(credit.client_id, debited.negated(), None)?;
            paid = paid.checked_sub(debited)?;
        }
    }
    Ok(settling.movements)
}

/// Takes all money of a payment away from where it stands.
///
/// # Errors
/// [`SettlementError`].
pub fn withdraw(
    holdings: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let held = holdings.clone();
    let amounts = held.allocations.iter().map(|held| held.amount).chain(held.credits.iter().map(|held| held.amount));
    let Some(any) = amounts.last() else { return Ok(Vec::new()) };
    let mut settling = SettlementRun { net: Money::zero(any.currency()), holdings, invoices, movements: Vec::new() };
    for allocation in held.allocations {
        settling.release(allocation.invoice_id, allocation.by_staff, allocation.amount)?;
    }
    for credit in held.credits {
        settling.move_credit(credit.client_id, credit.amount.negated(), None)?;
    }
    Ok(settling.movements)
}

/// Moves as much loose surplus as fits, and no more than the limit, to an invoice that staff chose, and settles what
/// follows. Nothing moves where nothing fits.
///
/// # Errors
/// [`SettlementError`].
pub fn apply(
    entitled: &Entitlement,
    holdings: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
    (to, limit): (InvoiceId, Option<Money>),
) -> Result<Vec<FundsMovement>, SettlementError> {
    let loose = loose_surplus(entitled, holdings)?;
    let mut settling = SettlementRun { net: entitled.net, holdings, invoices, movements: Vec::new() };
    let loose = limit.map_or(Ok(loose), |limit| loose.smaller(limit))?;
    let amount = settling.capacity(to)?.smaller(loose.or_zero())?;
    if amount.is_positive() {
        settling.allocate(to, amount, true)?;
    }
    let mut movements = settling.movements;
    movements.extend(settle(entitled, holdings, invoices)?);
    Ok(movements)
}

/// Takes a payment's money away from an invoice, whoever put it there, and settles what follows.
///
/// `entitled` does not name the invoice any more.
///
/// # Errors
/// [`SettlementError`].
pub fn unmatch(
    entitled: &Entitlement,
    holdings: &mut PaymentFunds,
    invoices: &mut LockedInvoices,
    from: InvoiceId,
) -> Result<Vec<FundsMovement>, SettlementError> {
    let mut settling = SettlementRun { net: entitled.net, holdings, invoices, movements: Vec::new() };
    for held in settling.holdings.allocations.clone() {
        if held.invoice_id == from {
            settling.release(from, held.by_staff, held.amount)?;
        }
    }
    let mut movements = settling.movements;
    movements.extend(settle(entitled, holdings, invoices)?);
    Ok(movements)
}

/// Surplus that waits for a decision: neither about to be refunded nor left by staff. Below zero when more went back
/// than came.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn loose_surplus(entitled: &Entitlement, holdings: &PaymentFunds) -> Result<Money, MoneyError> {
    let surplus = holdings.surplus(entitled.net)?;
    if surplus.is_negative() {
        return Ok(surplus);
    }
    Ok(surplus.checked_sub(entitled.reserved)?.checked_sub(entitled.pinned)?.or_zero())
}

/// What the movements that follow from a piece of evidence amount to; `is_proof` says that it proves money.
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
        any(|movement| matches!(movement, FundsMovement::Credited { .. }).then_some(SettlementOutcome::Surplus))
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
