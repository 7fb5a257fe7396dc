//! Payments that a gateway collects: the function's calls to a fake gateway, and cards at the local Stripe.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::calls::{Calling, command};
use super::gateways::{DECLINED_CARD, GOOD_CARD};
use super::{euros, fresh, scene};

/// An attempt to collect 100.00 EUR through Stripe.
struct Attempt {
    calling: Calling,
    payment_id: String,
    name: String,
    begun_at: DateTime<Utc>,
}

impl Attempt {
    fn begin() -> Self {
        let payment_id = format!("pay_{}", uuid::Uuid::now_v7().simple());
        let name = format!("stripe:{}", fresh("order"));
        Self { calling: Calling::begin("stripe"), payment_id, name, begun_at: Utc::now() }
    }

    fn command(&self, age: TimeDelta) -> Value {
        json!({
            "payment_id": self.payment_id, "attempt": 1, "transaction_id": self.name, "provider": "stripe",
            "invoice_id": "inv_00000000000000000000000000000001", "amount": euros("100.00"),
            "payment_method": "pm_1", "ordered_at": self.begun_at - age,
        })
    }

    fn key(&self) -> String {
        format!("{}-1", self.payment_id)
    }

    async fn charge(&self) {
        self.charge_late(TimeDelta::zero()).await;
    }

    /// Delivers the order of the charge after it has waited for this long.
    async fn charge_late(&self, age: TimeDelta) {
        let body = command("InitiateCharge", &self.name, Utc::now(), &self.command(age));
        assert!(!self.calling.receive(&body).await.unwrap(), "it does not wait in its group");
    }

    /// The path on which the attempt is looked up by our ids.
    fn search(&self) -> String {
        let query = format!("query=metadata%5B%27payment_id%27%5D%3A%27{}%27&limit=100", self.payment_id);
        format!("{INTENTS}/search?{query}")
    }

    /// Makes an inquiry about the attempt, with this number and this long after the order.
    async fn ask(&self, round: u16, age: TimeDelta) {
        self.ask_whether(round, age, true).await;
    }

    /// Makes an inquiry; the call may be repeated only while the invoice accepts it.
    async fn ask_whether(&self, round: u16, age: TimeDelta, may_repeat: bool) {
        let inquiry = json!({
            "payment_id": self.payment_id, "transaction_id": self.name, "provider": "stripe",
            "charge": self.command(age), "may_repeat": may_repeat, "round": round, "since": self.begun_at - age, "is_last": round == 7,
        });
        let body = command("QueryPayment", &self.name, Utc::now(), &inquiry);
        assert!(!self.calling.receive(&body).await.unwrap());
    }

    /// The messages sent since the last call: kind and reason of evidence, or the type of another command.
    fn reported(&self) -> Vec<String> {
        let reported = |(kind, data): (String, Value)| match kind.as_str() {
            "ConfirmPayment" => {
                let reason = data["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{}{reason}", data["kind"].as_str().unwrap())
            }
            _ => kind,
        };
        self.calling.services.take_sent().into_iter().map(reported).collect()
    }

    /// The payment intent of the attempt.
    fn intent(&self, status: &str) -> Value {
        json!({
            "id": "pi_1", "amount": 10_000, "amount_received": 10_000, "currency": "eur", "status": status,
            "created": 1_793_700_000,
            "metadata": {"payment_id": self.payment_id, "attempt": "1"},
        })
    }
}

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn a_charge_without_an_answer_is_unknown_and_repeated_under_its_key_until_the_gateway_answers() {
    let attempt = Attempt::begin();
    attempt.calling.answers(INTENTS, 500, json!({}));
    attempt.charge().await;
    assert_eq!(attempt.reported(), ["unknown: the gateway answered 500"]);
    attempt.charge().await;
    assert_eq!(attempt.calling.changes().len(), 1, "a repeated message makes no second call");
    assert_eq!(attempt.calling.parked(), Vec::<String>::new());
    attempt.ask(1, TimeDelta::minutes(1)).await;
    assert_eq!(attempt.reported(), Vec::<String>::new());
    attempt.calling.answers(INTENTS, 200, attempt.intent("succeeded"));
    attempt.ask(2, TimeDelta::minutes(5)).await;
    assert_eq!(attempt.reported(), ["capture"]);
    assert_eq!(attempt.calling.changes(), vec![attempt.key(); 3], "never a fresh key");
}

#[tokio::test]
async fn a_declined_charge_has_failed_with_the_gateways_reason() {
    let attempt = Attempt::begin();
    let declined = json!({"error": {"type": "card_error", "code": "card_declined"}});
    attempt.calling.answers(INTENTS, 402, declined);
    attempt.charge().await;
    assert_eq!(attempt.reported(), ["failure: the gateway answered 402: card_declined"]);
    let waiting = Attempt::begin();
    waiting.calling.answers(INTENTS, 200, waiting.intent("requires_action"));
    waiting.charge().await;
    assert_eq!(waiting.reported(), ["failure: requires_action"], "nobody is there to act");
}

#[tokio::test]
async fn an_attempt_of_some_age_is_looked_up_and_never_made_then() {
    let attempt = Attempt::begin();
    let mut other = attempt.intent("succeeded");
    other["metadata"]["attempt"] = json!("2");
    attempt.calling.answers(&attempt.search(), 200, json!({"object": "search_result", "data": [other]}));
    attempt.ask(4, TimeDelta::hours(2)).await;
    assert_eq!(attempt.reported(), Vec::<String>::new(), "what Stripe finds lags behind what it did");
    attempt.ask(5, TimeDelta::hours(12)).await;
    assert_eq!(attempt.reported(), ["failure: the gateway has no such payment"], "another attempt is not this one");
    attempt.calling.answers(&attempt.search(), 200, json!({"data": [attempt.intent("succeeded")]}));
    attempt.ask(6, TimeDelta::days(1)).await;
    assert_eq!(attempt.reported(), ["capture"]);
    attempt.ask_whether(1, TimeDelta::minutes(1), false).await;
    assert_eq!(attempt.reported(), ["capture"], "nor while it is young, once the invoice needs no payment");
    assert_eq!(attempt.calling.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_that_comes_hours_late_is_looked_up_and_never_made() {
    let (made, never_made) = (Attempt::begin(), Attempt::begin());
    made.calling.answers(&made.search(), 200, json!({"data": [made.intent("succeeded")]}));
    made.charge_late(TimeDelta::days(2)).await;
    assert_eq!(made.reported(), ["capture"], "a replayed message finds what it did");
    never_made.calling.answers(&never_made.search(), 200, json!({"data": []}));
    never_made.charge_late(TimeDelta::hours(4)).await;
    assert_eq!(never_made.reported(), ["failure: the gateway has no such payment"]);
    assert_eq!((made.calling.changes(), never_made.calling.changes()), (vec![], vec![]));
}

#[tokio::test]
async fn the_last_inquiry_without_a_statement_is_escalated_once() {
    for (status, body) in [(503, json!({})), (200, json!("nonsense"))] {
        let attempt = Attempt::begin();
        attempt.calling.answers(&attempt.search(), status, body);
        for _ in 0..2 {
            attempt.ask(7, TimeDelta::days(3)).await;
        }
        assert_eq!(attempt.reported(), ["EscalatePayment"], "{status}");
        assert_eq!(attempt.calling.parked(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn listed_events_are_processed_page_by_page_and_unknown_ones_are_kept_for_a_replay() {
    let attempt = Attempt::begin();
    let (from, until) = (Utc::now() - TimeDelta::hours(1), Utc::now());
    let backfill = json!({"provider": "stripe", "from": from, "until": until});
    let body = command("ListEvents", "stripe", until, &backfill);
    let first =
        format!("/v1/events?created%5Bgte%5D={}&created%5Blte%5D={}&limit=100", from.timestamp(), until.timestamp());
    attempt.calling.answers(&first, 503, json!({}));
    assert!(attempt.calling.receive(&body).await.unwrap(), "it comes back");
    let event = |id: &str, kind: &str| json!({"id": id, "type": kind, "created": 1_793_700_000, "data": {"object": attempt.intent("succeeded")}});
    let page = json!({"has_more": true, "data": [event("evt_2", "payment_intent.succeeded"), {"id": "evt_1"}]});
    attempt.calling.answers(&first, 200, page);
    let rest = json!({"has_more": false, "data": [event("evt_0", "charge.updated")]});
    attempt.calling.answers(&format!("{first}&starting_after=evt_1"), 200, rest);
    assert!(!attempt.calling.receive(&body).await.unwrap());
    assert_eq!(attempt.reported(), ["capture"], "what moves no money is passed over");
    assert_eq!(attempt.calling.parked(), ["not_understood"]);
    let mended = json!({"has_more": false, "data": [event("evt_2", "payment_intent.succeeded")]});
    attempt.calling.answers(&first, 200, mended);
    assert!(!attempt.calling.receive(&body).await.unwrap());
    assert_eq!(attempt.reported(), ["capture"], "sent again, it is asked for anew");
}

#[test]
fn a_card_that_we_have_stripe_charge_pays_the_invoice_and_a_declined_one_fails_with_its_reason() {
    let scene = scene();
    for (card, status) in [(GOOD_CARD, "confirmed"), (DECLINED_CARD, "failed")] {
        let (invoice, name) = (scene.new_invoice(), fresh("order"));
        let command = json!({
            "transaction_id": name, "provider": "stripe", "invoice_id": invoice, "amount": euros("100.00"),
            "payment_method": scene.payment_method(card),
        });
        let answer = scene.post(&scene.bff, "/v1/payments", &command);
        assert_eq!(answer.status, 202, "{}", answer.body);
        let payment = scene.wait_for_payment(&format!("stripe:{name}"), status);
        let declined = if status == "failed" { json!("the gateway answered 402: card_declined") } else { Value::Null };
        assert_eq!(payment["reason"], declined);
        let paid = if status == "confirmed" { "paid" } else { "open" };
        assert_eq!(scene.invoice_status(&invoice), paid);
    }
}

#[test]
fn an_order_that_is_refused_says_why_where_the_payment_is_read() {
    let scene = scene();
    let name = fresh("order");
    let command = json!({
        "transaction_id": name, "provider": "stripe", "invoice_id": scene.new_invoice(), "amount": euros("100.01"),
        "payment_method": "pm_1",
    });
    assert_eq!(scene.post(&scene.bff, "/v1/payments", &command).status, 202);
    let payment = scene.wait_for_payment(&format!("stripe:{name}"), "failed");
    let refusal = payment["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("100.01 EUR is more than what is left to pay"), "{refusal}");
}

#[test]
fn a_charge_that_no_gateway_can_make_or_that_uses_a_gateways_name_is_refused_by_the_api() {
    let scene = scene();
    let command = |provider: &str, name: &str, method: &str| {
        let command = json!({
            "transaction_id": name, "provider": provider, "invoice_id": scene.own.invoice, "amount": euros("100.00"),
            "payment_method": method,
        });
        let answer = scene.post(&scene.bff, "/v1/payments", &command);
        answer.assert_problem(400, "invalid-request");
        answer.pointers()
    };
    assert_eq!(command("manual", "order-1", "pm_1"), ["/payment_method"]);
    assert_eq!(command("stripe", "order-1", "pm 1"), ["/payment_method"]);
    for (provider, name, method) in
        [("stripe", "pi_1", "pm_1"), ("gocardless", "PM1", "MD1"), ("adyen", "8835511210681324", "shopper/card")]
    {
        assert_eq!(command(provider, name, method), ["/transaction_id"], "{provider}");
    }
    for (provider, method) in [("adyen", "card"), ("gocardless", "MD-1")] {
        assert_eq!(command(provider, "order-1", method), ["/payment_method"], "{method} is none of {provider}'s");
    }
    let own = json!({
        "transaction_id": "order-1", "provider": "stripe", "invoice_id": scene.own.invoice, "amount": euros("100.00"),
        "payment_method": "pm_1",
    });
    // Nothing ties a card to a client.
    scene.post(&scene.own.token, "/v1/payments", &own).assert_problem(403, "forbidden");
}
