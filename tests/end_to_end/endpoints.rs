//! Webhook endpoints through the API, with deliveries by the stack's own functions.

use std::env;
use std::thread;

use serde_json::{Value, json};
use uuid::Uuid;
use xtask::bff::{self, Delivery, Refusal};
use xtask::stack::Stack;
use xtask::{ports, wait};

use super::demonstration::{assert_is_signed, is_signed};
use super::{Answer, LIMIT, Scene, fresh, issue, scene, send, until};

/// A receiver of the test's own, registered with the stack.
struct Registered {
    scene: &'static Scene,
    receiver: Stack,
    id: String,
    secret: String,
    event_type: &'static str,
}

impl Registered {
    fn begin() -> Self {
        Self::for_events("invoice.issued")
    }

    fn for_events(event_type: &'static str) -> Self {
        let scene = scene();
        let store = env::temp_dir().join(format!("quittance-endpoint-{}.jsonl", Uuid::now_v7()));
        let port = ports::any_free().unwrap();
        thread::spawn(move || bff::serve(port, &store));
        let mut receiver = Stack::new("receiver", &env::temp_dir(), String::new());
        receiver.ports.insert("bff".to_owned(), port);
        wait::until("the receiver", LIMIT, &[], || Ok(receiver.deliveries().ok())).unwrap();
        let (key, url) = (fresh("key"), receiver.webhook_url().unwrap());
        let body = json!({"url": url, "event_types": [event_type]}).to_string();
        let first = scene.post_keyed(&scene.bff, "/v1/webhook-endpoints", &key, &body);
        assert_eq!(first.status, 201, "{}", first.body);
        let again = scene.post_keyed(&scene.bff, "/v1/webhook-endpoints", &key, &body);
        assert_eq!((again.status, again.json()["secret"].clone()), (201, first.json()["secret"].clone()));
        let text = |name: &str| first.json()[name].as_str().unwrap().to_owned();
        Self { scene, receiver, id: text("id"), secret: text("secret"), event_type }
    }

    fn post(&self, action: &str, body: &Value) -> Answer {
        self.scene.post(&self.scene.bff, &format!("/v1/webhook-endpoints/{}/{action}", self.id), body)
    }

    /// Issues an invoice, and voids it if the receiver subscribes to that; waits for the delivery.
    fn tell(&self) -> Delivery {
        let invoice = issue(&self.scene.stack, &self.scene.finance, &self.scene.own.id);
        let id = invoice["id"].as_str().unwrap();
        if self.event_type == "invoice.voided" {
            let voided = self.scene.post(&self.scene.finance, &format!("/v1/invoices/{id}/void"), &json!({}));
            assert_eq!(voided.status, 200, "{}", voided.body);
        }
        until("the webhook", || self.told_of(id).pop())
    }

    fn told_of(&self, subject: &str) -> Vec<Delivery> {
        let reported = self.receiver.deliveries().unwrap();
        reported.into_iter().filter(|delivery| delivery.body.contains(subject) && delivery.status == 204).collect()
    }

    fn deliveries(&self, query: &str) -> Vec<Value> {
        let path = format!("/v1/webhook-endpoints/{}/deliveries{query}", self.id);
        let answer = self.scene.get(&self.scene.bff, &path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["deliveries"].as_array().unwrap().clone()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let authorization = format!("Bearer {}", self.scene.bff);
        let path = format!("/v1/webhook-endpoints/{}", self.id);
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", &fresh("key"))];
        let answer = send(&self.scene.stack, "DELETE", &path, &headers, "");
        if !thread::panicking() {
            assert_eq!((answer.status, answer.json()["status"].clone()), (200, json!("deleted")), "{}", answer.body);
        }
    }
}

#[test]
fn an_endpoint_receives_signed_events_of_its_filter_with_the_invoice_as_the_api_shows_it() {
    let registered = Registered::begin();
    let delivery = registered.tell();
    assert_is_signed(&delivery, &registered.secret);
    let body: Value = serde_json::from_str(&delivery.body).unwrap();
    assert_eq!((&body["type"], &body["id"]), (&json!("invoice.issued"), &json!(delivery.webhook_id)));
    assert_eq!((&body["timestamp"], &body["subjectsequence"]), (&body["time"], &json!(1)));
    let path = format!("/v1/invoices/{}", body["subject"].as_str().unwrap());
    let mut shown = registered.scene.get(&registered.scene.bff, &path).json();
    shown.as_object_mut().unwrap().remove("lines");
    assert_eq!(body["data"]["invoice"], shown);
    let kept = until("the delivery to be noted", || {
        // It also receives the events of other tests' invoices.
        let mut delivered = registered.deliveries("?state=delivered").into_iter();
        delivered.find(|kept| kept["webhook_id"] == json!(delivery.webhook_id))
    });
    assert_eq!((&kept["attempts"], &kept["last_attempt"]["status"]), (&json!(1), &json!(204)));
}

#[test]
fn while_a_secret_is_changed_both_sign_and_a_revoked_one_no_more() {
    let registered = Registered::begin();
    let rotated = registered.post("rotate-secret", &json!({}));
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    assert_ne!(second, registered.secret);
    let delivery = registered.tell();
    assert_is_signed(&delivery, &registered.secret);
    assert_is_signed(&delivery, &second);
    registered.post("rotate-secret", &json!({})).assert_problem(409, "conflict");
    let revoked = registered.post("rotate-secret", &json!({"revoke": true}));
    let third = revoked.json()["secret"].as_str().unwrap().to_owned();
    let delivery = registered.tell();
    assert_is_signed(&delivery, &third);
    assert!(!is_signed(&delivery, &registered.secret) && !is_signed(&delivery, &second));
    let secrets = [&registered.secret, &second, &third];
    for kept in ["billing.requests", "audit.records", "billing.webhook_endpoints", "payments.outbox"] {
        let query = format!("select count(*) from {kept} kept where position($1 in kept::text) > 0");
        for secret in secrets {
            assert_eq!(registered.scene.count(&query, secret), 0, "a secret stands in {kept}");
        }
    }
    let lines = registered.scene.all_logs();
    assert!(lines.iter().all(|line| !secrets.iter().any(|secret| line.contains(*secret))), "a secret stands in a log");
}

#[test]
fn a_webhook_that_is_not_accepted_is_retried_and_delivered_ones_are_replayed_on_demand() {
    // No other test voids an invoice: refused deliveries are this test's own.
    let registered = Registered::for_events("invoice.voided");
    registered.receiver.refuse_deliveries(Refusal { status: 503, times: 1 }).unwrap();
    let delivery = registered.tell();
    let all = registered.receiver.deliveries().unwrap();
    assert_eq!(all.iter().map(|delivery| delivery.status).collect::<Vec<_>>(), [503, 204]);
    let ids: Vec<&str> = all.iter().map(|delivery| delivery.webhook_id.as_str()).collect();
    assert_eq!(ids, [delivery.webhook_id.as_str(); 2]);
    assert!(all[1].received_ms - all[0].received_ms >= 5_000, "after 5 seconds at least");

    let none = registered.post("replay", &json!({"from": "2026-01-01T00:00:00Z"}));
    assert_eq!((none.status, &none.json()["replayed"]), (200, &json!(0)), "everything is delivered: {}", none.body);
    let again = registered.post("replay", &json!({"from": "2026-01-01T00:00:00Z", "which": "all"}));
    assert_eq!((again.status, &again.json()["replayed"]), (200, &json!(1)), "{}", again.body);
    let replayed = until("the webhook once more", || registered.receiver.deliveries().unwrap().get(2).cloned());
    assert_eq!((&replayed.webhook_id, &replayed.body), (&delivery.webhook_id, &delivery.body));
}

#[test]
fn a_url_that_leads_into_our_own_network_is_refused_on_the_local_stack_too() {
    let scene = scene();
    for url in ["http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/"] {
        let answer =
            scene.post(&scene.bff, "/v1/webhook-endpoints", &json!({"url": url, "event_types": ["x"], "y": 1}));
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.pointers(), ["/event_types/0", "/url", "/y"]);
    }
}
