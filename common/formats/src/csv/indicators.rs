//! Columns that are recognised by their content: the booking status, and the credit/debit indicator.

use crate::csv::columns::{Column, Mapping, plain};
use crate::csv::dialect::CsvOptions;
use crate::csv::records::CsvRecord;
use crate::csv::values::is_signed;
use crate::csv::words::{booking_status, direction};
use crate::error::quote;
use crate::movement::{BookingStatus, Direction};

/// Names of columns for the booking status, in the form of [`plain`].
const STATUS_NAMES: &str = "status state bookingstatus entrystatus transactionstatus paymentstatus info buchungsstatus \
    umsatzstatus zustand statut etat estado stato situacao";

/// Shorter words are codes that occur in other columns by chance.
const WORD_LENGTH_MIN: usize = 3;

/// Adds the columns for the booking status. A column with such a name is one if it contains a status word; a column
/// with any other name, if it contains nothing else.
pub(super) fn find_booking_status(header: &[String], rows: &[CsvRecord], columns: &mut Mapping) {
    if columns.contains_key(&Column::BookingStatus) {
        return;
    }
    let mut found = Vec::new();
    for (place, name) in header.iter().enumerate().filter(|(place, _)| is_unread(columns, *place)) {
        let known: Vec<bool> = texts(rows, place).map(|text| booking_status(text).is_some()).collect();
        let is_named = STATUS_NAMES.split_ascii_whitespace().any(|known| known == plain(name));
        let is_status = known.contains(&true) && (is_named || !known.contains(&false));
        found.extend(is_status.then_some(place));
    }
    if !found.is_empty() {
        columns.insert(Column::BookingStatus, found);
    }
}

/// Adds the credit/debit indicator if amounts are unsigned and a column with another name contains nothing but
/// indicator words.
///
/// # Errors
/// Why the direction cannot be determined, with the option that helps: a debit must not be read as received money.
pub(super) fn find_direction(
    header: &[String],
    rows: &[CsvRecord],
    options: &CsvOptions,
    columns: &mut Mapping,
) -> Result<(), DoubtfulDirection> {
    let Some(amount) = columns.get(&Column::Amount).and_then(|places| places.first()).copied() else { return Ok(()) };
    if columns.contains_key(&Column::Direction) || options.columns.contains_key(&Column::Direction) {
        return Ok(());
    }
    let signs: Vec<Option<Direction>> = rows.iter().map(|row| sign(row.fields.get(amount))).collect();
    let has_signs = signs.iter().any(Option::is_some);
    let doubt = |place: usize, why: &'static str| DoubtfulDirection::new(header, place, amount, why);
    let mut indicator: Option<(usize, Vec<Option<Direction>>)> = None;
    for place in (0..header.len()).filter(|place| may_indicate(columns, *place)) {
        let named: Vec<Option<Direction>> =
            rows.iter().map(|row| row.fields.get(place).and_then(|text| direction(text))).collect();
        if named.is_empty() || named.iter().any(Option::is_none) {
            if !has_signs && texts(rows, place).any(|text| is_word_for_debit(text)) {
                return Err(doubt(place, "covers only some rows"));
            }
            continue;
        }
        let is_telling = named.contains(&Some(Direction::Credit)) && named.contains(&Some(Direction::Debit))
            || texts(rows, place).any(|text| text.chars().count() >= WORD_LENGTH_MIN)
            || header.get(place).is_none_or(String::is_empty);
        let agrees = |(named, sign): (&Option<Direction>, &Option<Direction>)| {
            named == sign || sign.is_none() && *named == Some(Direction::Credit)
        };
        match &indicator {
            _ if has_signs && (!is_telling || named.iter().zip(&signs).all(agrees)) => {}
            _ if has_signs => return Err(doubt(place, "contradicts the signs")),
            _ if !is_telling && named.contains(&Some(Direction::Debit)) => {
                return Err(doubt(place, "may match by coincidence"));
            }
            Some((_, other)) if *other != named => return Err(doubt(place, "contradicts another column")),
            Some(_) => {}
            None => indicator = Some((place, named)),
        }
    }
    columns.extend(indicator.map(|(place, _)| (Column::Direction, vec![place])));
    Ok(())
}

/// The direction given by an amount's sign; none without a sign.
fn sign(amount: Option<&String>) -> Option<Direction> {
    amount.and_then(|text| is_signed(text)).map(|is_negative| match is_negative {
        true => Direction::Debit,
        false => Direction::Credit,
    })
}

fn texts(rows: &[CsvRecord], place: usize) -> impl Iterator<Item = &String> {
    rows.iter().filter_map(move |row| row.fields.get(place)).filter(|text| !text.is_empty())
}

fn is_word_for_debit(text: &str) -> bool {
    text.chars().count() >= WORD_LENGTH_MIN && direction(text) == Some(Direction::Debit)
}

fn is_unread(columns: &Mapping, place: usize) -> bool {
    !columns.values().flatten().any(|known| *known == place)
}

/// Some banks have the indicator in the column where others describe the entry.
fn may_indicate(columns: &Mapping, place: usize) -> bool {
    let is_text = columns.get(&Column::Remittance).is_some_and(|places| places.contains(&place));
    is_text || is_unread(columns, place)
}

/// Columns that leave open whether amounts are credits or debits.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is unclear whether amounts are credit or debit: the column `{indicator}` {why}. Set `direction` in the option \
     `columns` to the column that states it, by name or position (`7`), or to `{amount}` if the sign of the amount does"
)]
pub(super) struct DoubtfulDirection {
    indicator: String,
    amount: String,
    why: &'static str,
}

impl DoubtfulDirection {
    fn new(header: &[String], place: usize, amount: usize, why: &'static str) -> Self {
        let name = |place: usize| match header.get(place).map(String::as_str) {
            None | Some("") => place.saturating_add(1).to_string(),
            Some(name) => quote(name),
        };
        Self { indicator: name(place), amount: name(amount), why }
    }
}

/// The booking status of a row: booked, unless one of the status columns has another word.
pub(super) fn booking_status_of<'a>(texts: impl Iterator<Item = &'a str>) -> BookingStatus {
    let status = |text: &str| booking_status(text).unwrap_or_else(|| BookingStatus::Unknown(quote(text)));
    texts.map(status).find(|status| *status != BookingStatus::Booked).unwrap_or(BookingStatus::Booked)
}
