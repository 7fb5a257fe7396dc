//! The documents that clients get, as PDF/A-2 in their language.
//!
//! Templates are the files in `templates/`, set by Typst: `layout.typ` has what they share, `mark.svg` is the mark on each
//! of them (replace it by your own), and every other one is a document. A template sees the data that its module here gives
//! it, and nothing else: no clock, no file, no network. So the same data gives the same bytes.

mod credit_note;
mod invoice;
mod press;
mod receipt;
mod refund_receipt;
mod seller;
mod statement;
#[cfg(test)]
mod tests;

pub use credit_note::CreditNoteSheet;
pub use invoice::{InvoiceSheet, PrintedInvoiceLine};
pub use press::{Press, PressError};
pub use seller::Seller;
pub use statement::{PrintedStatementLine, StatementPart, StatementSheet};
