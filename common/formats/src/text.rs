//! Texts of files: without control characters, limited in length, and checked for significance.

use std::borrow::Cow;

use quittance_domain::money::Currency;
use rust_decimal::Decimal;

use crate::limits::{TEXT_LENGTH_MAX, VALUES_MAX};
use crate::value_error::ValueError;

/// The text on one line: white space and control characters become single spaces, with none at the ends.
pub(crate) fn tidy(text: &str, length_max: usize) -> String {
    let mut tidied = String::with_capacity(text.len().min(length_max));
    let mut length = 0_usize;
    let separated = |letter: char| letter.is_whitespace() || letter.is_control();
    for word in text.split(separated).filter(|word| !word.is_empty()) {
        for letter in (length > 0).then_some(' ').into_iter().chain(word.chars()) {
            if length == length_max {
                tidied.truncate(tidied.trim_end().len());
                return tidied;
            }
            tidied.push(letter);
            length = length.saturating_add(1);
        }
    }
    tidied
}

/// A name, account or code; none if nothing is left of it.
pub(crate) fn named(text: &str) -> Option<String> {
    Some(tidy(text, TEXT_LENGTH_MAX)).filter(|text| !text.is_empty())
}

/// What banks and their customers write in place of a missing reference (`NOTPROVIDED`: SEPA rulebooks; `NONREF`:
/// SWIFT).
const NO_REFERENCE: [&str; 9] =
    ["NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOREF", "NONE", "NOTAVAILABLE", "N/A", "NICHT ANGEGEBEN", "UNBEKANNT"];

/// A reference; none if it is a placeholder.
pub(crate) fn reference(text: &str) -> Option<String> {
    named(text).filter(|text| !NO_REFERENCE.iter().any(|none| text.eq_ignore_ascii_case(none)))
}

/// An account in normalised form: an IBAN without blanks, and without the currency that banks append to it in MT940
/// (`NL91ABNA0417164300 EUR`). Other numbers are unchanged, except for that currency.
pub(crate) fn account_number(text: &str) -> Option<String> {
    let text = named(text)?;
    let plain: String = text.chars().filter(|letter| *letter != ' ').collect();
    let split = plain.len().saturating_sub(CURRENCY_LENGTH);
    let bare = match (plain.get(..split), plain.get(split..)) {
        (Some(bare), Some(code)) if code.parse::<Currency>().is_ok() => Some(bare),
        _ => None,
    };
    let iban = [Some(plain.as_str()), bare].into_iter().flatten().find(|number| is_iban(number));
    if let Some(iban) = iban {
        return Some(iban.to_owned());
    }
    let is_number = |bare: &&str| bare.ends_with(|last: char| last.is_ascii_digit());
    match bare.filter(is_number) {
        Some(_) => named(text.get(..text.len().saturating_sub(CURRENCY_LENGTH))?),
        None => Some(text),
    }
}

/// The length of a currency code (ISO 4217).
const CURRENCY_LENGTH: usize = 3;

/// Whether a text is an IBAN (ISO 13616): country, check digits, 11 to 30 letters and digits, and a remainder of 1
/// modulo 97.
pub(crate) fn is_iban(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|letter| *letter != ' ').collect();
    let is_built_so = matches!(letters.as_slice(), [a, b, c, d, ..]
        if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit())
        && (15..=34).contains(&letters.len())
        && letters.iter().all(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase());
    let turned = letters.iter().skip(4).chain(letters.iter().take(4)).filter_map(|letter| letter.to_digit(36));
    let remainder = turned.fold(0_u32, |sum, value| {
        let shifted = if value < 10 { sum.saturating_mul(10) } else { sum.saturating_mul(100) };
        shifted.saturating_add(value) % 97
    });
    is_built_so && remainder == 1
}

/// Adds a value if it is new and the limit allows.
pub(crate) fn add(values: &mut Vec<String>, value: Option<String>) {
    if let Some(value) = value.filter(|value| values.len() < VALUES_MAX && !values.contains(value)) {
        values.push(value);
    }
}

/// Appends a piece of text after a space, up to a length in bytes.
pub(crate) fn append(text: &mut String, piece: &str, length_max: usize) {
    let room = length_max.saturating_sub(text.len().saturating_add(1));
    let end =
        piece.char_indices().map(|(at, letter)| at.saturating_add(letter.len_utf8())).take_while(|end| *end <= room);
    let Some(piece) = end.last().and_then(|end| piece.get(..end)).filter(|piece| !piece.is_empty()) else { return };
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(piece);
}

/// Parses digits with at most one separator: `12`, `12.5`, with `is_open_ended` also `12,` and `,5`.
///
/// # Errors
/// A description of a valid number.
pub(crate) fn plain_decimal(text: &str, separator: char, is_open_ended: bool) -> Result<Decimal, ValueError> {
    let (whole, fraction) = match text.split_once(separator) {
        Some((whole, "")) if is_open_ended => (whole, None),
        Some(("", fraction)) if is_open_ended => ("0", Some(fraction)),
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || fraction.is_some_and(|fraction| !are_digits(fraction)) {
        return Err(ValueError::NotAmount { text: text.to_owned(), separator });
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.unwrap_or_default();
    let digits = whole.len().saturating_add(fraction.trim_end_matches('0').len());
    // There are only zeros beyond these.
    let fraction = fraction.get(..fraction.len().min(DIGITS_MAX)).unwrap_or(fraction);
    let joined =
        [if whole.is_empty() { "0" } else { whole }, if fraction.is_empty() { "" } else { "." }, fraction].concat();
    let decimal =
        Decimal::from_str_exact(joined.get(..joined.len().min(DIGITS_MAX.saturating_add(8))).unwrap_or(&joined));
    match decimal {
        Ok(decimal) if digits <= DIGITS_MAX => Ok(decimal),
        _ => Err(ValueError::TooManyDigits),
    }
}

/// The maximum number of digits of an amount (ISO 20022 `ActiveOrHistoricCurrencyAndAmount`: 18 digits; SWIFT `15d`).
pub(crate) const DIGITS_MAX: usize = 18;

/// Prevents a spreadsheet from interpreting a cell as a formula: for exports, never for stored or compared data.
///
/// A cell that starts with `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front (OWASP, "CSV Injection").
#[must_use]
pub fn neutralised(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::from(format!("'{cell}")) } else { Cow::from(cell) }
}
