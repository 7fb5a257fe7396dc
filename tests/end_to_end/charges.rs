//! Payments that a gateway collects: the function's calls against a stand-in, and cards against the local Stripe.

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

    fn order(&self, age: TimeDelta) -> Value {
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

    /// Orders the charge after it has waited for so long.
    async fn charge_late(&self, age: TimeDelta) {
        let body = command("InitiateCharge", &self.name, Utc::now(), &self.order(age));
        assert!(!self.calling.receive(&body).await.unwrap(), "it does not wait in its group");
    }

    /// Where the attempt is looked up by our ids.
    fn search(&self) -> String {
        let query = format!("query=metadata%5B%27payment_id%27%5D%3A%27{}%27&limit=100", self.payment_id);
        format!("{INTENTS}/search?{query}")
    }

    /// Asks for the so manieth time what became of the attempt, which was so long ago.
    async fn ask(&self, round: u16, age: TimeDelta) {
        self.ask_whether(round, age, true).await;
    }

    /// Asks; the call may be repeated only while the invoice wants it.
    async fn ask_whether(&self, round: u16, age: TimeDelta, may_repeat: bool) {
        let question = json!({
            "payment_id": self.payment_id, "transaction_id": self.name, "provider": "stripe",
            "charge": self.order(age), "may_repeat": may_repeat, "round": round, "since": self.begun_at - age, "is_last": round == 7,
        });
        let body = command("QueryPayment", &self.name, Utc::now(), &question);
        assert!(!self.calling.receive(&body).await.unwrap());
    }

    /// What was told since this was last asked: kind and reason of evidence, or the type of another command.
    fn told(&self) -> Vec<String> {
        let told = |(kind, data): (String, Value)| match kind.as_str() {
            "ConfirmPayment" => {
                let reason = data["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{}{reason}", data["kind"].as_str().unwrap())
            }
            _ => kind,
        };
        self.calling.services.take_sent().into_iter().map(told).collect()
    }

    /// The payment intent that the attempt made.
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
    assert_eq!(attempt.told(), ["unknown: the gateway answered 500"]);
    attempt.charge().await;
    assert_eq!(attempt.calling.changes().len(), 1, "a repeated message makes no second call");
    assert_eq!(attempt.calling.parked(), Vec::<String>::new());
    attempt.ask(1, TimeDelta::minutes(1)).await;
    assert_eq!(attempt.told(), Vec::<String>::new());
    attempt.calling.answers(INTENTS, 200, attempt.intent("succeeded"));
    attempt.ask(2, TimeDelta::minutes(5)).await;
    assert_eq!(attempt.told(), ["capture"]);
    assert_eq!(attempt.calling.changes(), vec![attempt.key(); 3], "never a fresh key");
}

#[tokio::test]
async fn a_declined_charge_has_failed_with_the_gateways_reason() {
    let attempt = Attempt::begin();
    let declined = json!({"error": {"type": "card_error", "code": "card_declined"}});
    attempt.calling.answers(INTENTS, 402, declined);
    attempt.charge().await;
    assert_eq!(attempt.told(), ["failure: the gateway answered 402: card_declined"]);
    let waiting = Attempt::begin();
    waiting.calling.answers(INTENTS, 200, waiting.intent("requires_action"));
    waiting.charge().await;
    assert_eq!(waiting.told(), ["failure: requires_action"], "nobody is there to act");
}

#[tokio::test]
async fn an_attempt_of_some_age_is_looked_up_and_never_made_then() {
    let attempt = Attempt::begin();
    let mut other = attempt.intent("succeeded");
    other["metadata"]["attempt"] = json!("2");
    attempt.calling.answers(&attempt.search(), 200, json!({"object": "search_result", "data": [other]}));
    attempt.ask(4, TimeDelta::hours(2)).await;
    assert_eq!(attempt.told(), Vec::<String>::new(), "what Stripe finds lags behind what it did");
    attempt.ask(5, TimeDelta::hours(12)).await;
    assert_eq!(attempt.told(), ["failure: the gateway has no such payment"], "another attempt is not this one");
    attempt.calling.answers(&attempt.search(), 200, json!({"data": [attempt.intent("succeeded")]}));
    attempt.ask(6, TimeDelta::days(1)).await;
    assert_eq!(attempt.told(), ["capture"]);
    attempt.ask_whether(1, TimeDelta::minutes(1), false).await;
    assert_eq!(attempt.told(), ["capture"], "nor while it is young, once the invoice needs no payment");
    assert_eq!(attempt.calling.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_that_comes_hours_late_is_looked_up_and_never_made() {
    let (made, never_made) = (Attempt::begin(), Attempt::begin());
    made.calling.answers(&made.search(), 200, json!({"data": [made.intent("succeeded")]}));
    made.charge_late(TimeDelta::days(2)).await;
    assert_eq!(made.told(), ["capture"], "a replayed message finds what it did");
    never_made.calling.answers(&never_made.search(), 200, json!({"data": []}));
    never_made.charge_late(TimeDelta::hours(4)).await;
    assert_eq!(never_made.told(), ["failure: the gateway has no such payment"]);
    assert_eq!((made.calling.changes(), never_made.calling.changes()), (vec![], vec![]));
}

#[tokio::test]
async fn the_last_question_without_an_answer_that_says_something_is_escalated_once() {
    for (status, body) in [(503, json!({})), (200, json!("nonsense"))] {
        let attempt = Attempt::begin();
        attempt.calling.answers(&attempt.search(), status, body);
        for _ in 0..2 {
            attempt.ask(7, TimeDelta::days(3)).await;
        }
        assert_eq!(attempt.told(), ["EscalatePayment"], "{status}");
        assert_eq!(attempt.calling.parked(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn listed_events_are_told_page_by_page_and_what_is_not_understood_is_kept_for_a_replay() {
    let attempt = Attempt::begin();
    let (from, until) = (Utc::now() - TimeDelta::hours(1), Utc::now());
    let listing = json!({"provider": "stripe", "from": from, "until": until});
    let body = command("ListEvents", "stripe", until, &listing);
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
    assert_eq!(attempt.told(), ["capture"], "what moves no money is passed over");
    assert_eq!(attempt.calling.parked(), ["not_understood"]);
    let mended = json!({"has_more": false, "data": [event("evt_2", "payment_intent.succeeded")]});
    attempt.calling.answers(&first, 200, mended);
    assert!(!attempt.calling.receive(&body).await.unwrap());
    assert_eq!(attempt.told(), ["capture"], "sent again, it is asked for anew");
}

#[test]
fn a_card_that_we_have_stripe_charge_pays_the_invoice_and_a_declined_one_fails_with_its_reason() {
    let scene = scene();
    for (card, status) in [(GOOD_CARD, "confirmed"), (DECLINED_CARD, "failed")] {
        let (invoice, name) = (scene.new_invoice(), fresh("order"));
        let order = json!({
            "transaction_id": name, "provider": "stripe", "invoice_id": invoice, "amount": euros("100.00"),
            "payment_method": scene.payment_method(card),
        });
        let answer = scene.post(&scene.bff, "/v1/payments", &order);
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
    let order = json!({
        "transaction_id": name, "provider": "stripe", "invoice_id": scene.new_invoice(), "amount": euros("100.01"),
        "payment_method": "pm_1",
    });
    assert_eq!(scene.post(&scene.bff, "/v1/payments", &order).status, 202);
    let payment = scene.wait_for_payment(&format!("stripe:{name}"), "failed");
    let refusal = payment["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("100.01 EUR is more than what is left to pay"), "{refusal}");
}

#[test]
fn a_charge_that_no_gateway_can_make_or_that_takes_a_gateways_name_is_refused_at_the_door() {
    let scene = scene();
    let order = |provider: &str, name: &str, method: &str| {
        let order = json!({
            "transaction_id": name, "provider": provider, "invoice_id": scene.own.invoice, "amount": euros("100.00"),
            "payment_method": method,
        });
        let answer = scene.post(&scene.bff, "/v1/payments", &order);
        answer.assert_problem(400, "invalid-request");
        answer.pointers()
    };
    assert_eq!(order("manual", "order-1", "pm_1"), ["/payment_method"]);
    assert_eq!(order("stripe", "order-1", "pm 1"), ["/payment_method"]);
    for (provider, name, method) in
        [("stripe", "pi_1", "pm_1"), ("gocardless", "PM1", "MD1"), ("adyen", "8835511210681324", "shopper/card")]
    {
        assert_eq!(order(provider, name, method), ["/transaction_id"], "{provider}");
    }
    for (provider, method) in [("adyen", "card"), ("gocardless", "MD-1")] {
        assert_eq!(order(provider, "order-1", method), ["/payment_method"], "{method} is none of {provider}'s");
    }
    let own = json!({
        "transaction_id": "order-1", "provider": "stripe", "invoice_id": scene.own.invoice, "amount": euros("100.00"),
        "payment_method": "pm_1",
    });
    // Nothing ties a card to a client.
    scene.post(&scene.own.token, "/v1/payments", &own).assert_problem(403, "forbidden");
}
