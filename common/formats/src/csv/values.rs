//! Amounts and dates as people write them.

use std::fmt;

use chrono::NaiveDate;
use deserr::Deserr;
use quittance_domain::calendar::plausible_day;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::csv::words;
use crate::movement::Direction;
use crate::text::plain_decimal;
use crate::value_error::ValueError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[serde(rename_all = "snake_case")]
#[deserr(rename_all = lowercase)]
pub enum DecimalSeparator {
    /// 1,234.50
    Point,
    /// 1.234,50
    Comma,
}

impl DecimalSeparator {
    const fn letter(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    const fn other(self) -> char {
        match self {
            Self::Point => ',',
            Self::Comma => '.',
        }
    }
}

/// What an amount's text implies about the decimal separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    Is(DecimalSeparator),
    /// `1,234`: whole thousands, or three decimals.
    Either,
    Nothing,
}

/// Examines one amount.
pub(super) fn hint(text: &str) -> Hint {
    let (_, digits, _) = bare(text);
    let which = |letter| if letter == '.' { DecimalSeparator::Point } else { DecimalSeparator::Comma };
    let marks: Vec<(usize, char)> = digits.char_indices().filter(|(_, letter)| matches!(letter, '.' | ',')).collect();
    match marks.as_slice() {
        [] => Hint::Nothing,
        [(at, letter)] => {
            let decimals = digits.len().saturating_sub(at.saturating_add(1));
            let can_group = decimals == 3 && (1..=3).contains(at) && !digits.starts_with('0');
            if can_group { Hint::Either } else { Hint::Is(which(*letter)) }
        }
        [first, .., last] if first.1 != last.1 => Hint::Is(which(last.1)),
        // Several separators of one kind group thousands.
        [first, ..] => Hint::Is(if first.1 == '.' { DecimalSeparator::Comma } else { DecimalSeparator::Point }),
    }
}

/// Whether an amount is negative; none if it has no sign.
pub(super) fn is_signed(text: &str) -> Option<bool> {
    let (is_negative, _, is_trailing) = bare(text);
    let text = text.trim();
    let has_plus = text.starts_with('+') || text.ends_with('+');
    let has_word = || direction_behind(text).is_some();
    (is_negative || is_trailing || has_plus || has_word()).then_some(is_negative || is_trailing)
}

/// The amount, and the direction word that follows it: `84.20 DR`.
fn direction_behind(text: &str) -> Option<(&str, Direction)> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let word = text.get(digits.len()..).filter(|word| !word.is_empty())?;
    Some((digits.trim_end(), words::direction(word)?))
}

/// The sign, the digits with separators, and whether a sign follows them. Blanks and apostrophes between digits group
/// thousands. An amount in brackets is negative.
fn bare(text: &str) -> (bool, String, bool) {
    let text = text.trim();
    let in_brackets = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    if let Some(digits) = in_brackets.filter(|digits| !digits.contains(['-', '+', '\u{2212}'])) {
        return (true, bare(digits).1, false);
    }
    if let Some((digits, direction)) = direction_behind(text) {
        let (is_negative, digits, is_trailing) = bare(digits);
        let is_debit = direction == Direction::Debit;
        return (is_negative || is_debit, digits, is_trailing);
    }
    let (is_negative, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (is_trailing, text) = match text.strip_suffix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_suffix('+').unwrap_or(text)),
    };
    let is_group = |letter: char| matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '\u{2019}');
    (is_negative, text.trim().chars().filter(|letter| !is_group(*letter)).collect(), is_trailing)
}

/// Parses an amount: an optional sign before or after it, thousands grouped by three or not at all.
///
/// # Errors
/// A description of a valid amount.
pub(super) fn amount(text: &str, separator: Option<DecimalSeparator>) -> Result<Decimal, ValueError> {
    let (is_negative, digits, is_trailing) = bare(text);
    let wrong = || ValueError::OtherNotation(text.to_owned());
    if is_negative && is_trailing {
        return Err(wrong());
    }
    let value = match separator {
        None if digits.contains(['.', ',']) => {
            return Err(ValueError::UnexpectedSeparator(text.to_owned()));
        }
        None => plain_decimal(&digits, '.', false)?,
        Some(separator) => {
            let (whole, fraction) =
                digits.split_once(separator.letter()).map_or((&*digits, None), |(a, b)| (a, Some(b)));
            let mut groups = whole.split(separator.other());
            let first = groups.next().unwrap_or_default();
            let groups: Vec<&str> = groups.collect();
            let is_grouped = (1..=3).contains(&first.len()) && groups.iter().all(|group| group.len() == 3);
            if (!groups.is_empty() && !is_grouped) || fraction.is_some_and(str::is_empty) {
                return Err(wrong());
            }
            let whole = [first, &groups.concat()].concat();
            let whole = if whole.is_empty() && fraction.is_some() { "0" } else { &whole };
            let joined = fraction.map_or_else(|| whole.to_owned(), |fraction| format!("{whole}.{fraction}"));
            plain_decimal(&joined, '.', false).map_err(|_| wrong())?
        }
    };
    Ok(if is_negative || is_trailing { -value } else { value })
}

/// The order of the parts of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayOrder {
    #[deserr(rename = "year_month_day")]
    YearMonthDay,
    #[deserr(rename = "day_month_year")]
    DayMonthYear,
    #[deserr(rename = "month_day_year")]
    MonthDayYear,
}

/// A date format. A time after the date is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
pub struct DateFormat {
    pub order: DayOrder,
    /// The separator between the numbers; none in 20261122.
    #[deserr(default)]
    #[schema(min_length = 1, max_length = 1)]
    pub separator: Option<char>,
    /// Whether the year has two digits, which mean 2000 to 2099.
    pub has_short_year: bool,
}

impl fmt::Display for DateFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year = if self.has_short_year { "YY" } else { "YYYY" };
        let parts = match self.order {
            DayOrder::YearMonthDay => [year, "MM", "DD"],
            DayOrder::DayMonthYear => ["DD", "MM", year],
            DayOrder::MonthDayYear => ["MM", "DD", year],
        };
        formatter.write_str(&parts.join(&self.separator.map(String::from).unwrap_or_default()))
    }
}

impl DateFormat {
    /// YYYY-MM-DD (ISO 8601).
    pub const ISO: Self = Self { order: DayOrder::YearMonthDay, separator: Some('-'), has_short_year: false };

    /// The formats to detect. Nobody writes the month first with dots.
    pub(super) fn all() -> Vec<Self> {
        let with = |order, separator, has_short_year| Self { order, separator, has_short_year };
        let mut all = vec![with(DayOrder::YearMonthDay, None, false)];
        all.extend(['-', '/', '.'].map(|separator| with(DayOrder::YearMonthDay, Some(separator), false)));
        for has_short_year in [false, true] {
            all.extend(['-', '/', '.'].map(|separator| with(DayOrder::DayMonthYear, Some(separator), has_short_year)));
            all.extend(['-', '/'].map(|separator| with(DayOrder::MonthDayYear, Some(separator), has_short_year)));
        }
        all
    }

    pub(super) fn read(self, text: &str) -> Option<NaiveDate> {
        let text = text.trim();
        let text = text.split_once(['T', ' ']).map_or(text, |(day, _)| day);
        let parts: Vec<&str> = match self.separator {
            Some(separator) => text.split(separator).collect(),
            None if text.len() == 8 => vec![text.get(..4)?, text.get(4..6)?, text.get(6..)?],
            None => return None,
        };
        let [first, second, third] = parts.try_into().ok()?;
        let (year, month, day) = match self.order {
            DayOrder::YearMonthDay => (first, second, third),
            DayOrder::DayMonthYear => (third, second, first),
            DayOrder::MonthDayYear => (third, first, second),
        };
        let is_number = |text: &str, lengths: &[usize]| {
            lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let year_length = if self.has_short_year { 2 } else { 4 };
        if !is_number(year, &[year_length]) || !is_number(month, &[1, 2]) || !is_number(day, &[1, 2]) {
            return None;
        }
        let century = if self.has_short_year { 2000 } else { 0 };
        let year = year.parse::<i32>().ok()?.checked_add(century)?;
        plausible_day(NaiveDate::from_ymd_opt(year, month.parse().ok()?, day.parse().ok()?)?).ok()
    }
}
