//! Interprets a provider's response.

use std::error::Error;

use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy::Error as ClientError;

/// The outcome of an attempt. Reasons contain codes and ids, never an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Accepted by the provider, with the provider's message id.
    Taken(String),
    /// Not accepted; a later attempt may succeed.
    NotTaken(String),
    /// Refused for good.
    Refused(String),
    /// Whether the provider accepted it is unknown.
    Unknown(String),
}

/// The meaning of an error. `final_codes` are those of messages that will never be accepted. A provider's error texts
/// contain the address; its codes do not.
#[must_use]
pub fn of_error<E>(error: &SdkError<E, HttpResponse>, final_codes: &[&str]) -> SendOutcome
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => SendOutcome::Refused("the request cannot be built".to_owned()),
        SdkError::TimeoutError(_) => SendOutcome::Unknown("no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().and_then(Error::source);
            if cause.is_some_and(was_never_connected) {
                SendOutcome::NotTaken("it cannot be reached".to_owned())
            } else {
                SendOutcome::Unknown("the connection broke before the answer".to_owned())
            }
        }
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or("no code");
            let reason = format!("answered {status} {code}");
            match status {
                _ if final_codes.contains(&code) => SendOutcome::Refused(reason),
                // The response does not tell how far the request got.
                500 | 502 | 504 => SendOutcome::Unknown(reason),
                _ => SendOutcome::NotTaken(reason),
            }
        }
        _ => SendOutcome::Unknown("an answer that cannot be read".to_owned()),
    }
}

/// Whether a request failed before any of it was sent.
fn was_never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ClientError>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}
