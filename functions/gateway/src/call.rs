//! One exchange with a gateway's API.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use quittance_lambda::secret::SecretError;
use quittance_lambda::{metrics, secret};
use quittance_outgoing::{ClientError, Timeouts};
use quittance_providers::api::{Access, Call, HttpResponse};
use serde::Deserialize;
use tokio::sync::Mutex;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Timeout of the whole exchange: a card payment may take a bank some seconds. Three exchanges, as a refund may need,
/// stay below the function's own timeout.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// More than any response that is read here.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why a gateway gave no complete response. Contains neither the URL nor the credentials.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// No secret is configured.
    #[error("no API secret of {0} is set")]
    NoSecret(&'static str),
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret is another JSON value than expected.
    #[error("the API secret of {0} is not {{\"key\": …, \"account\": …}}")]
    MalformedSecret(&'static str),
    /// A timeout or a broken connection.
    #[error("{provider} did not answer")]
    NoAnswer {
        provider: &'static str,
        /// The failure.
        source: reqwest::Error,
    },
    /// More bytes than are read.
    #[error("the answer of {0} has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge(&'static str),
}

/// The gateways, with their credentials.
pub struct Gateways {
    aws: SdkConfig,
    client: reqwest::Client,
    secrets: HashMap<&'static str, String>,
    urls: HashMap<&'static str, String>,
    known: Mutex<HashMap<&'static str, Access>>,
}

#[derive(Deserialize)]
struct AccessSecret {
    key: String,
    #[serde(default)]
    account: String,
}

impl Gateways {
    /// Prepares connections. `secrets` are ids in Secrets Manager; `urls` override those of the providers' modules.
    ///
    /// # Errors
    /// [`ClientError`] if the TLS set-up fails.
    pub fn new(
        aws: &SdkConfig,
        secrets: HashMap<&'static str, String>,
        urls: HashMap<&'static str, String>,
    ) -> Result<Self, ClientError> {
        let timeouts = Timeouts { connect: CONNECT_TIMEOUT, total: TOTAL_TIMEOUT };
        let client = quittance_outgoing::client("Quittance/1", timeouts)?;
        Ok(Self { aws: aws.clone(), client, secrets, urls, known: Mutex::default() })
    }

    /// The credentials for a provider.
    ///
    /// # Errors
    /// [`GatewayError`], which does not repeat the secret.
    pub async fn access(&self, provider: &'static str) -> Result<Access, GatewayError> {
        let mut known = self.known.lock().await;
        if let Some(access) = known.get(provider) {
            return Ok(access.clone());
        }
        let id = self.secrets.get(provider).ok_or(GatewayError::NoSecret(provider))?;
        let text = secret::read(&self.aws, id).await?;
        // A JSON parser's error may quote the secret, so it is not passed on.
        let secret: AccessSecret = serde_json::from_str(&text).map_err(|_| GatewayError::MalformedSecret(provider))?;
        let access = Access { key: secret.key, account: secret.account };
        known.insert(provider, access.clone());
        Ok(access)
    }

    /// Makes the call, and counts its outcome.
    ///
    /// # Errors
    /// [`GatewayError`] if there was no complete response: whether the gateway carried out the call is unknown.
    pub async fn make(
        &self,
        provider: &'static str,
        url: &'static str,
        call: Call,
    ) -> Result<HttpResponse, GatewayError> {
        let answer = self.exchange(provider, url, call).await;
        let outcome = outcome(answer.as_ref().ok().map(|answer| answer.status));
        metrics::GATEWAY_CALLS.record([provider, outcome], 1);
        metrics::GATEWAY_FAILURES.record([provider], u32::from(outcome != ANSWERED));
        answer
    }

    async fn exchange(
        &self,
        provider: &'static str,
        url: &'static str,
        call: Call,
    ) -> Result<HttpResponse, GatewayError> {
        let base = self.urls.get(provider).map_or(url, String::as_str).trim_end_matches('/');
        let url = format!("{base}{}", call.path);
        let request = match call.body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let request = call.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let mut answer = request.send().await.map_err(|error| GatewayError::no_answer(provider, error))?;
        let status = answer.status().as_u16();
        if matches!(status, 401 | 403) {
            // The key may have been rotated: the next call reads it again.
            self.known.lock().await.remove(provider);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| GatewayError::no_answer(provider, error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(GatewayError::TooLarge(provider));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status, body })
    }
}

impl std::fmt::Debug for Gateways {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.secrets.keys()).finish()
    }
}

/// A gateway that refuses has still answered.
const ANSWERED: &str = "answered";

/// The outcome of a call, as a dimension of the metric.
fn outcome(status: Option<u16>) -> &'static str {
    match status {
        None => "timeout",
        Some(401 | 403) => "unauthorized",
        Some(429) => "rate_limited",
        Some(500..) => "server_error",
        Some(_) => ANSWERED,
    }
}

impl GatewayError {
    fn no_answer(provider: &'static str, error: reqwest::Error) -> Self {
        Self::NoAnswer { provider, source: error.without_url() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_says_no_has_answered_and_one_that_does_not_say_has_not() {
        for (status, expected) in [
            (Some(200), "answered"),
            (Some(402), "answered"),
            (Some(404), "answered"),
            (Some(401), "unauthorized"),
            (Some(403), "unauthorized"),
            (Some(429), "rate_limited"),
            (Some(500), "server_error"),
            (Some(503), "server_error"),
            (None, "timeout"),
        ] {
            assert_eq!(outcome(status), expected, "{status:?}");
        }
    }
}
