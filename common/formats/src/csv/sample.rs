//! Determines the dialect of a CSV file from the first rows below its header.

use crate::csv::records::{CsvRecord, Unsplit, split};
use crate::csv::values::{DateFormat, DecimalSeparator, Hint, hint};
use crate::error::{BrokenFile, quote};

/// The records of the sample below the header, as far as they can be split.
pub(super) fn rows(text: &str, delimiter: char, header_line: u64) -> Vec<CsvRecord> {
    let mut rows = Vec::new();
    let mut open = String::new();
    let mut start = 0_u64;
    for (number, line) in (1_u64..).zip(text.split_inclusive('\n')) {
        if number <= header_line {
            continue;
        }
        if open.is_empty() {
            start = number;
        }
        open.push_str(line);
        match split(&open, delimiter) {
            Ok(fields) => rows.push(CsvRecord { line: start, fields }),
            Err(Unsplit::Open) if number.saturating_sub(start) < crate::limits::RECORD_LINES_MAX => continue,
            Err(_) => {}
        }
        open.clear();
    }
    rows
}

pub(super) fn find_decimal(amounts: &[(u64, String)]) -> Result<Option<DecimalSeparator>, BrokenFile> {
    let mut found: Option<(u64, DecimalSeparator)> = None;
    let mut doubt: Option<(u64, &str)> = None;
    for (line, text) in amounts {
        match (hint(text), found) {
            (Hint::Is(is), None) => found = Some((*line, is)),
            (Hint::Is(is), Some((before, was))) if is != was => {
                let why = format!("`{}` has another decimal separator than line {before}", quote(text));
                return Err(BrokenFile::at(*line, why));
            }
            (Hint::Either, _) => doubt = doubt.or(Some((*line, text))),
            _ => {}
        }
    }
    match (found, doubt) {
        (None, Some((line, text))) => Err(BrokenFile::at(
            line,
            format!(
                "`{}` has two readings, and no other amount settles them; give the option `decimal` (point or comma)",
                quote(text)
            ),
        )),
        (found, _) => Ok(found.map(|(_, is)| is)),
    }
}

pub(super) fn find_date_format(days: &[(u64, String)], has_rows: bool) -> Result<DateFormat, BrokenFile> {
    let mut left = DateFormat::all();
    for (line, text) in days {
        let before = left.clone();
        left.retain(|format| format.read(text).is_some());
        if left.is_empty() {
            let expected: Vec<String> = before.iter().take(3).map(ToString::to_string).collect();
            let why = format!(
                "`{}` is not a day; expected is {} or another usual format, the same in all lines",
                quote(text),
                expected.join(", ")
            );
            return Err(BrokenFile::at(*line, why));
        }
    }
    let line = days.first().map_or(1, |(line, _)| *line);
    match left.as_slice() {
        [format] => Ok(*format),
        // No row is booked yet, so no row has a relevant date.
        _ if days.is_empty() && has_rows => Ok(DateFormat::ISO),
        _ if days.is_empty() => Err(BrokenFile::at(line, "the file has no line with a day below its header")),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            let why = format!("days may be written {}; give the option `date_format`", several.join(" or "));
            Err(BrokenFile::at(line, why))
        }
    }
}
