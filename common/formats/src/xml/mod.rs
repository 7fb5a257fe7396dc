//! XML, pulled piece by piece, with bounds on everything that a stranger chooses.
//!
//! No document type is taken, hence no entities but the five predefined ones and character references
//! (XML 1.0, 4.1 and 4.6), and nothing outside of the file is ever looked up.

mod encoding;
mod pull;
mod source;
mod tree;

pub(crate) use self::encoding::{Encoding, encoding};
pub(crate) use self::pull::{Pull, Token};
pub(crate) use self::tree::Element;

#[cfg(test)]
mod tests;
