//! Errors that a function returns to the Lambda runtime.

use std::error::Error;

use quittance_domain::error::Chain;

/// An error for the Lambda runtime, which reports `Display` and logs `Debug`: the whole chain as text. `Debug` of an
/// AWS error may print a response with a secret.
pub fn for_runtime(error: impl Error) -> lambda_runtime::Error {
    Chain(&error).to_string().into()
}
