//! The HTTP client for every outgoing call.

use std::time::Duration;

use reqwest::redirect::Policy;

/// The timeouts of a call.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For connecting, including TLS.
    pub connect: Duration,
    /// For the whole exchange, including the response body.
    pub total: Duration,
}

/// The TLS set-up failed.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct ClientError(#[source] reqwest::Error);

/// A client without redirects.
///
/// # Errors
/// [`ClientError`] if the TLS set-up fails.
pub fn client(user_agent: &'static str, timeouts: Timeouts) -> Result<reqwest::Client, ClientError> {
    build(builder(user_agent, timeouts))
}

pub(crate) fn builder(user_agent: &'static str, timeouts: Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .redirect(Policy::none())
        .user_agent(user_agent)
}

pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ClientError> {
    builder.build().map_err(ClientError)
}

/// Why there was no response, without the URL.
#[must_use]
pub fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
