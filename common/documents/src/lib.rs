//! Renders the clients' documents as PDF/A-2 in their language.
//!
//! Templates are the files in `templates/`, typeset by Typst: `layout.typ` is shared by all, `mark.svg` is the logo on
//! each of them (replace it with your own), and every other file is a document. A template only has access to the data
//! from its module here: no clock, no files, no network. So the same data gives the same bytes.

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
pub use press::{PathError, Press, PressError};
pub use seller::Seller;
pub use statement::{PrintedStatementLine, StatementPart, StatementSheet};
