//! CSV, as written by banks and spreadsheets.

mod columns;
mod confirmations;
mod dialect;
mod indicators;
mod records;
mod sample;
mod statements;
mod table;
mod values;
mod words;

pub use self::columns::Column;
pub(crate) use self::confirmations::CsvConfirmations;
pub use self::dialect::{CsvOptions, Dialect};
pub use self::records::CsvEncoding;
pub(crate) use self::statements::{CsvStatement, State};
pub use self::values::{DateFormat, DayOrder, DecimalSeparator};

#[cfg(test)]
mod tests;
