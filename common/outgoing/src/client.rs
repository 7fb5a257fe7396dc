//! The HTTP client that every outgoing call uses.

use std::time::Duration;

use reqwest::redirect::Policy;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To reach the other side, TLS included.
    pub connect: Duration,
    /// For the whole exchange, the answer's body included.
    pub total: Duration,
}

/// A client without redirects.
///
/// # Errors
/// A sentence, if the TLS set-up fails.
pub fn client(user_agent: &'static str, timeouts: Timeouts) -> Result<reqwest::Client, String> {
    build(builder(user_agent, timeouts))
}

pub(crate) fn builder(user_agent: &'static str, timeouts: Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .redirect(Policy::none())
        .user_agent(user_agent)
}

pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| format!("no HTTP client: {error}"))
}

/// Why there was no answer, without the URL.
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
