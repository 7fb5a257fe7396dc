//! Reads uploaded files: bank statements (camt.052, camt.053, camt.054, MT940, CSV) and payment confirmations (CSV,
//! JSON), plain or in a zip archive.
//!
//! Files are streamed: a reader holds at most one entry ([`limits`]), can be suspended after any item with a
//! [`Checkpoint`], and resumed from there at a later time. A file that cannot be read is refused as a whole, with the
//! line and what would be valid ([`BrokenFile`]); its content is never corrected, rounded or guessed.
//!
//! [`StatementUpload`] and [`ConfirmationUpload`] read an upload and detect its format. [`StatementReader`] reads a
//! single file outside of an archive.

mod archive;
mod camt;
mod confirmation;
mod csv;
mod error;
mod item;
pub mod limits;
mod movement;
mod mt940;
mod reader;
mod returns;
mod stream;
mod summary;
mod text;
mod upload;
mod value_error;
mod xml;

pub use self::camt::CamtKind;
pub use self::confirmation::{Confirmation, ConfirmationReader};
pub use self::csv::{Column, CsvEncoding, CsvOptions, DateFormat, DayOrder, DecimalSeparator, Dialect};
pub use self::error::{BrokenFile, FilePosition, ReadError};
pub use self::item::FileItem;
pub use self::movement::{BookingStatus, Counterparty, Direction, EntryAmount, EntryCharge, Movement, ParsedStatement};
pub use self::reader::{Checkpoint, Format, StatementReader};
pub use self::summary::{Balance, Check, StatementSummary, Totals};
pub use self::text::neutralised;
pub use self::upload::{ConfirmationUpload, StatementUpload, UploadCheckpoint};
