//! Measures the validator's response times: its release build behind a Runtime API, with its neighbours answered
//! immediately.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::bench::http::{Answer, Request, Response, Server};
use crate::bench::invocations::Invocations;
use crate::bench::processor::{build, environment};
use crate::process::clean_command;
use crate::{paths, say, wait};

const SECRET: &str = "whsec_bench";

/// The number of requests that are not measured: connections are opened, caches fill.
const WARM_UP: u32 = 100;

/// A process that has not asked for work, or not responded, for this long never will.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A gateway's webhook: verified, then sent to SQS.
    Webhook,
    /// A machine's confirmation: counted, its key claimed, sent to SQS, its key completed.
    Confirmation,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Webhook, Self::Confirmation];

    const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Confirmation => "confirmation",
        }
    }

    /// The request as API Gateway passes it on, with an id of its own.
    fn event(self, root: &Path, number: u32) -> Result<String> {
        let sample = match self {
            Self::Webhook => "stripe_webhook",
            Self::Confirmation => "confirmation",
        };
        let file = root.join("events/validator").join(sample).with_extension("json");
        let text = fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
        let mut event: Value = serde_json::from_str(&text)?;
        let body = event.get("body").and_then(Value::as_str).context("a sample has no body")?;
        let body = body.replace("evt_3SP0", &format!("evt_{number}"));
        let headers = event.get_mut("headers").and_then(Value::as_object_mut).context("a sample has no headers")?;
        match self {
            Self::Webhook => headers.insert("stripe-signature".to_owned(), json!(signature(&body)?)),
            Self::Confirmation => headers.insert("idempotency-key".to_owned(), json!(format!("bench-{number}"))),
        };
        let members = event.as_object_mut().context("a sample is not an object")?;
        members.insert("body".to_owned(), json!(body));
        Ok(event.to_string())
    }

    const fn status(self) -> u16 {
        match self {
            Self::Webhook => 200,
            Self::Confirmation => 202,
        }
    }
}

fn signature(body: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(format!("{now}.{body}"));
    Ok(format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes())))
}

/// The parts of Secrets Manager, DynamoDB and SQS that the validator uses.
struct Neighbours;

impl Answer for Neighbours {
    fn answer(&self, request: &Request) -> Option<Response> {
        let target = request.header("x-amz-target").unwrap_or_default();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let answer = match target.rsplit('.').next().unwrap_or_default() {
            "GetSecretValue" => json!({"ARN": "arn", "Name": "bench", "SecretString": SECRET}),
            "UpdateItem" => json!({"Attributes": {"requests": {"N": "1"}}}),
            "SendMessageBatch" => {
                let entries = body.get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
                let taken = |entry: &Value| json!({"Id": entry.get("Id"), "MessageId": "m", "MD5OfMessageBody": "d"});
                json!({"Successful": entries.iter().map(taken).collect::<Vec<_>>(), "Failed": []})
            }
            _ => json!({}),
        };
        let headers = vec![("content-type", "application/x-amz-json-1.0".to_owned())];
        Some(Response { status: 200, headers, body: answer.to_string() })
    }
}

/// A process of the validator; it ends with this value.
struct EntryPoint {
    child: Child,
    runtime: Arc<Invocations>,
    started_in: Duration,
    _servers: (Server, Server),
}

impl EntryPoint {
    /// Starts a process and waits until it asks for its first request.
    fn open(binary: &Path, folder: &Path) -> Result<Self> {
        let runtime = Arc::new(Invocations::of("validator", LIMIT));
        let servers = (Server::start(Arc::clone(&runtime))?, Server::start(Arc::new(Neighbours))?);
        fs::create_dir_all(folder)?;
        let log = folder.join("validator.log");
        let output = File::create(&log).with_context(|| format!("could not write {}", log.display()))?;
        let begin = Instant::now();
        let child = clean_command(binary)
            .envs(environment("validator", 0, servers.0.address, servers.1.address))
            .envs(settings())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let mut entry_point = Self { child, runtime, started_in: Duration::ZERO, _servers: servers };
        if !entry_point.runtime.is_asked() {
            bail!("the validator asked for no request{}", wait::log_tail(&log));
        }
        entry_point.started_in = begin.elapsed();
        Ok(entry_point)
    }

    fn measure(&self, root: &Path, kind: Kind, requests: u32) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        for number in 0..WARM_UP.saturating_add(requests) {
            let event = kind.event(root, number)?;
            let begin = Instant::now();
            let answer = self.runtime.ask(event).context("the validator did not answer")?;
            let elapsed = begin.elapsed();
            let answer: Value = serde_json::from_slice(&answer).context("the validator's response is not JSON")?;
            if answer.get("statusCode") != Some(&json!(kind.status())) {
                bail!("a {} was answered {answer}", kind.name());
            }
            if number >= WARM_UP {
                took.push(elapsed);
            }
        }
        Ok(took)
    }
}

impl Drop for EntryPoint {
    fn drop(&mut self) {
        self.runtime.end();
        // Both only fail if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The validator's settings in the template; no request here needs the database.
fn settings() -> Vec<(&'static str, String)> {
    let settings = [
        ("DATABASE_HOST", "127.0.0.1"),
        ("DATABASE_PORT", "1"),
        ("DATABASE_NAME", "none"),
        ("DATABASE_ROLE", "quittance_validator"),
        ("DATABASE_TLS", "disable"),
        ("DATABASE_LOGIN", "bench"),
        ("IDEMPOTENCY_TABLE", "keys"),
        ("REQUEST_GUARD_TABLE", "door"),
        ("CALLER_REQUESTS_PER_MINUTE_MAX", "4000000000"),
        ("CALLER_PAYMENTS_PER_MINUTE_MAX", "4000000000"),
        ("PAYMENTS_QUEUE_URL", "http://127.0.0.1/123456789012/payments.fifo"),
        ("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/123456789012/validator-dead-letter"),
        ("STRIPE_WEBHOOK_SECRET_ARN", "stripe"),
    ];
    settings.map(|(name, value)| (name, value.to_owned())).into()
}

/// The validator's figures.
#[derive(Debug)]
pub struct ValidatorReport {
    starts: Vec<Duration>,
    requests: Vec<(Kind, Vec<Duration>)>,
}

/// Measures the validator.
///
/// # Errors
/// When it does not build, start or respond as expected.
pub fn validator(requests: u32, starts: u32) -> Result<ValidatorReport> {
    let root = paths::workspace_root();
    let binary = build(&root, "validator")?;
    let folder = root.join("target/local/bench/validator");
    let mut started = Vec::new();
    say::step(&format!("{starts} starts"));
    for _ in 0..starts {
        started.push(EntryPoint::open(&binary, &folder)?.started_in);
    }
    let entry_point = EntryPoint::open(&binary, &folder)?;
    let mut measured = Vec::new();
    for kind in Kind::ALL {
        say::step(&format!("{requests} times: {}", kind.name()));
        let mut took = entry_point.measure(&root, kind, requests)?;
        took.sort_unstable();
        measured.push((kind, took));
    }
    started.sort_unstable();
    Ok(ValidatorReport { starts: started, requests: measured })
}

/// The duration that is not exceeded by this percentage of the sorted ones.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = sorted.len().saturating_sub(1).saturating_mul(percent).checked_div(100).unwrap_or_default();
    sorted.get(place).copied().unwrap_or_default()
}

impl ValidatorReport {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |name: &str, sorted: &[Duration]| {
            let [p50, p99] = [50, 99].map(|percent| percentile(sorted, percent).as_micros());
            format!("{name:<14} {:>8} {p50:>10} us {p99:>10} us\n", sorted.len())
        };
        let mut text = format!("{:<14} {:>8} {:>13} {:>13}\n", "", "count", "p50", "p99");
        text.push_str(&line("start", &self.starts));
        for (kind, took) in &self.requests {
            text.push_str(&line(kind.name(), took));
        }
        text
    }

    /// For scripts; in microseconds.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures = |sorted: &[Duration]| {
            let [p50, p99] = [50, 99].map(|percent| u64::try_from(percentile(sorted, percent).as_micros()).ok());
            json!({"count": sorted.len(), "p50_us": p50, "p99_us": p99})
        };
        let mut members = serde_json::Map::from_iter([("start".to_owned(), figures(&self.starts))]);
        members.extend(self.requests.iter().map(|(kind, took)| (kind.name().to_owned(), figures(took))));
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_are_below_p50_and_the_slowest_of_a_hundred_is_above_p99() {
        let sorted: Vec<Duration> = (1..=101).map(Duration::from_millis).collect();
        assert_eq!([50, 99].map(|percent| percentile(&sorted, percent).as_millis()), [51, 100]);
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
