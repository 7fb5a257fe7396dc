//! Simple values of MT940: days, amounts, balances, and the line of an entry (SWIFT, MT940 field specifications).

use std::num::ParseIntError;

use chrono::{Datelike, Days, NaiveDate};
use rust_decimal::Decimal;

use crate::movement::{Direction, EntryAmount};
use crate::summary::Balance;
use crate::text::{named, plain_decimal, reference};
use crate::value_error::ValueError;

/// Years below this are in the 21st century (SWIFT, `6!n`: YYMMDD).
const CENTURY_PIVOT: i32 = 80;

/// A day from its numbers.
///
/// German banks calculate interest with 30 days in each month, including February: its 29th and 30th mean its last day.
/// Any other day that does not exist is refused.
fn day(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    let exact = NaiveDate::from_ymd_opt(year, month, day);
    if exact.is_none() && month == 2 && (29..=30).contains(&day) {
        return NaiveDate::from_ymd_opt(year, 3, 1)?.checked_sub_days(Days::new(1));
    }
    exact
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default().parse());
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| pairs.collect::<Result<_, ParseIntError>>().ok()).flatten()
}

/// `6!n`: YYMMDD.
fn full_day(text: &str) -> Result<NaiveDate, ValueError> {
    let read = || match numbers(text)?.as_slice() {
        [year, month, number] => {
            let year = i32::try_from(*year).ok()?;
            let century: i32 = if year < CENTURY_PIVOT { 2000 } else { 1900 };
            day(century.checked_add(year)?, *month, *number)
        }
        _ => None,
    };
    read().ok_or_else(|| ValueError::Day(text.to_owned()))
}

/// `4!n`: MMDD, in the year that is nearest to the value date.
fn entry_day(text: &str, value_on: NaiveDate) -> Result<NaiveDate, ValueError> {
    let read = || match numbers(text)?.as_slice() {
        [month, number] => {
            let year = value_on.year();
            let years = [year, year.saturating_sub(1), year.saturating_add(1)];
            let days = years.into_iter().filter_map(|year| day(year, *month, *number));
            days.min_by_key(|day| day.signed_duration_since(value_on).num_days().abs())
        }
        _ => None,
    };
    read().ok_or_else(|| ValueError::EntryDay(text.to_owned()))
}

/// `1!a6!n3!a15d`: mark, day, currency, amount.
pub(super) fn balance(text: &str, is_interim: bool) -> Result<Balance, ValueError> {
    let wrong = || ValueError::Balance(text.to_owned());
    let direction = match text.get(..1) {
        Some("C") => Direction::Credit,
        Some("D") => Direction::Debit,
        _ => return Err(wrong()),
    };
    let (Some(day), Some(currency), Some(amount)) = (text.get(1..7), text.get(7..10), text.get(10..)) else {
        return Err(wrong());
    };
    // An account without an earlier statement has no date.
    let day = if day == "000000" { None } else { Some(full_day(day)?) };
    let amount = EntryAmount::new(plain_decimal(amount.trim(), ',', true)?, currency)?;
    Ok(Balance { amount, direction, day, is_interim })
}

/// An amount in a text, with its currency or in the account's: `119,00`, `EUR119,00`, `119,00 EUR`. None for any other
/// text.
pub(super) fn parse_amount(text: &str, currency: &str) -> Option<EntryAmount> {
    let text = text.trim().trim_end_matches('/');
    let is_letter = |letter: char| letter.is_ascii_uppercase();
    let digits = text.trim_matches(is_letter);
    let (before, after) = text.split_once(digits).filter(|_| !digits.is_empty())?;
    let named = [before, after].into_iter().find(|code| !code.is_empty()).unwrap_or(currency);
    EntryAmount::new(plain_decimal(digits.trim(), ',', true).ok()?, named).ok()
}

/// `3!a[1!a]15d` and similar: the currency at the start of a floor limit (`:34F:`).
pub(super) fn leading_currency(text: &str) -> Option<String> {
    let currency = text.get(..3)?;
    currency.bytes().all(|byte| byte.is_ascii_uppercase()).then(|| currency.to_owned())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryLine {
    pub(super) value_on: NaiveDate,
    pub(super) booked_on: NaiveDate,
    pub(super) direction: Direction,
    pub(super) is_reversal: bool,
    pub(super) is_expected: bool,
    pub(super) value: Decimal,
    pub(super) kind: Option<String>,
    pub(super) customer_reference: Option<String>,
    pub(super) bank_reference: Option<String>,
    pub(super) supplementary: Option<String>,
}

/// Marks of subfield 3, the longer first: direction, whether it is a reversal, whether it is only expected. A reversal
/// of a credit is a debit.
const MARKS: [(&str, Direction, bool, bool); 6] = [
    ("RC", Direction::Debit, true, false),
    ("RD", Direction::Credit, true, false),
    ("EC", Direction::Credit, false, true),
    ("ED", Direction::Debit, false, true),
    ("C", Direction::Credit, false, false),
    ("D", Direction::Debit, false, false),
];

/// Values of subfield 7 that only refer to field 86.
const POINTERS: [&str; 8] = ["EREF", "EREF+", "KREF", "KREF+", "MARF", "PREF", "RREF", "REF"];

/// `6!n[4!n]2a[1!a]15d1!a3!c16x[//16x]` and `[34x]` on the next line.
pub(super) fn entry_line(lines: &[String]) -> Result<EntryLine, ValueError> {
    let (first, others) = lines.split_first().ok_or(ValueError::Empty("entry"))?;
    let text = first.trim();
    let value_on = full_day(text.get(..6).unwrap_or(text))?;
    let text = text.get(6..).unwrap_or_default();
    let is_digit = |letter: char| letter.is_ascii_digit();
    let (booked_on, text) = match text.find(|letter: char| !is_digit(letter)).unwrap_or(text.len()) {
        0 => (value_on, text),
        end => {
            let (digits, rest) = text.split_at(end);
            (entry_day(digits, value_on)?, rest)
        }
    };
    let Some((mark, direction, is_reversal, is_expected)) = MARKS.into_iter().find(|(mark, ..)| text.starts_with(mark))
    else {
        return Err(ValueError::DebitCreditMark(text.to_owned()));
    };
    let text = text.get(mark.len()..).unwrap_or_default();
    // The third letter of the currency; with some banks another letter.
    let text = text.strip_prefix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text).trim_start();
    // Some banks break the line before the amount.
    let (text, others) = match others.split_first() {
        Some((second, others)) if text.is_empty() => (second.trim(), others),
        _ => (text, others),
    };
    let end = text.find(|letter: char| !is_digit(letter) && letter != ',').unwrap_or(text.len());
    let (amount, text) = text.split_at(end);
    let value = plain_decimal(amount, ',', true)?;
    if text.starts_with(|letter: char| !letter.is_ascii_alphanumeric() && letter != '/' && letter != ' ') {
        return Err(ValueError::BehindAmount(text.to_owned()));
    }
    let (kind, text) = kind(text);
    let (customer, bank) = text.split_once("//").unwrap_or((text, ""));
    let customer = reference(customer).filter(|text| !POINTERS.contains(&text.as_str()));
    Ok(EntryLine {
        value_on,
        booked_on,
        direction,
        is_reversal,
        is_expected,
        value,
        kind: kind.and_then(named),
        customer_reference: customer,
        bank_reference: reference(bank),
        supplementary: named(&others.join(" ")),
    })
}

/// `1!a3!c`: N, F or S and three more; missing with some banks.
fn kind(text: &str) -> (Option<&str>, &str) {
    let (Some(kind), Some(rest)) = (text.get(..4), text.get(4..)) else { return (None, text) };
    let is_kind = kind.starts_with(|letter: char| letter.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    if is_kind { (Some(kind), rest) } else { (None, text) }
}
