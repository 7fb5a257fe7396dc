//! The steps of a settlement. Each updates holdings and invoices, and records the movement.

use super::{
    Allocation, Entitlement, FundsMovement, LockedInvoices, PaymentFunds, SettlementError, UnappliedCash,
    UnappliedReason, sum,
};
use crate::id::{ClientId, InvoiceId};
use crate::invoice::{Invoice, InvoiceStatus};
use crate::money::{Money, MoneyError};

/// A settlement in progress.
pub(super) struct SettlementRun<'a> {
    pub(super) net: Money,
    pub(super) funds: &'a mut PaymentFunds,
    pub(super) invoices: &'a mut LockedInvoices,
    pub(super) movements: Vec<FundsMovement>,
}

impl SettlementRun<'_> {
    /// A payment's currency is that of its earliest proof; money posted in another currency before that proof arrived
    /// is removed.
    pub(super) fn leave_other_currencies(&mut self) -> Result<(), SettlementError> {
        let currency = self.net.currency();
        for held in self.funds.allocations.clone() {
            if held.amount.currency() != currency {
                self.release(held.invoice_id, held.by_staff, held.amount)?;
            }
        }
        for credit in self.funds.credits.clone() {
            if credit.amount.currency() != currency && !credit.amount.is_zero() {
                self.move_credit(credit.client_id, credit.amount.negated(), None)?;
            }
        }
        Ok(())
    }

    /// Releases money from invoices that better evidence does not name.
    pub(super) fn leave_other_invoices(&mut self, named: &[InvoiceId]) -> Result<(), SettlementError> {
        for held in self.funds.allocations.clone() {
            if !held.by_staff && !named.contains(&held.invoice_id) {
                self.release(held.invoice_id, false, held.amount)?;
            }
        }
        Ok(())
    }

    /// Unapplies what credit notes took off paid invoices: that money becomes the client's credit. The latest
    /// allocation goes first.
    pub(super) fn leave_what_is_credited(&mut self) -> Result<(), SettlementError> {
        for held in self.funds.allocations.clone().iter().rev() {
            let Some(invoice) = self.invoices.get(&held.invoice_id) else { continue };
            let outstanding = invoice.outstanding()?;
            if outstanding.is_negative() && outstanding.currency() == held.amount.currency() {
                let amount = outstanding.negated().smaller(held.amount)?;
                let invoice = self.change(held.invoice_id, amount.negated(), held.by_staff)?;
                self.movements.push(FundsMovement::Unapplied { invoice, amount, by_staff: held.by_staff });
            }
        }
        Ok(())
    }

    /// The part of the refunds from credit that used up actual unapplied cash, rather than money that invoices need:
    /// without outflows, invoices would have what they hold and are still owed, and the rest would be unapplied.
    fn credit_refunds_from_unapplied_cash(&self, entitled: &Entitlement) -> Result<Money, SettlementError> {
        let mut wanted = sum(self.funds.allocations.iter().map(|held| held.amount), entitled.net)?;
        for id in &entitled.invoices {
            wanted = wanted.checked_add(self.capacity(*id)?.or_zero())?;
        }
        let surplus = entitled.gross.checked_sub(wanted)?.or_zero();
        Ok(entitled.from_credit.smaller(surplus)?)
    }

    /// Takes back what is no longer covered: unapplied cash first, then what staff allocated, the latest first, then
    /// the allocations to named invoices, the last named first. Refunds from credit only take unapplied cash. Returns
    /// what is free to pay more.
    pub(super) fn keep_what_is_covered(&mut self, entitled: &Entitlement) -> Result<Money, SettlementError> {
        let from_surplus = self.credit_refunds_from_unapplied_cash(entitled)?;
        let uncovered_by_credit = entitled.from_credit.checked_sub(from_surplus)?;
        let mut covered = entitled.net.checked_add(uncovered_by_credit)?.or_zero();
        let named_rank = |held: &Allocation| entitled.invoices.iter().position(|id| *id == held.invoice_id);
        let mut keepers = self.funds.allocations.clone();
        keepers.sort_by_key(|held| (held.by_staff, if held.by_staff { None } else { named_rank(held) }));
        for held in keepers {
            let kept = held.amount.smaller(covered)?;
            covered = covered.checked_sub(kept)?;
            let excess = held.amount.checked_sub(kept)?;
            if excess.is_positive() {
                self.release(held.invoice_id, held.by_staff, excess)?;
            }
        }
        let left = covered.checked_sub(uncovered_by_credit)?;
        Ok(left.checked_sub(entitled.reserved)?.checked_sub(entitled.pinned)?.or_zero())
    }

    /// Pays the named invoices in their order. Returns the amount paid.
    pub(super) fn pay(&mut self, named: &[InvoiceId], mut free: Money) -> Result<Money, SettlementError> {
        let before = free;
        for id in named {
            let amount = self.capacity(*id)?.smaller(free)?;
            if amount.is_positive() {
                self.allocate(*id, amount, false)?;
                free = free.checked_sub(amount)?;
            }
        }
        Ok(before.checked_sub(free)?)
    }

    /// The amount that an invoice can still take in this payment's currency.
    pub(super) fn capacity(&self, id: InvoiceId) -> Result<Money, MoneyError> {
        match self.invoices.get(&id) {
            Some(invoice) if invoice.is_payable() && invoice.total().currency() == self.net.currency() => {
                invoice.outstanding()
            }
            _ => Ok(Money::zero(self.net.currency())),
        }
    }

    /// Makes everything that is not allocated unapplied cash of the client whose invoice is named.
    pub(super) fn balance_unapplied_cash(&mut self, named: &[InvoiceId]) -> Result<(), SettlementError> {
        let home = named.iter().find_map(|id| self.invoices.get(id)).cloned();
        let owner = home.as_ref().map(Invoice::client_id);
        let allocated = sum(self.funds.allocations.iter().map(|held| held.amount), self.net)?;
        let mut missing = self.net.checked_sub(allocated)?;
        for credit in self.funds.credits.clone() {
            if credit.client_id == owner {
                missing = missing.checked_sub(credit.amount)?;
            } else {
                self.move_credit(credit.client_id, credit.amount.negated(), home.as_ref())?;
            }
        }
        self.move_credit(owner, missing, home.as_ref())
    }

    pub(super) fn move_credit(
        &mut self,
        client_id: Option<ClientId>,
        amount: Money,
        home: Option<&Invoice>,
    ) -> Result<(), SettlementError> {
        if amount.is_zero() {
            return Ok(());
        }
        self.movements.push(if amount.is_positive() {
            FundsMovement::Credited { client_id, amount, reason: self.unapplied_cash_reason(home) }
        } else {
            FundsMovement::Debited { client_id, amount: amount.negated() }
        });
        let is_same =
            |held: &&mut UnappliedCash| held.client_id == client_id && held.amount.currency() == amount.currency();
        match self.funds.credits.iter_mut().find(is_same) {
            Some(held) => held.amount = held.amount.checked_add(amount)?,
            None => self.funds.credits.push(UnappliedCash { client_id, amount }),
        }
        self.funds.credits.retain(|held| !held.amount.is_zero());
        Ok(())
    }

    fn unapplied_cash_reason(&self, home: Option<&Invoice>) -> UnappliedReason {
        let Some(home) = home else { return UnappliedReason::UnknownInvoice };
        let pays_it = || self.funds.allocations.iter().any(|held| held.invoice_id == home.id());
        if self.movements.iter().any(|movement| matches!(movement, FundsMovement::Unapplied { .. })) {
            UnappliedReason::Credited
        } else if home.total().currency() != self.net.currency() {
            UnappliedReason::WrongCurrency
        } else if !home.is_payable() {
            UnappliedReason::NotPayable
        } else if home.status() == InvoiceStatus::Paid && !pays_it() {
            UnappliedReason::AlreadyPaid
        } else {
            UnappliedReason::Overpaid
        }
    }

    pub(super) fn allocate(&mut self, id: InvoiceId, amount: Money, by_staff: bool) -> Result<(), SettlementError> {
        let invoice = self.change(id, amount, by_staff)?;
        self.movements.push(FundsMovement::Allocated { invoice, amount, by_staff });
        Ok(())
    }

    pub(super) fn release(&mut self, id: InvoiceId, by_staff: bool, amount: Money) -> Result<(), SettlementError> {
        let invoice = self.change(id, amount.negated(), by_staff)?;
        self.movements.push(FundsMovement::Released { invoice, amount, by_staff });
        Ok(())
    }

    /// Changes an invoice's allocation from this payment, and returns the invoice after the change.
    fn change(&mut self, id: InvoiceId, amount: Money, by_staff: bool) -> Result<Invoice, SettlementError> {
        let invoice = self.invoices.get_mut(&id).ok_or(SettlementError::NotAtHand(id))?;
        *invoice = invoice.with_allocation(amount)?;
        let invoice = invoice.clone();
        let is_same = |held: &&mut Allocation| {
            held.invoice_id == id && held.by_staff == by_staff && held.amount.currency() == amount.currency()
        };
        match self.funds.allocations.iter_mut().find(is_same) {
            Some(held) => held.amount = held.amount.checked_add(amount)?,
            None => self.funds.allocations.push(Allocation { invoice_id: id, amount, by_staff }),
        }
        self.funds.allocations.retain(|held| !held.amount.is_zero());
        Ok(invoice)
    }
}
