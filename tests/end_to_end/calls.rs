//! Calls to gateways that respond late, wrongly or not at all. The function's handler is called directly, because its
//! queue would redeliver a message only after minutes; its table is the stack's own, the gateway a fake.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, thread};

use aws_lambda_events::event::sqs::SqsEvent;
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{Context, LambdaEvent};
use quittance_gateway::call::Gateways;
use quittance_gateway::handler::Gateway;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::batch::Outage;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::sandbox::CannedAnswer;
use xtask::stack::Stack;
use xtask::{bff, ports, wait};

use super::delivery::{root, table};
use super::{fresh, scene};
use crate::loopback::Loopback;

/// A gateway of one test, and the function that calls it.
pub(super) struct Calling {
    sandbox: Stack,
    pub(super) services: Loopback,
    gateway: Gateway,
    provider: &'static str,
    payment: String,
    refund_id: String,
}

impl Calling {
    pub(super) fn begin(provider: &'static str) -> Self {
        let stack = &scene().stack;
        let port = ports::any_free().unwrap();
        let store = env::temp_dir().join(format!("quittance-calls-{}.jsonl", Uuid::now_v7()));
        thread::spawn(move || bff::serve(port, &store));
        let mut sandbox = Stack::new("gateways", &env::temp_dir(), String::new());
        sandbox.ports.insert("bff".to_owned(), port);
        wait::until("the gateway", Duration::from_secs(10), &[], || Ok(sandbox.sandbox_asked().ok())).unwrap();
        let (aws, services) = (root(stack), Loopback::serve());
        let secret = stack.output("StripeApiSecretArn").unwrap().to_owned();
        let urls = HashMap::from([(provider, sandbox.sandbox_url(provider).unwrap())]);
        let gateway = Gateway {
            gateways: Gateways::new(&aws, HashMap::from([(provider, secret)]), urls).unwrap(),
            idempotency: IdempotencyTable::new(&aws, table(stack, "Gateway"), TimeDelta::days(1)),
            payments_queue: services.payments_queue(),
            queues: services.gateways(),
            dead_letters: HashMap::from([(provider, services.dead_letters())]),
        };
        let payment = fresh(if provider == "stripe" { "pi_" } else { "PSP" }).replace('-', "");
        let refund_id = format!("ref_{}", Uuid::now_v7().simple());
        Self { sandbox, services, gateway, provider, payment, refund_id }
    }

    pub(super) fn answers(&self, path: &str, status: u16, body: Value) {
        self.sandbox.sandbox_answer(self.provider, path, &CannedAnswer { status, body }).unwrap();
    }

    /// The changes that the gateway was asked for, each with its idempotency key.
    pub(super) fn changes(&self) -> Vec<String> {
        let asked = self.sandbox.sandbox_asked().unwrap();
        asked.into_iter().filter(|asked| asked.method == "POST").map(|asked| asked.idempotency_key).collect()
    }

    fn refund(&self, value: &str, time: DateTime<Utc>) -> String {
        let subject = format!("{}:{}", self.provider, self.payment);
        let data = json!({
            "refund_id": self.refund_id, "payment_id": "pay_00000000000000000000000000000001",
            "transaction_id": subject, "provider": self.provider, "amount": {"value": value, "currency": "EUR"},
        });
        command("InitiateRefund", &subject, time, &data)
    }

    /// Passes a message to the function; returns whether it is to be redelivered.
    pub(super) async fn receive(&self, body: &str) -> Result<bool, Outage> {
        let source = format!("arn:aws:sqs:eu-central-1:000000000000:quittance-{}-gateway.fifo", self.provider);
        self.receive_from(&source, body).await
    }

    async fn receive_from(&self, source: &str, body: &str) -> Result<bool, Outage> {
        hand_over(&self.gateway, source, &self.payment, body).await
    }

    pub(super) fn parked(&self) -> Vec<String> {
        self.services.take_parked().into_iter().map(|parked| parked.code).collect()
    }
}

/// Passes a queue's message to the function; returns whether it is to be redelivered.
pub(super) async fn hand_over(gateway: &Gateway, source: &str, group: &str, body: &str) -> Result<bool, Outage> {
    let event: SqsEvent = serde_json::from_value(json!({"Records": [{
        "messageId": "m", "receiptHandle": "r", "body": body, "eventSourceARN": source,
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "7"},
    }]}))
    .unwrap();
    let deadline = SystemTime::now() + Duration::from_secs(60);
    let mut context = Context::default();
    context.deadline = u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let response = gateway.handle(LambdaEvent::new(event, context)).await?;
    Ok(!response.batch_item_failures.is_empty())
}

/// A command in its envelope.
pub(super) fn command(kind: &str, subject: &str, time: DateTime<Utc>, data: &Value) -> String {
    json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "source": "/quittance/processor", "subject": subject,
        "time": time, "datacontenttype": "application/json", "dataschema": format!("urn:quittance:{kind}:1"),
        "correlationid": "test", "type": kind, "data": data,
    })
    .to_string()
}

#[tokio::test]
async fn a_call_without_a_clear_answer_is_made_again_under_the_same_key_and_after_a_clear_one_no_more() {
    let calling = Calling::begin("adyen");
    let path = format!("/v71/payments/{}/refunds", calling.payment);
    let refund = calling.refund("30.00", Utc::now());
    // A server error, another server's response, an invalid key of ours.
    for (status, body) in [(503, json!({})), (404, json!({})), (401, json!({"errorCode": "000"}))] {
        calling.answers(&path, status, body);
        assert!(calling.receive(&refund).await.unwrap(), "{status}: it comes back");
    }
    let pauses = calling.services.take_pauses();
    assert_eq!(pauses.len(), 3, "each after a pause of its own");
    assert!(pauses.iter().all(|seconds| (0..=3_600).contains(seconds)), "{pauses:?}");
    calling.answers(&path, 201, json!({"status": "received"}));
    assert!(!calling.receive(&refund).await.unwrap());
    assert_eq!(calling.changes(), vec![calling.refund_id.clone(); 4]);
    assert!(!calling.receive(&refund).await.unwrap(), "a replayed message is acknowledged");
    assert_eq!(calling.changes().len(), 4, "and nothing is asked again");
    assert_eq!((calling.services.sent(), calling.parked()), (vec![], vec![]));
}

#[tokio::test]
async fn a_gateways_refusal_is_reported_once() {
    let calling = Calling::begin("adyen");
    let path = format!("/v71/payments/{}/refunds", calling.payment);
    calling.answers(&path, 422, json!({"status": 422, "errorCode": "167"}));
    let refund = calling.refund("30.00", Utc::now());
    for _ in 0..3 {
        assert!(!calling.receive(&refund).await.unwrap());
    }
    assert_eq!(calling.changes().len(), 1);
    assert_eq!(calling.services.sent(), [("payments.fifo".to_owned(), format!("adyen:{}", calling.payment))]);
}

#[tokio::test]
async fn a_refund_that_the_gateway_already_has_is_reported_and_not_repeated() {
    let calling = Calling::begin("stripe");
    let made = json!({
        "id": "re_1", "amount": 3_000, "currency": "eur", "status": "succeeded", "created": 1_793_700_000,
        "metadata": {"refund_id": calling.refund_id},
    });
    let path = format!("/v1/refunds?payment_intent={}&limit=100", calling.payment);
    calling.answers(&path, 200, json!({"data": [made]}));
    assert!(!calling.receive(&calling.refund("30.00", Utc::now())).await.unwrap());
    assert_eq!(calling.changes(), Vec::<String>::new());
    assert_eq!(calling.services.sent(), [("payments.fifo".to_owned(), format!("stripe:{}", calling.payment))]);
}

#[tokio::test]
async fn a_command_that_is_not_what_it_was_or_too_old_to_be_repeated_is_parked_and_not_carried_out() {
    let calling = Calling::begin("adyen");
    let path = format!("/v71/payments/{}/refunds", calling.payment);
    calling.answers(&path, 201, json!({"status": "received"}));
    assert!(!calling.receive("no command").await.unwrap());
    assert!(!calling.receive(&calling.refund("30.00", Utc::now() - TimeDelta::days(7))).await.unwrap());
    assert_eq!(calling.parked(), ["malformed", "outcome_unknown"]);
    assert_eq!(calling.changes(), Vec::<String>::new());
    assert!(!calling.receive(&calling.refund("30.00", Utc::now())).await.unwrap());
    assert!(!calling.receive(&calling.refund("40.00", Utc::now())).await.unwrap());
    assert_eq!((calling.parked(), calling.changes().len()), (vec!["idempotency_conflict".to_owned()], 1));
}

#[tokio::test]
async fn a_queue_that_is_no_gateways_is_left_alone() {
    let calling = Calling::begin("adyen");
    let source = "arn:aws:sqs:eu-central-1:000000000000:quittance-payments.fifo";
    assert!(calling.receive_from(source, &calling.refund("30.00", Utc::now())).await.is_err());
    assert_eq!((calling.parked(), calling.changes()), (vec![], vec![]));
}
