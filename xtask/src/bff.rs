//! A fake of the platform's BFF: it receives the outgoing webhooks of a local stack and keeps them for inspection.
//!
//! `POST /webhooks` is stored as one line of JSON and answered with 204. `GET /deliveries` returns all that were
//! received. `POST /answer {"status":503,"times":2}` makes the next two webhooks fail, for tests of retries; they are
//! stored too, with the status that was returned. The same process serves as a fake of gateways ([`sandbox`]).

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::{
    aws::local_agent,
    sandbox::{self, Sandbox, SandboxRequest},
    stack::Stack,
    users::Role,
};

/// The largest webhook that is accepted; events are far smaller.
const BODY_MAX_BYTES: u64 = 1024 * 1024;

/// The events that the BFF subscribes to.
const EVENT_TYPES: [&str; 11] = [
    "invoice.paid",
    "invoice.partially_paid",
    "invoice.reopened",
    "payment.surplus_recorded",
    "payment.surplus_reduced",
    "payment.contradiction_found",
    "payment.refund_refused",
    "payment.refunded",
    "payment.refund_failed",
    "payment.disputed",
    "payment.dispute_closed",
];

/// A received webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When it was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// The status that was returned.
    pub status: u16,
    /// The header `webhook-id`: the event's id, the same at every attempt.
    pub webhook_id: String,
    /// The header `webhook-timestamp`: seconds since 1970 of the attempt.
    pub webhook_timestamp: String,
    /// The header `webhook-signature`.
    pub webhook_signature: String,
    /// The body, byte for byte as it was signed (UTF-8).
    pub body: String,
}

/// The response to the next webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub status: u16,
    /// The number of webhooks.
    pub times: u32,
}

struct Receiver {
    store: PathBuf,
    refusal: Refusal,
    sandbox: Sandbox,
}

/// Serves on `port` of the loopback interface until the process ends.
///
/// # Errors
/// When the port is in use or the store can't be written.
pub fn serve(port: u16, store: &Path) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = Server::http(address).map_err(|error| anyhow!("could not listen on {address}: {error}"))?;
    let mut receiver =
        Receiver { store: store.to_path_buf(), refusal: Refusal { status: 204, times: 0 }, sandbox: Sandbox::new() };
    eprintln!("listening on {address}");
    for mut request in server.incoming_requests() {
        let response = receiver.handle(&mut request).unwrap_or_else(|error| {
            eprintln!("{} {}: {error:#}", request.method(), request.url());
            (500, format!("{error:#}").into_bytes())
        });
        let (status, body) = response;
        let mut response = Response::from_data(body).with_status_code(status);
        if let Ok(header) = Header::from_bytes("content-type", "application/json") {
            response.add_header(header);
        }
        if let Err(error) = request.respond(response) {
            eprintln!("the caller disconnected: {error}");
        }
    }
    Ok(())
}

impl Receiver {
    fn handle(&mut self, request: &mut Request) -> Result<(u16, Vec<u8>)> {
        if let Some(path) = request.url().strip_prefix(sandbox::PATH) {
            let path = path.trim_start_matches('/').to_owned();
            let (method, idempotency_key) = (request.method().to_string(), header(request, "idempotency-key"));
            let body = String::from_utf8(body(request)?).context("the request is not UTF-8")?;
            return self.sandbox.handle(SandboxRequest { method, path, idempotency_key, body });
        }
        match (request.method(), request.url()) {
            (Method::Post, "/webhooks") => Ok((self.receive(request)?, Vec::new())),
            (Method::Post, "/answer") => {
                self.refusal = serde_json::from_slice(&body(request)?).context("not {\"status\":…,\"times\":…}")?;
                Ok((204, Vec::new()))
            }
            (Method::Get, "/deliveries") => Ok((200, serde_json::to_vec(&stored(&self.store)?)?)),
            (Method::Get, "/health") => Ok((200, b"{}".to_vec())),
            _ => Ok((404, b"{}".to_vec())),
        }
    }

    fn receive(&mut self, request: &mut Request) -> Result<u16> {
        let status = self.refusal.next_status();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let mut delivery = Delivery {
            received_ms: u64::try_from(now.as_millis())?,
            status,
            webhook_id: header(request, "webhook-id"),
            webhook_timestamp: header(request, "webhook-timestamp"),
            webhook_signature: header(request, "webhook-signature"),
            body: String::new(),
        };
        delivery.body = String::from_utf8(body(request)?).context("the webhook is not UTF-8")?;
        let mut line = serde_json::to_vec(&delivery)?;
        line.push(b'\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.store)
            .and_then(|mut file| file.write_all(&line))
            .with_context(|| format!("could not write {}", self.store.display()))?;
        Ok(status)
    }
}

impl Refusal {
    /// The status for the webhook that was just received.
    fn next_status(&mut self) -> u16 {
        if self.times == 0 {
            return 204;
        }
        self.times -= 1;
        self.status
    }
}

fn header(request: &Request, name: &str) -> String {
    let found = request.headers().iter().find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name));
    found.map(|header| header.value.as_str().to_owned()).unwrap_or_default()
}

fn body(request: &mut Request) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    request.as_reader().take(BODY_MAX_BYTES).read_to_end(&mut body).context("the body is incomplete")?;
    Ok(body)
}

fn stored(store: &Path) -> Result<Vec<Delivery>> {
    let text = match fs::read_to_string(store) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("could not read {}", store.display()))?,
    };
    text.lines().map(|line| serde_json::from_str(line).context("a stored delivery cannot be parsed")).collect()
}

impl Stack {
    /// All webhooks that the BFF received, including refused ones, in order.
    ///
    /// # Errors
    /// When the BFF does not answer.
    pub fn deliveries(&self) -> Result<Vec<Delivery>> {
        let url = format!("{}/deliveries", self.bff_url()?);
        let mut answer = agent().get(&url).call().with_context(|| format!("could not reach {url}"))?;
        answer.body_mut().read_json().with_context(|| format!("{url} did not return a list of deliveries"))
    }

    /// Registers the BFF's webhook endpoint, once for each stack, and returns its signing secret.
    ///
    /// # Errors
    /// When the API refuses or does not answer.
    pub fn register_bff(&self) -> Result<String> {
        let authorization = format!("Bearer {}", self.token(&Role::Bff)?);
        let mut answer = agent()
            .post(format!("{}/v1/webhook-endpoints", self.api_url()?))
            .header("authorization", authorization)
            // The same key returns the same response.
            .header("idempotency-key", "the-stacks-bff")
            .send_json(json!({"url": self.webhook_url()?, "event_types": EVENT_TYPES}))
            .context("the API did not answer")?;
        let status = answer.status();
        let shown: Value = answer.body_mut().read_json().context("the API did not return JSON")?;
        let secret = shown.get("secret").and_then(Value::as_str);
        secret.map(ToOwned::to_owned).ok_or_else(|| anyhow!("the endpoint was not registered ({status}): {shown}"))
    }

    /// Makes the BFF refuse the next webhooks.
    ///
    /// # Errors
    /// When the BFF does not answer.
    pub fn refuse_deliveries(&self, refusal: Refusal) -> Result<()> {
        let url = format!("{}/answer", self.bff_url()?);
        agent().post(&url).send_json(refusal).with_context(|| format!("could not reach {url}"))?;
        Ok(())
    }
}

fn agent() -> ureq::Agent {
    local_agent(std::time::Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use std::{env, thread};

    use super::*;
    use crate::ports;

    #[test]
    fn webhooks_are_stored_or_refused_as_configured() {
        let store = env::temp_dir().join(format!("quittance-bff-test-{}.jsonl", std::process::id()));
        let _ = fs::remove_file(&store);
        let port = ports::any_free().unwrap();
        let served = store.clone();
        thread::spawn(move || serve(port, &served));
        let mut stack = Stack::new("x", Path::new("/x"), String::new());
        stack.ports.insert("bff".to_owned(), port);
        crate::wait::until("the BFF", std::time::Duration::from_secs(5), &[], || Ok(stack.deliveries().ok())).unwrap();

        stack.refuse_deliveries(Refusal { status: 503, times: 1 }).unwrap();
        let send = |body: &str| {
            agent()
                .post(stack.webhook_url().unwrap())
                .header("Webhook-Id", "evt_1")
                .header("webhook-signature", "v1,abc")
                .send(body)
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!((send("{\"a\": 1}"), send("{\"a\": 1}")), (503, 204));
        let deliveries = stack.deliveries().unwrap();
        assert_eq!(deliveries.iter().map(|delivery| delivery.status).collect::<Vec<_>>(), [503, 204]);
        assert_eq!(deliveries[1].webhook_id, "evt_1");
        assert_eq!(deliveries[1].webhook_signature, "v1,abc");
        assert_eq!(deliveries[1].body, "{\"a\": 1}");
        fs::remove_file(&store).unwrap();
    }
}
