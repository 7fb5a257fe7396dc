//! Outgoing webhooks while their receiver fails. The function's handler is driven by hand, because its queue would hand
//! a message out again only after minutes; table and dead-letter queue are the stack's own.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lambda_events::event::sqs::SqsEvent;
use chrono::TimeDelta;
use lambda_runtime::{Context, LambdaEvent};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_webhook::deliver::Receiver;
use quittance_webhook::handler::Webhooks;
use quittance_webhook::signature::Signer;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::aws::ROOT_KEY;
use xtask::bff::{self, Delivery, Refusal};
use xtask::paths::workspace_root;
use xtask::stack::{REGION, Stack};
use xtask::{ports, wait};

use super::demonstration::assert_is_signed;
use super::scene;

/// 24 bytes in base64, as Standard Webhooks wants secrets.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";

/// A receiver of this test alone, and the function that delivers to it.
struct Delivering {
    receiver: Stack,
    webhooks: Webhooks,
    store: PathBuf,
    event_id: String,
}

impl Drop for Delivering {
    fn drop(&mut self) {
        // The test has ended either way.
        let _ = fs::remove_file(&self.store);
    }
}

impl Delivering {
    fn begin() -> Self {
        let stack = &scene().stack;
        let store = env::temp_dir().join(format!("quittance-delivery-{}.jsonl", Uuid::now_v7()));
        let port = ports::any_free().unwrap();
        let served = store.clone();
        thread::spawn(move || bff::serve(port, &served));
        let mut receiver = Stack::new("receiver", &env::temp_dir(), String::new());
        receiver.ports.insert("bff".to_owned(), port);
        wait::until("the receiver", Duration::from_secs(10), &[], || Ok(receiver.deliveries().ok())).unwrap();
        let aws = root(stack);
        let webhooks = Webhooks {
            receiver: Receiver::new(receiver.webhook_url().unwrap(), Signer::new(SECRET).unwrap()).unwrap(),
            idempotency: IdempotencyTable::new(&aws, table(stack, "Webhook"), TimeDelta::days(1)),
            dead_letters: DeadLetterQueue::new(&aws, stack.output("WebhookDeadLetterQueueUrl").unwrap().to_owned()),
        };
        Self { receiver, webhooks, store, event_id: Uuid::now_v7().to_string() }
    }

    fn refuse(&self, times: u32) {
        self.receiver.refuse_deliveries(Refusal { status: 503, times }).unwrap();
    }

    fn deliveries(&self) -> Vec<Delivery> {
        self.receiver.deliveries().unwrap()
    }

    /// The sample event under an id of its own.
    fn body(&self) -> String {
        let sample = fs::read_to_string(workspace_root().join("events/webhook/invoice_paid_and_surplus.json")).unwrap();
        let sample: Value = serde_json::from_str(&sample).unwrap();
        let mut event: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        event["id"] = json!(self.event_id);
        event.to_string()
    }

    /// Hands the message to the function at that receive; answers whether it is to come back.
    async fn receive(&self, receive_count: u32) -> bool {
        let event: SqsEvent = serde_json::from_value(json!({"Records": [{
            "messageId": self.event_id, "body": self.body(),
            "attributes": {"MessageGroupId": "inv", "ApproximateReceiveCount": receive_count.to_string()},
        }]}))
        .unwrap();
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let mut context = Context::default();
        context.deadline = u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let response = self.webhooks.handle(LambdaEvent::new(event, context)).await.unwrap();
        !response.batch_item_failures.is_empty()
    }
}

/// The stack's AWS as its root.
pub(super) fn root(stack: &Stack) -> SdkConfig {
    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "local stack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(stack.emulator_url().unwrap())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The idempotency table of a function.
pub(super) fn table(stack: &Stack, function: &str) -> String {
    let answer = stack.aws().unwrap().json_call("dynamodb", "ListTables", &json!({})).unwrap();
    let names = answer["TableNames"].as_array().unwrap().iter().filter_map(Value::as_str);
    let found: Vec<&str> = names.filter(|name| name.contains(&format!("{function}IdempotencyTable"))).collect();
    let [table] = found.as_slice() else { panic!("{} tables: {found:?}", found.len()) };
    (*table).to_owned()
}

#[tokio::test]
async fn a_receiver_that_fails_twice_gets_the_same_webhook_the_third_time_and_then_no_more() {
    let delivering = Delivering::begin();
    delivering.refuse(2);
    assert!(delivering.receive(1).await, "it comes back");
    assert!(delivering.receive(2).await, "it comes back");
    assert!(!delivering.receive(3).await);
    let deliveries = delivering.deliveries();
    assert_eq!(deliveries.iter().map(|delivery| delivery.status).collect::<Vec<_>>(), [503, 503, 204]);
    for delivery in &deliveries {
        assert_eq!((&delivery.webhook_id, &delivery.body), (&delivering.event_id, &delivering.body()));
        assert_is_signed(delivery, SECRET);
    }
    assert!(!delivering.receive(1).await, "a replayed message is acknowledged");
    assert_eq!(delivering.deliveries().len(), 3, "and not delivered again");
}

#[tokio::test]
async fn a_webhook_that_nobody_takes_is_parked_at_the_third_attempt_with_its_reason() {
    let delivering = Delivering::begin();
    delivering.refuse(3);
    assert!(delivering.receive(1).await);
    assert!(delivering.receive(2).await);
    assert!(!delivering.receive(3).await, "parked, so it does not come back");
    let stack = &scene().stack;
    let parked = stack.aws().unwrap().sqs_peek(stack.output("WebhookDeadLetterQueueUrl").unwrap()).unwrap();
    let message = parked.iter().find(|message| message["Body"] == delivering.body()).expect("it is parked");
    assert_eq!(message["MessageAttributes"]["code"]["StringValue"], "retries_exhausted");
    let reason = message["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.contains("503"), "{reason}");
}
