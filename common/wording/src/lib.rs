//! How documents and messages speak a client's language.
//!
//! All words are in `languages/<code>.toml`; the build finds the files, so a further language is one file. Amounts and
//! days are written by the rules of the Unicode CLDR. A language without a file speaks English.

mod amounts;
mod dates;
mod retelling;
mod words;

pub use amounts::{amount, number, percent};
pub use dates::long_date;
pub use retelling::retold;
pub use words::{Words, languages, words};
