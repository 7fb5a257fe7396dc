//! Detects the dialect of a CSV file from its beginning. The result is shown to the user, and an ambiguous dialect is
//! never guessed.

use std::collections::BTreeMap;
use std::fmt;

use deserr::Deserr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::csv::columns::{Column, Mapping, currency_in, known, plain};
use crate::csv::indicators::{find_booking_status, find_direction};
use crate::csv::records::{CsvEncoding, CsvRecord, decode, split};
use crate::csv::sample::{find_date_format, find_decimal, rows};
use crate::csv::values::{DateFormat, DecimalSeparator};
use crate::csv::words::unbooked;
use crate::error::{BrokenFile, quote};
use crate::limits::PREAMBLE_LINES_MAX;

/// The options that a user may give where a file is ambiguous. All are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Deserr, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct CsvOptions {
    /// The delimiter between fields.
    #[deserr(default)]
    #[schema(min_length = 1, max_length = 1)]
    pub delimiter: Option<char>,
    /// The decimal separator.
    #[deserr(default)]
    pub decimal: Option<DecimalSeparator>,
    #[deserr(default)]
    pub date_format: Option<DateFormat>,
    /// The character encoding.
    #[deserr(default)]
    pub encoding: Option<CsvEncoding>,
    /// The columns by meaning: a name, or an index from 1 if no column has that name.
    #[deserr(default)]
    pub columns: BTreeMap<Column, String>,
    /// The currency of all amounts, if no column has it.
    #[deserr(default)]
    pub currency: Option<String>,
}

/// The detected dialect of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// The character encoding.
    pub encoding: CsvEncoding,
    /// The delimiter between fields.
    pub delimiter: char,
    /// The decimal separator; none if no amount has decimals.
    pub decimal: Option<DecimalSeparator>,
    pub date_format: DateFormat,
    /// The currency of all amounts, if no column has it.
    pub currency: Option<String>,
    /// The line of the header, from 1.
    pub header_line: u64,
    pub header: Vec<String>,
    pub(super) columns: Mapping,
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delimiter = match self.delimiter {
            '\t' => "tab".to_owned(),
            other => format!("`{other}`"),
        };
        let decimal = match self.decimal {
            Some(DecimalSeparator::Point) => "decimals behind a point",
            Some(DecimalSeparator::Comma) => "decimals behind a comma",
            None => "amounts without decimals",
        };
        let encoding = if self.encoding == CsvEncoding::Utf8 { "UTF-8" } else { "Windows-1252" };
        write!(
            formatter,
            "CSV in {encoding}, fields between {delimiter}, {decimal}, days as {}, header in line {}",
            self.date_format, self.header_line
        )?;
        if let Some(currency) = &self.currency {
            write!(formatter, ", all amounts in {currency}")?;
        }
        for (column, places) in &self.columns {
            let name = |place: &usize| match self.header.get(*place).map(String::as_str) {
                None | Some("") => format!("(column {})", place.saturating_add(1)),
                Some(name) => quote(name),
            };
            let names: Vec<String> = places.iter().map(name).collect();
            write!(formatter, "; {column:?}: {}", names.join(" + "))?;
        }
        Ok(())
    }
}

/// What a kind of file must contain, each item by one of several sets of columns.
pub(super) type Demand = &'static [&'static [&'static [Column]]];

/// Whether the file has entries of an account, as opposed to payments that somebody confirms.
fn describes_entries(demand: Demand) -> bool {
    !demand.iter().flat_map(|sets| sets.iter()).any(|set| set.contains(&Column::TransactionId))
}

/// The delimiters to detect.
const DELIMITERS: [char; 4] = [';', ',', '\t', '|'];

pub(super) fn detect(sample: &[u8], options: &CsvOptions, demand: Demand) -> Result<Dialect, BrokenFile> {
    let refuse = |line: u64, why: String| Err(BrokenFile::at(line, why));
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return refuse(1, "the file is UTF-16; save it as UTF-8".to_owned());
    }
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    // The last line of the sample may be truncated.
    let whole = sample.len() < crate::limits::SAMPLE_BYTES.saturating_sub(3);
    let end = sample
        .iter()
        .rposition(|byte| *byte == b'\n')
        .filter(|_| !whole)
        .map_or(sample.len(), |at| at.saturating_add(1));
    let sample = sample.get(..end).unwrap_or(sample);
    let seen = if std::str::from_utf8(sample).is_ok() { CsvEncoding::Utf8 } else { CsvEncoding::Windows1252 };
    let encoding = options.encoding.unwrap_or(seen);
    let text = decode(sample.to_vec(), encoding).map_err(|why| BrokenFile::at(1, why))?;
    if text.replace("\r\n", "").contains('\r') {
        return refuse(1, "lines end with a carriage return alone; save the file with LF or CRLF".to_owned());
    }
    let (delimiter, header_line, header, mut columns) = find_header(&text, options, demand)?;
    check_options(&header, options).map_err(|why| BrokenFile::at(header_line, why))?;
    let currency = find_currency(&header, &columns, options)
        .ok_or_else(|| BrokenFile::at(header_line, "no column has the currency; give it as the option `currency`"))?;
    let rows = rows(&text, delimiter, header_line);
    if describes_entries(demand) {
        find_booking_status(&header, &rows, &mut columns);
        find_direction(&header, &rows, options, &mut columns).map_err(|why| BrokenFile::at(header_line, why))?;
    }
    let is_ours = header.iter().any(|name| name == "booked_on" || name == "paid_on");
    let of = |wanted: &[Column]| -> Vec<(u64, String)> {
        let places: Vec<usize> = wanted.iter().filter_map(|column| columns.get(column)).flatten().copied().collect();
        let field = |row: &CsvRecord, place: usize| row.fields.get(place).filter(|field| !field.is_empty()).cloned();
        rows.iter()
            .flat_map(|row| places.iter().filter_map(move |place| Some((row.line, field(row, *place)?))))
            .collect()
    };
    let decimal = match options.decimal {
        Some(decimal) => Some(decimal),
        // The names are those of our own format, which writes 100.00 and 2026-11-22.
        None if is_ours => Some(DecimalSeparator::Point),
        None => find_decimal(&of(&[Column::Amount, Column::Credit, Column::Debit, Column::Balance]))?,
    };
    let date_format = match options.date_format {
        Some(format) => format,
        None if is_ours => DateFormat::ISO,
        None => {
            let mut days = of(&[Column::BookedOn, Column::PaidOn, Column::ValueOn]);
            // The date of an entry that is not booked yet may be a word.
            days.retain(|(_, text)| unbooked(text).is_none());
            find_date_format(&days, !rows.is_empty())?
        }
    };
    Ok(Dialect { encoding, delimiter, decimal, date_format, currency, header_line, header, columns })
}

/// The currency of all amounts: none if a column has it, no result if nothing gives it.
fn find_currency(header: &[String], columns: &Mapping, options: &CsvOptions) -> Option<Option<String>> {
    if columns.contains_key(&Column::Currency) {
        return Some(None);
    }
    let amounts = [Column::Amount, Column::Credit].iter().filter_map(|column| columns.get(column)).flatten();
    let named =
        || amounts.filter_map(|place| header.get(*place)).find_map(|name| currency_in(name)).map(ToOwned::to_owned);
    options.currency.clone().or_else(named).map(Some)
}

type CsvHeader = (char, u64, Vec<String>, Mapping);

/// The first line that names enough columns, with the delimiter that finds the most of them.
fn find_header(text: &str, options: &CsvOptions, demand: Demand) -> Result<CsvHeader, BrokenFile> {
    let candidates = options.delimiter.map_or_else(|| DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
    let mut best: Option<(usize, CsvHeader)> = None;
    let mut nearest: Option<(usize, u64, String)> = None;
    for delimiter in candidates {
        for (number, line) in (1_u64..).zip(text.lines()).take(PREAMBLE_LINES_MAX) {
            let Ok(header) = split(line, delimiter) else { continue };
            let columns = map(&header, options);
            let found = columns.values().map(Vec::len).sum::<usize>();
            if let Some(missing) = missing(&columns, demand) {
                if found > 0 && nearest.as_ref().is_none_or(|(most, ..)| found > *most) {
                    nearest = Some((found, number, missing));
                }
                continue;
            }
            if best.as_ref().is_none_or(|(most, _)| found > *most) {
                best = Some((found, (delimiter, number, header, columns)));
            }
            break;
        }
    }
    let Some((_, header)) = best else {
        let (line, missing) =
            nearest.map_or((1, missing(&Mapping::new(), demand)), |(_, line, missing)| (line, Some(missing)));
        let missing = missing.unwrap_or_default();
        let why = format!(
            "there is no header with the required columns; {missing} is missing. Rename the columns, or set the \
             option `columns`"
        );
        return Err(BrokenFile::at(line, why));
    };
    check_header(&header)?;
    Ok(header)
}

/// Columns by meaning: from the options, otherwise by their names.
fn map(header: &[String], options: &CsvOptions) -> Mapping {
    let mut columns = Mapping::new();
    for (place, name) in header.iter().enumerate() {
        let mut named =
            options.columns.iter().filter(|(_, named)| is_called(header, place, named)).map(|(column, _)| *column);
        // The amount's own column as the direction's means that its sign is the direction.
        let named = named.next().filter(|named| *named != Column::Direction || known(name) != Some(Column::Amount));
        let column = named.or_else(|| {
            // A meaning that the options assign to another column is not looked for.
            known(name).filter(|column| !options.columns.contains_key(column))
        });
        if let Some(column) = column {
            columns.entry(column).or_default().push(place);
        }
    }
    columns
}

/// Columns named in the options must exist.
fn check_options(header: &[String], options: &CsvOptions) -> Result<(), UnknownColumn> {
    let is_there = |named: &str| (0..header.len()).any(|place| is_called(header, place, named));
    let Some((column, named)) = options.columns.iter().find(|(_, named)| !is_there(named)) else { return Ok(()) };
    Err(UnknownColumn { column: name(column), option: named.clone() })
}

/// An option that names a column which the file does not have.
#[derive(Debug, thiserror::Error)]
#[error("the option `columns` has `{}` for {column}, but no column has this name", quote(.option))]
struct UnknownColumn {
    column: String,
    option: String,
}

/// Whether an option refers to the column at an index: by its name, or by its number from 1 if no column has that name.
fn is_called(header: &[String], place: usize, named: &str) -> bool {
    let named_plain = plain(named);
    let is_name = |name: &String| plain(name) == named_plain && !named_plain.is_empty();
    if header.iter().any(is_name) {
        return header.get(place).is_some_and(is_name);
    }
    named.trim().parse() == Ok(place.saturating_add(1))
}

/// The first item that a file lacks, for people.
fn missing(columns: &Mapping, demand: Demand) -> Option<String> {
    let is_named = |sets: &&[&[Column]]| sets.iter().any(|set| set.iter().all(|column| columns.contains_key(column)));
    let lacking = demand.iter().find(|sets| !is_named(sets))?;
    let words = |set: &&[Column]| set.iter().map(name).collect::<Vec<_>>().join(" and ");
    Some(lacking.iter().map(words).collect::<Vec<_>>().join(", or "))
}

/// The name of a meaning in options and our own files: `booked_on`.
fn name(column: &Column) -> String {
    let debug = format!("{column:?}");
    let mut name = String::with_capacity(debug.len().saturating_add(3));
    for letter in debug.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Names must be unique, and only texts may come from several columns.
fn check_header((_, line, header, columns): &CsvHeader) -> Result<(), BrokenFile> {
    for (place, name) in header.iter().enumerate() {
        if !name.is_empty() && header.iter().take(place).any(|other| other == name) {
            return Err(BrokenFile::at(*line, format!("the column `{}` occurs twice in the header", quote(name))));
        }
        if name.chars().any(char::is_control) {
            return Err(BrokenFile::at(
                *line,
                format!("the column `{}` has control characters in its name", quote(name)),
            ));
        }
    }
    let single = |column: &Column| {
        use Column::{BankReference, BookingStatus, CounterpartyName, Reference, Remittance};
        !matches!(column, Remittance | BankReference | Reference | CounterpartyName | BookingStatus)
    };
    if let Some((column, places)) = columns.iter().find(|(column, places)| places.len() > 1 && single(column)) {
        let names: Vec<String> =
            places.iter().filter_map(|place| header.get(*place)).map(|name| format!("`{}`", quote(name))).collect();
        let why =
            format!("{} may be {}; state which with the option `columns`", self::name(column), names.join(" or "));
        return Err(BrokenFile::at(*line, why));
    }
    Ok(())
}
