//! Errors with their causes, for the place where they are logged or kept as a reason.

use std::error::Error;
use std::fmt;

/// An error with its causes in one line: `the database failed: connection refused`.
///
/// `Display` of an error does not repeat its source; code that logs or stores an error writes the chain.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some libraries print the source in their own text too.
            if !line.ends_with(&text) {
                line = format!("{line}: {text}");
            }
            source = cause.source();
        }
        formatter.write_str(&line)
    }
}

/// The failure of a system that a function depends on: the same request may succeed later.
pub trait DependencyFailure: Error {}

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

    #[derive(Debug, thiserror::Error)]
    #[error("the call failed: {0}")]
    struct Repeating(#[source] std::num::ParseIntError);

    #[test]
    fn a_library_that_prints_its_source_itself_is_not_repeated() {
        let error = Repeating("x".parse::<u8>().unwrap_err());
        assert_eq!(Chain(&error).to_string(), "the call failed: invalid digit found in string");
    }
}
