//! Translations of documents and messages to clients.
//!
//! All texts are in `languages/<code>.toml`; the build finds the files, so a new language is one file. Amounts and
//! dates follow the rules of the Unicode CLDR. A language without a file falls back to English.

mod amounts;
mod dates;
mod translation;
mod words;

pub use amounts::{amount, number, percent};
pub use dates::long_date;
pub use translation::translated;
pub use words::{Words, languages, words};
