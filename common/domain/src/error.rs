//! Errors with their causes, for the place where they are logged or kept as a reason.

use std::error::Error;
use std::fmt;

/// An error with its causes in one line: `the database failed: connection refused`.
///
/// `Display` of an error does not repeat its source, so whoever logs or stores an error writes the chain.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file cannot be read")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn a_chain_names_each_cause_once() {
        let error = Outer("x".parse::<u8>().unwrap_err());
        assert_eq!(Chain(&error).to_string(), "the file cannot be read: invalid digit found in string");
    }
}
