//! Gateways' webhooks: accepted only if they are authentic, and a refusal leaves a small record.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Scene, fresh, scene, send, until};

/// A little older than Stripe's own libraries accept.
const TOO_OLD_SECONDS: u64 = 301;

/// Looks like a card number; must not be stored anywhere.
const CARD: &str = "4242424242424242";

fn event(reference: &str, invoice: &str) -> String {
    json!({
        "id": format!("evt_{reference}"), "object": "event", "type": "payment_intent.succeeded", "created": 1_793_700_000,
        "data": {"object": {
            "id": format!("pi_{reference}"), "amount": 10_000, "amount_received": 10_000, "currency": "eur",
            "metadata": {"invoice_id": invoice, "note": CARD},
        }},
    })
    .to_string()
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `Stripe-Signature` according to Stripe's documentation.
fn signature(secret: &str, signed_at: u64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signature = hex::encode(mac.chain_update(format!("{signed_at}.{body}")).finalize().into_bytes());
    format!("t={signed_at},v1={signature}")
}

impl Scene {
    fn stripe_secret(&self) -> String {
        let secret = self.stack.output("StripeWebhookSecretArn").unwrap();
        self.stack.aws().unwrap().secret_get(secret).unwrap()
    }

    fn deliver(&self, signature: Option<&str>, body: &str) -> Answer {
        let headers: Vec<_> = signature.map(|signature| ("stripe-signature", signature)).into_iter().collect();
        send(&self.stack, "POST", "/webhooks/stripe", &headers, body)
    }

    /// The records of refused requests with this body.
    pub(super) fn rejections_of(&self, body: &str) -> Vec<Value> {
        let digest = hex::encode(Sha256::digest(body));
        let table = self.stack.output("RequestGuardTableName").unwrap();
        let answer = self.stack.aws().unwrap().json_call("dynamodb", "Scan", &json!({"TableName": table})).unwrap();
        let items = answer["Items"].as_array().cloned().unwrap_or_default();
        items.into_iter().filter(|item| item["digest"]["S"] == digest).collect()
    }

    /// All that the functions and the API have logged.
    pub(super) fn all_logs(&self) -> Vec<String> {
        let aws = self.stack.aws().unwrap();
        let groups = aws.log_groups().unwrap();
        groups.iter().flat_map(|group| aws.log_events(group).unwrap()).map(|event| event.message).collect()
    }
}

#[test]
fn an_unauthentic_webhook_is_refused_and_counted_without_its_body() {
    let scene = scene();
    let reference = fresh("forged");
    let secret = scene.stripe_secret();
    let body = |kind: &str| event(&format!("{reference}-{kind}"), &scene.own.invoice);
    let (forged, changed, old, early) = (body("forged"), body("changed"), body("old"), body("early"));
    let now = seconds_now();
    for (body, header, reason) in [
        (&forged, Some(signature("whsec_guessed", now, &forged)), "wrong_signature"),
        (&changed, Some(signature(&secret, now, &changed.replace("10000", "1"))), "wrong_signature"),
        (&old, Some(signature(&secret, now - TOO_OLD_SECONDS, &old)), "stale_signature"),
        (&early, Some(signature(&secret, now + 2 * TOO_OLD_SECONDS, &early)), "stale_signature"),
        (&body("missing"), None, "no_signature"),
        (&body("empty"), Some(format!("t={now}")), "no_signature"),
    ] {
        scene.deliver(header.as_deref(), body).assert_problem(401, "unauthentic-webhook");
        let rejections = scene.rejections_of(body);
        assert_eq!(rejections.len(), 1, "{reason}: {rejections:?}");
        assert_eq!(rejections[0]["reason"]["S"], reason);
        let members: BTreeSet<&str> = rejections[0].as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["digest", "expires_at", "id", "reason", "rejected_at", "source"];
        assert_eq!(members, BTreeSet::from(expected));
    }
    assert_eq!(scene.facts_of(&reference), 0);
}

#[test]
fn an_authentic_webhook_pays_once_however_often_it_comes() {
    let scene = scene();
    let reference = fresh("real");
    let invoice = super::issue(&scene.stack, &scene.finance, &scene.own.id);
    let body = event(&reference, invoice["id"].as_str().unwrap());
    let secret = scene.stripe_secret();
    for _ in 0..3 {
        let answer = scene.deliver(Some(&signature(&secret, seconds_now(), &body)), &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let payment = scene.wait_for_payment(&format!("stripe:pi_{reference}"), "confirmed");
    assert_eq!(payment["allocated"]["value"], "100.00");
    assert_eq!(payment["surplus"]["value"], "0.00");
    assert_eq!(scene.facts_of(&reference), 1);
    assert_eq!(scene.rejections_of(&body), Vec::<Value>::new());
}

#[test]
fn no_log_repeats_a_body_a_token_or_a_secret() {
    let scene = scene();
    let body = event(&fresh("quiet"), &scene.own.invoice);
    scene.deliver(None, &body).assert_problem(401, "unauthentic-webhook");
    scene
        .post_text(&scene.own.token, "/v1/payments", &format!("{{\"{CARD}\": "))
        .assert_problem(400, "invalid-request");
    let secret = scene.stripe_secret();
    let lines = until("the refusal in the validator's log", || {
        let lines = scene.all_logs();
        lines.iter().any(|line| line.contains("request refused")).then_some(lines)
    });
    for line in lines {
        for (what, text) in [("a card number", CARD), ("a token", scene.own.token.as_str()), ("a secret", &secret)] {
            assert!(!line.contains(text), "{what} stands in a log: {}", line.replace(text, "…"));
        }
    }
}
