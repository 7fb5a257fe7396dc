//! Reads rows below a header, with fields by meaning.

use std::io::Read;

use chrono::NaiveDate;
use quittance_domain::money::MoneyError;

use crate::csv::columns::{Column, is_edited};
use crate::csv::dialect::{CsvOptions, Demand, Dialect, detect};
use crate::csv::records::{CsvRecord, Records};
use crate::csv::values::amount;
use crate::csv::{indicators, words};
use crate::error::{BrokenFile, ReadError, broken, quote};
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::movement::{BookingStatus, Direction, EntryAmount};
use crate::stream::Stream;
use crate::text::{is_iban, tidy};
use crate::value_error::ValueError;

pub(super) struct Table<R> {
    pub(super) dialect: Dialect,
    records: Records<R>,
}

impl<R: Read> Table<R> {
    /// Opens a file at its first byte, and skips its header.
    pub(super) fn open(mut stream: Stream<R>, options: &CsvOptions, demand: Demand) -> Result<Self, ReadError> {
        let dialect = detect(stream.sample()?, options, demand)?;
        if stream.sample()?.starts_with(b"\xef\xbb\xbf") {
            stream.skip(3)?;
        }
        let mut table = Self { records: Records::new(stream, 1, dialect.encoding, dialect.delimiter), dialect };
        table.records.pass_lines(table.dialect.header_line)?;
        Ok(table)
    }

    pub(super) const fn resume(stream: Stream<R>, line: u64, dialect: Dialect) -> Self {
        Self { records: Records::new(stream, line, dialect.encoding, dialect.delimiter), dialect }
    }

    /// The offset of the next row, and its line.
    pub(super) const fn position(&self) -> (u64, u64) {
        (self.records.stream.offset(), self.records.line)
    }

    pub(super) fn next(&mut self) -> Result<Option<CsvRecord>, ReadError> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        let (found, expected) = (record.fields.len(), self.dialect.header.len());
        if found != expected {
            let why = format!("the record has {found} fields; the header has {expected}");
            return broken(record.line, why);
        }
        Ok(Some(record))
    }

    /// The text of a column, or of several with the same meaning, joined.
    pub(super) fn text(&self, record: &CsvRecord, column: Column) -> Option<String> {
        let places = self.dialect.columns.get(&column)?;
        let texts: Vec<&str> = places
            .iter()
            .filter_map(|place| record.fields.get(*place))
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// The text of columns with an unknown meaning, if no known column has the payer: they may name the payer.
    pub(super) fn unread(&self, record: &CsvRecord) -> Option<String> {
        let payer = [Column::CounterpartyName, Column::CounterpartyAccount];
        if payer.iter().any(|column| self.text(record, *column).is_some()) {
            return None;
        }
        let is_known = |place: usize| self.dialect.columns.values().flatten().any(|known| *known == place);
        let is_edited = |place: usize| self.dialect.header.get(place).is_some_and(|name| is_edited(name));
        let fields = record.fields.iter().enumerate().filter(|(place, _)| !is_known(*place) && !is_edited(*place));
        let words: Vec<&str> = fields.map(|(_, text)| text.as_str()).filter(|text| is_telling(text)).collect();
        (!words.is_empty()).then(|| tidy(&words.join(" "), REMITTANCE_LENGTH_MAX))
    }

    pub(super) fn day(&self, record: &CsvRecord, column: Column) -> Result<Option<NaiveDate>, ReadError> {
        let Some(text) = self.text(record, column) else { return Ok(None) };
        let format = self.dialect.date_format;
        match format.read(&text) {
            Some(day) => Ok(Some(day)),
            None => broken(record.line, format!("`{}` is not a day as {format} from 1970 to 2199", quote(&text))),
        }
    }

    /// The booking status of a row. Some banks write a word for it in place of the booking date.
    pub(super) fn booking_status(&self, record: &CsvRecord) -> BookingStatus {
        let dates = [Column::BookedOn, Column::ValueOn];
        let instead_of_a_day = dates.iter().filter_map(|column| self.text(record, *column));
        if let Some(status) = instead_of_a_day.into_iter().find_map(|text| words::unbooked(&text)) {
            return status;
        }
        let places = self.dialect.columns.get(&Column::BookingStatus).into_iter().flatten();
        let texts = places.filter_map(|place| record.fields.get(*place)).map(String::as_str);
        indicators::booking_status_of(texts.filter(|text| !text.is_empty()))
    }

    /// The amount and its direction, from the columns that give them.
    pub(super) fn movement(&self, record: &CsvRecord) -> Result<(EntryAmount, Direction), ReadError> {
        let refuse = |error: ValueError| -> ReadError { BrokenFile::at(record.line, error).into() };
        let (value, direction) = self.signed(record).map_err(refuse)?;
        let currency = self.text(record, Column::Currency).or_else(|| self.dialect.currency.clone());
        let currency = currency.ok_or_else(|| refuse(ValueError::Empty("currency")))?;
        let amount = EntryAmount::new(value, &currency).map_err(refuse)?;
        match amount.money() {
            // For a withdrawn currency we do not know the number of decimals.
            Ok(_) | Err(MoneyError::UnknownCurrency(_)) => Ok((amount, direction)),
            Err(error) => Err(refuse(ValueError::Money(error))),
        }
    }

    fn signed(&self, record: &CsvRecord) -> Result<(rust_decimal::Decimal, Direction), ValueError> {
        let read = |column| {
            let text = self.text(record, column);
            let amount = text.map(|text| amount(&text, self.dialect.decimal)).transpose();
            amount.map_err(|error| ValueError::Amount(Box::new(error)))
        };
        if self.dialect.columns.contains_key(&Column::Amount) {
            let value = read(Column::Amount)?.ok_or(ValueError::Empty("amount"))?;
            let by_sign = if value.is_sign_negative() { Direction::Debit } else { Direction::Credit };
            return match self.text(record, Column::Direction).map(|text| parse_direction(&text)).transpose()? {
                Some(Direction::Credit) if value.is_sign_negative() => Err(ValueError::NegativeCreditByDirection),
                Some(direction) => Ok((value.abs(), direction)),
                None if self.dialect.columns.contains_key(&Column::Direction) => Err(ValueError::Empty("direction")),
                None => Ok((value.abs(), by_sign)),
            };
        }
        let named = |value: Option<rust_decimal::Decimal>| value.filter(|value| !value.is_zero());
        match (named(read(Column::Credit)?), named(read(Column::Debit)?)) {
            (Some(_), Some(_)) => Err(ValueError::CreditAndDebit),
            (Some(value), None) if value.is_sign_negative() => Err(ValueError::NegativeCredit),
            (Some(value), None) => Ok((value, Direction::Credit)),
            // Some banks write debits with a minus sign in a column of their own.
            (None, Some(value)) => Ok((value.abs(), Direction::Debit)),
            (None, None) => Err(ValueError::NeitherCreditNorDebit),
        }
    }
}

/// Whether a text may name a party: an account or words, but not a number, amount, date or time.
fn is_telling(text: &str) -> bool {
    text.chars().filter(|letter| letter.is_alphabetic()).count() >= WORDS_LETTERS_MIN || is_iban(text)
}

/// `EUR`, `CET` and similar codes accompany numbers.
const WORDS_LETTERS_MIN: usize = 4;

fn parse_direction(text: &str) -> Result<Direction, ValueError> {
    words::direction(text).ok_or_else(|| ValueError::Direction(text.to_owned()))
}
