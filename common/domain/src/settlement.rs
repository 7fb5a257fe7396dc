//! What a payment does to an invoice: decided here, written by the processor.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invoice::{Invoice, InvoiceStatus};
use crate::money::{Money, MoneyError};
use crate::payment::PaymentState;

/// Why money could not go to the invoice that its payment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurplusReason {
    /// Another payment paid the invoice in full.
    AlreadyPaid,
    /// More than was owed.
    Overpaid,
    /// The invoice was voided or has never been issued.
    NotPayable,
    /// No invoice is named, or none that exists.
    UnknownInvoice,
    /// The invoice is in another currency.
    WrongCurrency,
}

impl SurplusReason {
    /// The name used in the database and in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyPaid => "already_paid",
            Self::Overpaid => "overpaid",
            Self::NotPayable => "not_payable",
            Self::UnknownInvoice => "unknown_invoice",
            Self::WrongCurrency => "wrong_currency",
        }
    }
}

impl fmt::Display for SurplusReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Money of a payment that pays no invoice: customer credit, or suspense where the payer is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: SurplusReason,
}

/// What became of one more piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Noted; no money is proven yet, or the payment failed.
    Recorded,
    /// The invoice is paid.
    Settled,
    /// The invoice is paid in part.
    PartiallySettled,
    /// All of the money is surplus.
    Surplus,
    /// The money was posted before.
    Duplicate,
    /// The evidence proves less, or another currency, than was posted: for staff to decide.
    Contradiction,
}

impl Outcome {
    /// The name used in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Settled => "settled",
            Self::PartiallySettled => "partially_settled",
            Self::Surplus => "surplus",
            Self::Duplicate => "duplicate",
            Self::Contradiction => "contradiction",
        }
    }
}

/// What to write for one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it.
    pub outcome: Outcome,
    /// The invoice with the allocation added, and the amount allocated.
    pub allocation: Option<(Invoice, Money)>,
    /// What is left over.
    pub surplus: Option<Surplus>,
}

impl Settlement {
    fn without_money(outcome: Outcome) -> Self {
        Self { outcome, allocation: None, surplus: None }
    }
}

/// Decides what a payment's money does now that its facts add up to `state`.
///
/// `posted` is what was allocated or credited for this payment before; only the difference moves. `invoice` is the
/// one that the state names, as it stands under its lock.
///
/// # Errors
/// [`MoneyError`] if a sum cannot be kept.
pub fn settle(
    state: &PaymentState,
    posted: Option<Money>,
    invoice: Option<&Invoice>,
) -> Result<Settlement, MoneyError> {
    let Some(confirmed) = state.confirmed else {
        return Ok(Settlement::without_money(Outcome::Recorded));
    };
    let posted = posted.unwrap_or_else(|| Money::zero(confirmed.currency()));
    if posted.currency() != confirmed.currency() {
        return Ok(Settlement::without_money(Outcome::Contradiction));
    }
    let due = confirmed.checked_sub(posted)?;
    if due.is_zero() {
        return Ok(Settlement::without_money(Outcome::Duplicate));
    }
    if due.is_negative() {
        return Ok(Settlement::without_money(Outcome::Contradiction));
    }
    allocate(due, invoice)
}

fn allocate(due: Money, invoice: Option<&Invoice>) -> Result<Settlement, MoneyError> {
    let all_surplus = |reason| {
        Ok(Settlement { outcome: Outcome::Surplus, allocation: None, surplus: Some(Surplus { amount: due, reason }) })
    };
    let Some(invoice) = invoice else {
        return all_surplus(SurplusReason::UnknownInvoice);
    };
    if invoice.total.currency() != due.currency() {
        return all_surplus(SurplusReason::WrongCurrency);
    }
    match invoice.status {
        InvoiceStatus::Paid => return all_surplus(SurplusReason::AlreadyPaid),
        InvoiceStatus::Draft | InvoiceStatus::Void => return all_surplus(SurplusReason::NotPayable),
        InvoiceStatus::Open | InvoiceStatus::PartiallyPaid => {}
    }
    let allocated = due.smaller(invoice.outstanding()?)?;
    let left = due.checked_sub(allocated)?;
    let paid = invoice.with_allocation(allocated)?;
    Ok(Settlement {
        outcome: if paid.status == InvoiceStatus::Paid { Outcome::Settled } else { Outcome::PartiallySettled },
        allocation: Some((paid, allocated)),
        surplus: left.is_positive().then_some(Surplus { amount: left, reason: SurplusReason::Overpaid }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::{ClientId, InvoiceId};
    use crate::payment::PaymentStatus;

    fn euro(value: &str) -> Money {
        Money::parse(value, "EUR").unwrap()
    }

    fn invoice(total: &str, paid: &str, status: InvoiceStatus) -> Invoice {
        Invoice {
            id: InvoiceId::from_uuid(Uuid::nil()),
            client_id: ClientId::from_uuid(Uuid::nil()),
            total: euro(total),
            paid: euro(paid),
            status,
            version: 1,
        }
    }

    fn confirmed(amount: Money) -> PaymentState {
        PaymentState {
            status: PaymentStatus::Confirmed,
            rank: None,
            confirmed: Some(amount),
            claimed: None,
            invoice_id: None,
            contradictory: false,
            occurred_at: None,
        }
    }

    #[test]
    fn the_exact_amount_pays_the_invoice() {
        let settlement =
            settle(&confirmed(euro("100")), None, Some(&invoice("100", "0", InvoiceStatus::Open))).unwrap();
        let (paid, allocated) = settlement.allocation.unwrap();
        assert_eq!(
            (settlement.outcome, paid.status, allocated, paid.version),
            (Outcome::Settled, InvoiceStatus::Paid, euro("100"), 2)
        );
        assert_eq!(settlement.surplus, None);
    }

    #[test]
    fn posted_money_moves_no_second_time() {
        let settlement =
            settle(&confirmed(euro("100")), Some(euro("100")), Some(&invoice("100", "100", InvoiceStatus::Paid)));
        assert_eq!(settlement, Ok(Settlement::without_money(Outcome::Duplicate)));
    }

    #[test]
    fn money_that_no_invoice_can_take_is_surplus_never_refused() {
        let cases = [
            (Some(invoice("100", "100", InvoiceStatus::Paid)), "50", SurplusReason::AlreadyPaid),
            (Some(invoice("100", "0", InvoiceStatus::Void)), "50", SurplusReason::NotPayable),
            (Some(invoice("100", "0", InvoiceStatus::Draft)), "50", SurplusReason::NotPayable),
            (Some(invoice("100", "80", InvoiceStatus::PartiallyPaid)), "50", SurplusReason::Overpaid),
            (None, "50", SurplusReason::UnknownInvoice),
        ];
        for (invoice, paid, reason) in cases {
            let settlement = settle(&confirmed(euro(paid)), None, invoice.as_ref()).unwrap();
            assert_eq!(settlement.surplus.map(|surplus| surplus.reason), Some(reason));
        }
        let dollars = Money::parse("50", "USD").unwrap();
        let settlement = settle(&confirmed(dollars), None, Some(&invoice("100", "0", InvoiceStatus::Open))).unwrap();
        assert_eq!(settlement.surplus, Some(Surplus { amount: dollars, reason: SurplusReason::WrongCurrency }));
    }

    #[test]
    fn evidence_of_less_than_was_posted_is_left_to_staff() {
        let settlement = settle(&confirmed(euro("90")), Some(euro("100")), None).unwrap();
        assert_eq!(settlement.outcome, Outcome::Contradiction);
    }

    proptest! {
        #[test]
        fn money_is_conserved_and_no_invoice_is_overpaid(total in 1..100_000_i64, paid in 0..100_000_i64, payment in 1..200_000_i64) {
            prop_assume!(paid < total);
            let cents = |units| Money::from_minor_units(units, "EUR".parse().unwrap()).unwrap();
            let status = if paid == 0 { InvoiceStatus::Open } else { InvoiceStatus::PartiallyPaid };
            let before = Invoice { total: cents(total), paid: cents(paid), ..invoice("1", "0", status) };
            let settlement = settle(&confirmed(cents(payment)), None, Some(&before)).unwrap();
            let (after, allocated) = settlement.allocation.unwrap();
            let surplus = settlement.surplus.map_or(cents(0), |surplus| surplus.amount);
            prop_assert_eq!(allocated.checked_add(surplus).unwrap(), cents(payment));
            prop_assert!(!after.outstanding().unwrap().is_negative());
            prop_assert_eq!(after.paid, before.paid.checked_add(allocated).unwrap());
        }
    }
}
