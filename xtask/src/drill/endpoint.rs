//! An endpoint of the BFF accepts connections and never responds. The working one receives events as usual.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use tiny_http::{Response, Server};

use crate::bff;
use crate::drill::{Drill, now_ms};
use crate::play::api::text;
use crate::users::Role;

/// The working endpoint receives a payment's event within this time; an attempt at the hanging one takes 15 s.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// The number of attempts at the hanging endpoint before anything is done about it.
const ATTEMPTS: u64 = 2;

/// The number of payments whose events both endpoints receive.
const PAYMENTS: usize = 3;

/// A server that keeps its callers waiting until it is repaired.
struct Hanging {
    url: String,
    is_mended: Arc<AtomicBool>,
}

impl Hanging {
    /// Listens on the loopback interface until the process ends.
    fn serve() -> Result<Self> {
        let server =
            Server::http("127.0.0.1:0").map_err(|error| anyhow!("the hanging endpoint can't listen: {error}"))?;
        let address = server.server_addr().to_ip().context("it listens on a port")?;
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&is_mended);
        thread::spawn(move || {
            let mut kept_waiting = Vec::new();
            for request in server.incoming_requests() {
                if mended.load(Ordering::Relaxed) {
                    // A caller that has disconnected needs no response.
                    let _ = request.respond(Response::empty(204));
                } else {
                    kept_waiting.push(request);
                }
            }
        });
        Ok(Self { url: format!("http://{address}/webhooks"), is_mended })
    }
}

impl Drill {
    pub(super) fn hang_an_endpoint(&mut self) -> Result<()> {
        self.transcript.part("An endpoint of the BFF hangs")?;
        // A new endpoint does not receive earlier events.
        self.wait("all deliveries so far to finish", || Ok(self.is_at_rest()?.then_some(())))?;
        let (hanging, bff) = (Hanging::serve()?, self.stack.token(&Role::Bff)?);
        let register = json!({"url": hanging.url, "event_types": ["invoice.paid"]});
        let registered = self.api.post_as(&bff, "/v1/webhook-endpoints", &register)?.expect(201, "registering")?;
        let path = format!("/v1/webhook-endpoints/{}", text(&registered, "/id")?);
        self.narrate("a second endpoint is registered; it accepts connections and never answers")?;
        let (began, began_ms) = (registered_at(), now_ms());
        let slowest = self.pay_and_time()?;
        let rule = "endpoint: the working one receives events within 30 s";
        self.check(rule, slowest <= TOLD_WITHIN, format!("the slowest after {} s", slowest.as_secs()))?;
        let what = format!("{ATTEMPTS} attempts at the hanging endpoint");
        let pending = self.wait(&what, || {
            let pending = self.deliveries(&bff, &path, "pending")?;
            let tried = |one: &Value| one.get("attempts").and_then(Value::as_u64).unwrap_or_default() >= ATTEMPTS;
            Ok((pending.len() == PAYMENTS && pending.iter().all(tried)).then_some(pending))
        })?;
        let later = pending.iter().filter_map(|one| one.get("next_attempt_at")?.as_str()).max().unwrap_or("never");
        let seen =
            format!("{} pending after at least {ATTEMPTS} attempts each; latest next attempt: {later}", pending.len());
        self.check("endpoint: deliveries to the hanging one are retried later", later != "never", seen)?;
        self.sound("endpoint", began_ms, &[])?;
        hanging.is_mended.store(true, Ordering::Relaxed);
        self.api.post_as(&bff, &format!("{path}/replay"), &json!({"from": began}))?.expect(200, "replaying")?;
        self.narrate("the endpoint is fixed, and `POST …/replay` resends what it missed")?;
        self.wait("the fixed endpoint to receive its events", || {
            Ok((self.deliveries(&bff, &path, "delivered")?.len() == PAYMENTS).then_some(()))
        })?;
        self.check("endpoint: once fixed, it receives all that it missed", true, format!("{PAYMENTS} delivered"))?;
        self.api.delete_as(&bff, &path)?.expect(200, "removing an endpoint").map(drop)
    }

    /// Pays invoices; returns how long the working endpoint waited for the slowest event.
    fn pay_and_time(&mut self) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for number in 0..PAYMENTS {
            let (invoice, _) = self.scene.bill(&self.api, "Consulting", 100)?;
            let reported = json!({"amount": {"value": "100.00", "currency": "EUR"}, "invoice_id": invoice});
            let path = format!("/v1/payments/manual:drill-webhook-{}-{number}/confirmation", self.scene.run);
            let begin = Instant::now();
            self.api.post_as(&self.api.gateway, &path, &reported)?.expect(202, "confirming a payment")?;
            let is_of = |delivery: &bff::Delivery| delivery.status == 204 && delivery.body.contains(&invoice);
            self.wait("the working endpoint to receive the event", || {
                Ok(self.stack.deliveries()?.iter().any(is_of).then_some(()))
            })?;
            slowest = slowest.max(begin.elapsed());
        }
        self.narrate(&format!("{PAYMENTS} invoices were paid"))?;
        Ok(slowest)
    }

    fn deliveries(&self, token: &str, path: &str, state: &str) -> Result<Vec<Value>> {
        let answer = self.api.get_as(token, &format!("{path}/deliveries?state={state}"))?;
        let listed = answer.expect(200, "listing deliveries")?;
        Ok(listed.get("deliveries").and_then(Value::as_array).cloned().unwrap_or_default())
    }
}

/// A time before the first event that the endpoint receives.
fn registered_at() -> String {
    (chrono::Utc::now() - chrono::TimeDelta::minutes(1)).to_rfc3339()
}
