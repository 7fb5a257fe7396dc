//! Texts of files: without control characters, within bounds, and whether they say anything.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::limits::{TEXT_LENGTH_MAX, VALUES_MAX};

/// The text on one line: white space and control characters become single spaces, none at the ends.
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

/// What banks and their customers write where they have no reference (`NOTPROVIDED`: SEPA rulebooks; `NONREF`: SWIFT).
const NO_REFERENCE: [&str; 9] =
    ["NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOREF", "NONE", "NOTAVAILABLE", "N/A", "NICHT ANGEGEBEN", "UNBEKANNT"];

/// A reference; none if it says that there is none.
pub(crate) fn reference(text: &str) -> Option<String> {
    named(text).filter(|text| !NO_REFERENCE.iter().any(|none| text.eq_ignore_ascii_case(none)))
}

/// Adds a value that is not there yet, while there is room.
pub(crate) fn add(values: &mut Vec<String>, value: Option<String>) {
    if let Some(value) = value.filter(|value| values.len() < VALUES_MAX && !values.contains(value)) {
        values.push(value);
    }
}

/// Adds a piece of text behind a space, up to a length in bytes.
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

/// Reads digits with at most one separator: `12`, `12.5`, with `is_open_ended` also `12,` and `,5`.
///
/// # Errors
/// What would be right.
pub(crate) fn plain_decimal(text: &str, separator: char, is_open_ended: bool) -> Result<Decimal, String> {
    let (whole, fraction) = match text.split_once(separator) {
        Some((whole, "")) if is_open_ended => (whole, None),
        Some(("", fraction)) if is_open_ended => ("0", Some(fraction)),
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || fraction.is_some_and(|fraction| !are_digits(fraction)) {
        let shown = crate::error::shown(text);
        return Err(format!(
            "`{shown}` is not an amount; write digits with an optional `{separator}`, no sign, no grouping"
        ));
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.unwrap_or_default();
    let digits = whole.len().saturating_add(fraction.trim_end_matches('0').len());
    // Beyond these, there are only zeros.
    let fraction = fraction.get(..fraction.len().min(DIGITS_MAX)).unwrap_or(fraction);
    let joined =
        [if whole.is_empty() { "0" } else { whole }, if fraction.is_empty() { "" } else { "." }, fraction].concat();
    let decimal =
        Decimal::from_str_exact(joined.get(..joined.len().min(DIGITS_MAX.saturating_add(8))).unwrap_or(&joined));
    match decimal {
        Ok(decimal) if digits <= DIGITS_MAX => Ok(decimal),
        _ => Err(format!("the amount has more than {DIGITS_MAX} digits")),
    }
}

/// The most digits of an amount (ISO 20022 `ActiveOrHistoricCurrencyAndAmount`: 18 digits; SWIFT `15d`).
pub(crate) const DIGITS_MAX: usize = 18;

/// Keeps a cell from being taken for a formula by a spreadsheet: for exports, never for what is kept or compared.
///
/// A cell that starts with `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front (OWASP, "CSV Injection").
#[must_use]
pub fn neutralised(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::from(format!("'{cell}")) } else { Cow::from(cell) }
}
