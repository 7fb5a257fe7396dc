//! One POST to the receiver.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::redirect::Policy;

use crate::signature::Signer;

/// Time to reach the receiver.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the whole exchange. Standard Webhooks asks for 15 to 30 s; a FIFO group waits behind it, so less.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The receiver of webhooks.
#[derive(Clone)]
pub struct Receiver {
    client: reqwest::Client,
    url: String,
    signer: Signer,
}

impl Receiver {
    /// Prepares the connection to `url`.
    ///
    /// # Errors
    /// A sentence, if the TLS set-up fails.
    pub fn new(url: String, signer: Signer) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            // A redirect would carry a signed body to wherever the receiver points.
            .redirect(Policy::none())
            .user_agent("Quittance-Webhooks/1")
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { client, url, signer })
    }

    /// Posts one message.
    ///
    /// # Errors
    /// A sentence, unless the receiver answered 2xx.
    pub async fn deliver(&self, id: &str, body: &str, now: DateTime<Utc>) -> Result<(), String> {
        let timestamp = now.timestamp();
        let answer = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.signer.sign(id, timestamp, body))
            .body(body.to_owned())
            .send()
            .await
            .map_err(|error| format!("webhook {id} was not delivered: {}", without_url(error)))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("webhook {id} was answered {}", answer.status()))
    }
}

/// The URL may carry a token of the receiver's.
fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
}
