//! One exchange with a gateway's API.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use quittance_lambda::{metrics, secret};
use quittance_outgoing::Timeouts;
use quittance_providers::api::{Access, Call, HttpResponse};
use serde::Deserialize;
use tokio::sync::Mutex;

/// Time to reach the gateway.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for the whole exchange: a card payment may take a bank some seconds. Three exchanges, as a refund may need, stay
/// below the function's own limit.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// More than any answer that is read here.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The gateways, with what lets us in.
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
    /// Prepares connections. `secrets` are ids in Secrets Manager, `urls` stand in for those of the providers' modules.
    ///
    /// # Errors
    /// A sentence, if the TLS set-up fails.
    pub fn new(
        aws: &SdkConfig,
        secrets: HashMap<&'static str, String>,
        urls: HashMap<&'static str, String>,
    ) -> Result<Self, String> {
        let timeouts = Timeouts { connect: CONNECT_TIMEOUT, total: TOTAL_TIMEOUT };
        let client = quittance_outgoing::client("Quittance/1", timeouts)?;
        Ok(Self { aws: aws.clone(), client, secrets, urls, known: Mutex::default() })
    }

    /// What lets us in at a provider.
    ///
    /// # Errors
    /// A sentence that does not repeat the secret.
    pub async fn access(&self, provider: &'static str) -> Result<Access, String> {
        let mut known = self.known.lock().await;
        if let Some(access) = known.get(provider) {
            return Ok(access.clone());
        }
        let id = self.secrets.get(provider).ok_or_else(|| format!("no API secret of {provider} is set"))?;
        let text = secret::read(&self.aws, id).await?;
        // The error of a JSON parser may quote the secret, so it is not passed on.
        let secret: AccessSecret = serde_json::from_str(&text)
            .map_err(|_| format!("the API secret of {provider} is not {{\"key\": …, \"account\": …}}"))?;
        let access = Access { key: secret.key, account: secret.account };
        known.insert(provider, access.clone());
        Ok(access)
    }

    /// Makes the call, and counts what came of it.
    ///
    /// # Errors
    /// A sentence, if there was no whole answer: whether the gateway did what was asked is not known.
    pub async fn make(&self, provider: &'static str, url: &'static str, call: Call) -> Result<HttpResponse, String> {
        let answer = self.exchange(provider, url, call).await;
        let outcome = outcome(answer.as_ref().ok().map(|answer| answer.status));
        metrics::GATEWAY_CALLS.record([provider, outcome], 1);
        metrics::GATEWAY_FAILURES.record([provider], u32::from(outcome != ANSWERED));
        answer
    }

    async fn exchange(&self, provider: &'static str, url: &'static str, call: Call) -> Result<HttpResponse, String> {
        let base = self.urls.get(provider).map_or(url, String::as_str).trim_end_matches('/');
        let url = format!("{base}{}", call.path);
        let request = match call.body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let request = call.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let mut answer = request.send().await.map_err(|error| without_url(provider, error))?;
        let status = answer.status().as_u16();
        if matches!(status, 401 | 403) {
            // The key may have been changed: the next call reads it again.
            self.known.lock().await.remove(provider);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| without_url(provider, error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer of {provider} has more than {ANSWER_BYTES_MAX} bytes"));
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

/// A gateway that says no has answered all the same.
const ANSWERED: &str = "answered";

/// What came of a call, in the words of the metric.
fn outcome(status: Option<u16>) -> &'static str {
    match status {
        None => "timeout",
        Some(401 | 403) => "unauthorized",
        Some(429) => "rate_limited",
        Some(500..) => "server_error",
        Some(_) => ANSWERED,
    }
}

fn without_url(provider: &str, error: reqwest::Error) -> String {
    format!("{provider} did not answer: {}", quittance_outgoing::reason(error))
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
