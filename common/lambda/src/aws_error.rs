//! Failed calls to AWS services.

use std::error::Error;

/// A failed call to an AWS service.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct AwsError {
    call: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl AwsError {
    /// The failure of a call such as `SendMessage`.
    pub fn new(call: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { call, source: error.into() }
    }
}
