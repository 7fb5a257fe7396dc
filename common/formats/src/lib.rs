//! The files that people upload: bank statements (camt.052, camt.053, camt.054, MT940, CSV) and payment confirmations
//! (CSV, JSON), plain or in a zip archive.
//!
//! Files are read piece by piece: a reader holds at most one entry ([`limits`]), can be left after any item with a
//! [`Checkpoint`], and goes on from there another day. A file that cannot be read is refused whole, with the line and what
//! would be right ([`BrokenFile`]); what it says is never corrected, rounded or guessed.
//!
//! [`StatementUpload`] and [`ConfirmationUpload`] take an upload as it came, and tell by themselves what it is.
//! [`StatementReader`] reads one file that is not packed.

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
