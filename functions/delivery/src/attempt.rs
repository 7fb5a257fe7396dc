//! Sends one POST to a webhook endpoint, and interprets the response.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use quittance_deliveries::Delivery;
use quittance_lambda::trace::{self, TraceContext};
use quittance_outgoing::{ClientError, OutgoingTarget, Sender, Targets, Timeouts};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::signature::{Signer, signatures};

/// Timeouts of the connection and of the whole exchange: Standard Webhooks recommends 15 to 30 s.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(15) };

/// The maximum duration of an attempt.
pub const ATTEMPT_MAX: Duration = TIMEOUTS.total;

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// 2xx: delivered. The response body is irrelevant and not read.
    Taken(u16),
    /// 410: the endpoint asks for no more events.
    Gone,
    /// Anything else, including redirects.
    Refused {
        /// The status, if there was a response.
        status: Option<u16>,
        /// The reason, without the URL and the response body.
        reason: String,
        /// The pause that the endpoint requests.
        pause: Option<TimeDelta>,
    },
}

/// The HTTP client for webhooks.
#[derive(Debug, Clone)]
pub struct Receivers {
    sender: Sender,
    targets: Targets,
}

impl Receivers {
    /// A client that only calls permitted addresses.
    ///
    /// # Errors
    /// [`ClientError`] if the TLS set-up fails.
    pub fn new(targets: Targets) -> Result<Self, ClientError> {
        Ok(Self { sender: Sender::new("Quittance-Webhooks/1", TIMEOUTS, targets)?, targets })
    }

    /// Posts a delivery, signed for this attempt.
    pub async fn post(
        &self,
        url: &str,
        delivery: &Delivery,
        signers: &[Signer],
        now: DateTime<Utc>,
    ) -> DeliveryOutcome {
        let refused = |status: Option<u16>, reason: String| DeliveryOutcome::Refused { status, reason, pause: None };
        // The permitted addresses may have changed since the endpoint was registered.
        let target = match OutgoingTarget::parse(url, self.targets) {
            Ok(target) => target,
            Err(error) => return refused(None, format!("the URL {error}")),
        };
        let (id, timestamp) = (delivery.event_key.id().to_string(), now.timestamp());
        let trace = serde_json::from_str::<Traced>(&delivery.body).ok().and_then(|body| body.traceparent);
        let request = self
            .sender
            .post(&target)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signatures(signers, &id, timestamp, &delivery.body))
            .body(delivery.body.clone());
        let trace = trace.and_then(|trace| trace.parse::<TraceContext>().ok());
        let request =
            trace.into_iter().fold(request, |request, trace| request.header(trace::HEADER, trace.to_string()));
        match request.send().await {
            Ok(answer) => read(answer.status(), answer.headers(), now),
            Err(error) => refused(None, quittance_outgoing::reason(error)),
        }
    }
}

/// The part of a body that has its trace.
#[derive(Deserialize)]
struct Traced {
    traceparent: Option<String>,
}

/// Interprets a response.
fn read(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> DeliveryOutcome {
    if status.is_success() {
        return DeliveryOutcome::Taken(status.as_u16());
    }
    if status == StatusCode::GONE {
        return DeliveryOutcome::Gone;
    }
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = headers.get(RETRY_AFTER).filter(|_| asks).and_then(|value| value.to_str().ok());
    let reason = format!("answered {}", status.as_u16());
    DeliveryOutcome::Refused {
        status: Some(status.as_u16()),
        reason,
        pause: header.and_then(|text| retry_after(text, now)),
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = text.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(TimeDelta::seconds(seconds.into())),
        Err(_) => DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc) - now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: &str) -> DeliveryOutcome {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        read(StatusCode::from_u16(status).unwrap(), &headers, "2026-11-02T12:00:00Z".parse().unwrap())
    }

    fn pause(status: u16, retry_after: &str) -> Option<i64> {
        match answer(status, retry_after) {
            DeliveryOutcome::Refused { pause, .. } => pause.map(|pause| pause.num_seconds()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_2xx_is_taken_and_only_410_is_gone() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answer(status, "1"), DeliveryOutcome::Taken(status));
        }
        assert_eq!(answer(410, "1"), DeliveryOutcome::Gone);
        for status in [301, 302, 304, 307, 308, 400, 401, 404, 408, 413, 429, 500, 503] {
            assert!(
                matches!(answer(status, "1"), DeliveryOutcome::Refused { status: Some(told), .. } if told == status)
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(pause(429, "120"), Some(120));
        assert_eq!(pause(503, "Mon, 02 Nov 2026 13:00:00 GMT"), Some(3_600));
        assert_eq!(pause(429, "Mon, 02 Nov 2026 11:00:00 GMT"), Some(-3_600), "a pause that is over");
        for odd in ["", "soon", "-1", "99999999999999", "1.5"] {
            assert_eq!(pause(429, odd), None, "{odd}");
        }
        assert_eq!(pause(500, "120"), None, "it is not asked for");
    }
}
