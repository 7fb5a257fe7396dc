//! A pull parser for XML, with limits on everything that the file's author controls.
//!
//! Document types are refused, hence no entities except the five predefined ones and character references (XML 1.0, 4.1
//! and 4.6), and nothing outside of the file is ever loaded.

mod encoding;
mod pull;
mod source;
mod tree;

pub(crate) use self::encoding::{Encoding, encoding};
pub(crate) use self::pull::{Pull, Token};
pub(crate) use self::tree::Element;

#[cfg(test)]
mod tests;
