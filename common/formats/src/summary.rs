//! The balances and counts of a statement, checked against its entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::FilePosition;
use crate::movement::{Direction, EntryAmount, ParsedStatement};
use crate::value_error::ValueError;

/// The maximum number of contradictions that are kept of one statement; further ones are counted.
const CONTRADICTIONS_MAX: usize = 10;

/// A balance of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub amount: EntryAmount,
    /// Whether the bank owed it (credit), or its customer.
    pub direction: Direction,
    /// The date.
    pub day: Option<NaiveDate>,
    /// Whether it is between two pages of one statement (`ITBD`, `:60M:`, `:62M:`).
    pub is_interim: bool,
}

impl Balance {
    /// The signed amount: negative if the customer owed it.
    #[must_use]
    pub fn signed(&self) -> Decimal {
        self.direction.signed(self.amount.value())
    }
}

/// Whether opening balance + booked entries = closing balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Check {
    /// They add up exactly.
    AddsUp,
    /// They do not; the statement contradicts itself.
    Contradicts {
        /// The expected closing balance, signed.
        expected: Decimal,
        /// The actual closing balance, signed.
        found: Decimal,
    },
    /// A balance that the format requires is missing: the file may be truncated.
    Incomplete(String),
    /// The statement does not contain enough to check.
    CannotBeSaid(String),
}

/// Counts and sums of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// All entries, booked or not.
    pub entries: u64,
    /// The movements that they were returned as.
    pub movements: u64,
    /// Booked entries that are credits.
    pub credits: u64,
    /// Booked entries that are debits.
    pub debits: u64,
    /// Sums of the booked entries by currency, credits positive, debits negative.
    pub sums: BTreeMap<String, Decimal>,
}

/// The end of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementSummary {
    pub statement: Arc<ParsedStatement>,
    /// The position of its end.
    pub place: FilePosition,
    /// The first balance.
    pub opening: Option<Balance>,
    /// The last balance.
    pub closing: Option<Balance>,
    /// Counts and sums of its entries.
    pub totals: Totals,
    /// Whether the balances and the entries agree.
    pub check: Check,
    /// Other contradictions: details that do not add up to their entry, declared counts that differ from the entries.
    /// At most ten are kept.
    pub contradictions: Vec<String>,
    /// The number of contradictions.
    pub contradictions_count: u64,
}

impl StatementSummary {
    /// Whether the statement has no contradictions, as far as it can be checked.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.contradictions_count == 0 && matches!(self.check, Check::AddsUp | Check::CannotBeSaid(_))
    }
}

/// The running totals of a statement while it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) opening: Option<Balance>,
    pub(crate) closing: Option<Balance>,
    /// Why opening and closing balance cannot be compared.
    pub(crate) doubt: Option<String>,
    pub(crate) totals: Totals,
    pub(crate) contradictions: Vec<String>,
    pub(crate) contradictions_count: u64,
}

impl Tally {
    pub(crate) fn contradiction(&mut self, place: &FilePosition, what: &str) {
        self.contradictions_count = self.contradictions_count.saturating_add(1);
        if self.contradictions.len() < CONTRADICTIONS_MAX {
            self.contradictions.push(format!("{place}: {what}"));
        }
    }

    /// Adds a booked entry.
    ///
    /// # Errors
    /// If the sum overflows a decimal.
    pub(crate) fn book(&mut self, amount: &EntryAmount, direction: Direction) -> Result<(), ValueError> {
        let count = match direction {
            Direction::Credit => &mut self.totals.credits,
            Direction::Debit => &mut self.totals.debits,
        };
        *count = count.saturating_add(1);
        if !self.totals.sums.contains_key(amount.currency()) && self.totals.sums.len() >= CURRENCIES_MAX {
            return Err(ValueError::TooManyCurrencies);
        }
        let sum = self.totals.sums.entry(amount.currency().to_owned()).or_default();
        *sum = sum.checked_add(direction.signed(amount.value())).ok_or(ValueError::SumTooLarge)?;
        Ok(())
    }

    /// Ends the statement. `is_demanded` is whether the format requires both balances.
    pub(crate) fn finish(
        self,
        statement: Arc<ParsedStatement>,
        place: FilePosition,
        is_demanded: bool,
    ) -> StatementSummary {
        let check = self.check(is_demanded);
        StatementSummary {
            statement,
            place,
            opening: self.opening,
            closing: self.closing,
            totals: self.totals,
            check,
            contradictions: self.contradictions,
            contradictions_count: self.contradictions_count,
        }
    }

    fn check(&self, is_demanded: bool) -> Check {
        let (opening, closing) = match (&self.opening, &self.closing) {
            (Some(opening), Some(closing)) => (opening, closing),
            (None, _) if is_demanded => return Check::Incomplete("there is no opening balance".to_owned()),
            (_, None) if is_demanded => return Check::Incomplete("there is no closing balance".to_owned()),
            _ => return Check::CannotBeSaid("there are no two balances to compare".to_owned()),
        };
        if let Some(doubt) = &self.doubt {
            return Check::CannotBeSaid(doubt.clone());
        }
        let currency = opening.amount.currency();
        if currency != closing.amount.currency() || self.totals.sums.keys().any(|other| other != currency) {
            return Check::CannotBeSaid("balances and entries have several currencies".to_owned());
        }
        let sum = self.totals.sums.get(currency).copied().unwrap_or_default();
        match opening.signed().checked_add(sum) {
            Some(expected) if expected == closing.signed() => Check::AddsUp,
            Some(expected) => {
                Check::Contradicts { expected: expected.normalize(), found: closing.signed().normalize() }
            }
            None => Check::CannotBeSaid("the balances are too large to be stored".to_owned()),
        }
    }
}

/// The maximum number of currencies of one statement's entries: more than any bank account has.
pub(crate) const CURRENCIES_MAX: usize = 50;
