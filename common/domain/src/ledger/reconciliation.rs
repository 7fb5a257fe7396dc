//! Compares the ledger with its sources: invoices, and where the payments' money is.
//!
//! Both sides are sums by key: account, invoice and payment. A key has the amount that billing and the processor derive
//! (*expected*) and the amount in the ledger (*booked*); every difference is a [`Discrepancy`].

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{InvoiceId, PaymentId};
use crate::money::Money;
use crate::names::stored_name;

/// The key of a sum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReconciliationKey {
    /// The account's code; `provider:<name>` stands for the three accounts of a provider combined.
    pub account: String,
    /// The invoice, for receivables.
    pub invoice_id: Option<InvoiceId>,
    /// The payment; none for issued, credited or voided invoices, and for adjustments of a provider's money.
    pub payment_id: Option<PaymentId>,
}

/// One side's sum for a key, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sum {
    /// Debits minus credits.
    pub amount: Money,
    /// The day of the first movement.
    pub first_on: NaiveDate,
    /// The day of the last movement.
    pub last_on: NaiveDate,
}

/// How the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscrepancyKind {
    /// Not booked.
    Missing,
    /// Booked without a source.
    Extra,
    /// Booked in another currency.
    WrongCurrency,
    /// Booked with debit and credit swapped.
    WrongSign,
    /// Booked with another amount.
    WrongAmount,
    /// Booked on another day.
    WrongDate,
}

stored_name!(DiscrepancyKind {
    Missing => "missing",
    Extra => "extra",
    WrongCurrency => "wrong_currency",
    WrongSign => "wrong_sign",
    WrongAmount => "wrong_amount",
    WrongDate => "wrong_date",
});

/// A difference between the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discrepancy {
    /// The kind of difference.
    pub difference: DiscrepancyKind,
    /// The key.
    #[serde(flatten)]
    pub place: ReconciliationKey,
    /// The expected sum, from billing and the processor.
    pub expected: Option<Sum>,
    /// The booked sum, from the ledger.
    pub booked: Option<Sum>,
}

/// The sums of both sides for a key, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledPair {
    /// The key.
    pub place: ReconciliationKey,
    /// The expected sum, from billing and the processor.
    pub expected: Option<Sum>,
    /// The booked sum, from the ledger.
    pub booked: Option<Sum>,
}

/// The expected and the booked sum of a key.
type Sides = (Option<Sum>, Option<Sum>);

/// The clocks of the deciding and the posting function may be on different sides of midnight.
const DAYS_APART_MAX: u64 = 1;

/// Returns the differences between the two sides, key by key. A sum of zero equals no sum; where both sides have a sum,
/// their days must match as well.
#[must_use]
pub fn reconcile(sums: Vec<ReconciledPair>) -> Vec<Discrepancy> {
    let mut places: BTreeMap<ReconciliationKey, Vec<Sides>> = BTreeMap::new();
    for ReconciledPair { place, expected, booked } in sums {
        let is_zero = |sum: &Sum| sum.amount.is_zero();
        let sides = match (expected, booked) {
            (Some(expected), Some(booked)) if is_zero(&expected) && is_zero(&booked) => (Some(expected), Some(booked)),
            _ => (expected.filter(|sum| !is_zero(sum)), booked.filter(|sum| !is_zero(sum))),
        };
        places.entry(place).or_default().push(sides);
    }
    let mut findings = Vec::new();
    for (place, sums) in places {
        let (mut missing, mut extra) = (Vec::new(), Vec::new());
        let mut find = |difference, expected, booked| {
            findings.push(Discrepancy { difference, place: place.clone(), expected, booked });
        };
        for (expected, booked) in sums {
            match (expected, booked) {
                (Some(expected), Some(booked)) => {
                    if let Some(difference) = difference(expected, booked) {
                        find(difference, Some(expected), Some(booked));
                    }
                }
                (Some(expected), None) => missing.push(expected),
                (None, Some(booked)) => extra.push(booked),
                (None, None) => {}
            }
        }
        // An amount missing in one currency and extra in another is one mistake.
        let pairs = missing.len().min(extra.len());
        for (expected, booked) in missing.drain(..pairs).zip(extra.drain(..pairs)) {
            find(DiscrepancyKind::WrongCurrency, Some(expected), Some(booked));
        }
        missing.into_iter().for_each(|expected| find(DiscrepancyKind::Missing, Some(expected), None));
        extra.into_iter().for_each(|booked| find(DiscrepancyKind::Extra, None, Some(booked)));
    }
    findings
}

fn difference(expected: Sum, booked: Sum) -> Option<DiscrepancyKind> {
    if booked.amount != expected.amount {
        let is_swapped = booked.amount == expected.amount.negated();
        return Some(if is_swapped { DiscrepancyKind::WrongSign } else { DiscrepancyKind::WrongAmount });
    }
    let days_apart = |left: NaiveDate, right: NaiveDate| left.signed_duration_since(right).num_days().unsigned_abs();
    let apart = days_apart(expected.first_on, booked.first_on).max(days_apart(expected.last_on, booked.last_on));
    (apart > DAYS_APART_MAX).then_some(DiscrepancyKind::WrongDate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(value: &str, currency: &str, day: u32) -> Option<Sum> {
        let first_on = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        Some(Sum { amount: Money::parse(value, currency).unwrap(), first_on, last_on: first_on })
    }

    fn compared(expected: Option<Sum>, booked: Option<Sum>) -> ReconciledPair {
        let place = ReconciliationKey { account: "suspense".to_owned(), invoice_id: None, payment_id: None };
        ReconciledPair { place, expected, booked }
    }

    fn differences(sums: Vec<ReconciledPair>) -> Vec<DiscrepancyKind> {
        reconcile(sums).into_iter().map(|finding| finding.difference).collect()
    }

    #[test]
    fn what_agrees_is_not_found() {
        let sums = vec![
            compared(sum("100", "EUR", 2), sum("100", "EUR", 3)),
            compared(None, sum("0", "USD", 2)),
            compared(sum("0", "GBP", 2), None),
        ];
        assert_eq!(reconcile(sums), []);
    }

    #[test]
    fn each_kind_of_discrepancy_is_distinguished() {
        for (expected, booked, found) in [
            (sum("100", "EUR", 2), None, DiscrepancyKind::Missing),
            (None, sum("100", "EUR", 2), DiscrepancyKind::Extra),
            (sum("100", "EUR", 2), sum("-100", "EUR", 2), DiscrepancyKind::WrongSign),
            (sum("100", "EUR", 2), sum("99.99", "EUR", 2), DiscrepancyKind::WrongAmount),
            (sum("100", "EUR", 2), sum("100", "EUR", 4), DiscrepancyKind::WrongDate),
        ] {
            assert_eq!(differences(vec![compared(expected, booked)]), [found]);
        }
    }

    #[test]
    fn what_came_to_nothing_on_another_day_is_found_too() {
        let until = |sum: Option<Sum>, day: u32| {
            sum.map(|sum| Sum { last_on: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(), ..sum })
        };
        for (value, day, found) in
            [("0", 9, vec![DiscrepancyKind::WrongDate]), ("0", 5, vec![]), ("7", 9, vec![DiscrepancyKind::WrongDate])]
        {
            let (expected, booked) = (until(sum(value, "EUR", 2), 6), until(sum(value, "EUR", 2), day));
            assert_eq!(differences(vec![compared(expected, booked)]), found, "{value} on {day}");
        }
    }

    #[test]
    fn money_in_another_currency_is_one_mistake_not_two() {
        let sums = vec![compared(sum("100", "EUR", 2), None), compared(None, sum("100", "USD", 2))];
        assert_eq!(differences(sums), [DiscrepancyKind::WrongCurrency]);
    }
}
