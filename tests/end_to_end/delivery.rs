//! Outgoing webhooks while their receivers misbehave and workers are killed. The functions' handlers are called
//! directly, so that time can be shifted; tables, queues and secrets are the emulator's, the database is the test's
//! own.

pub(super) mod kills;
mod receiver;
mod schedule;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lambda_events::event::sqs::SqsEvent;
use chrono::{DateTime, Utc};
use lambda_runtime::{Context, LambdaEvent};
use quittance_deliveries::queue::{DeliveryQueue, DueDelivery};
use quittance_deliveries::secrets::SigningSecrets;
use quittance_deliveries::{DeliveriesTable, Delivery, EventKey, EventTimeRange};
use quittance_delivery::EndpointSigners;
use quittance_delivery::attempt::Receivers;
use quittance_delivery::handler::Deliveries;
use quittance_domain::id::{ClientId, InvoiceId, WebhookEndpointId};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::trace::TraceContext;
use quittance_outgoing::Targets;
use quittance_webhook::handler::WebhookPublisher;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::aws::ROOT_KEY;
use xtask::paths::workspace_root;
use xtask::stack::{REGION, Stack};

use self::receiver::Receiver;
use super::scene;
use crate::database::TestDatabase;

/// A function's timeout is a minute.
const TIME: Duration = Duration::from_secs(60);

/// Both functions, with services of the test's own.
struct DeliveryScene {
    test: TestDatabase,
    table_name: String,
    folder: String,
    invoice: InvoiceId,
    /// The table of deliveries, inspected directly.
    table: DeliveriesTable,
}

/// The stack's AWS configuration as root.
pub(super) fn root(stack: &Stack) -> SdkConfig {
    aws_at(&stack.emulator_url().unwrap())
}

pub(super) fn aws_at(url: &str) -> SdkConfig {
    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "local stack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The name of a function's idempotency table.
pub(super) fn table(stack: &Stack, function: &str) -> String {
    let answer = stack.aws().unwrap().json_call("dynamodb", "ListTables", &json!({})).unwrap();
    let names = answer["TableNames"].as_array().unwrap().iter().filter_map(Value::as_str);
    let found: Vec<&str> = names.filter(|name| name.contains(&format!("{function}IdempotencyTable"))).collect();
    let [table] = found.as_slice() else { panic!("{} tables: {found:?}", found.len()) };
    (*table).to_owned()
}

/// A call to the emulator, as root.
pub(super) fn emulate(service: &str, action: &str, request: &Value) -> Value {
    scene().stack.aws().unwrap().json_call(service, action, request).unwrap()
}

/// An invocation with these messages, whose deadline is after [`TIME`].
pub(super) fn invocation(bodies: &[String]) -> LambdaEvent<SqsEvent> {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(place, body)| {
            let attributes = json!({"MessageGroupId": format!("g{place}"), "ApproximateReceiveCount": "1"});
            json!({"messageId": format!("m{place}"), "body": body, "attributes": attributes})
        })
        .collect();
    let deadline = SystemTime::now() + TIME;
    let mut context = Context::default();
    context.deadline = u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    LambdaEvent::new(serde_json::from_value(json!({"Records": records})).unwrap(), context)
}

impl DeliveryScene {
    async fn begin() -> Self {
        let test = TestDatabase::migrated().await;
        let client: ClientId = test.client().await;
        let invoice = test.open_invoice(client, "100.00", "EUR").await;
        let table_name = format!("test-deliveries-{}", Uuid::now_v7().simple());
        let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
        let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
        let request = json!({
            "TableName": table_name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                attribute("recipient", "S"), attribute("event_key", "S"), attribute("due_shard", "S"),
                attribute("due_ms", "N"),
            ],
            "KeySchema": key("recipient", "event_key"),
            "GlobalSecondaryIndexes": [{
                "IndexName": "due", "KeySchema": key("due_shard", "due_ms"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        });
        emulate("dynamodb", "CreateTable", &request);
        let table = DeliveriesTable::new(&root(&scene().stack), table_name.clone());
        Self { test, folder: table_name.clone(), table_name, invoice, table }
    }

    /// A queue of the test's own, which nobody reads.
    fn queue(aws: &SdkConfig) -> DeliveryQueue {
        let made = emulate("sqs", "CreateQueue", &json!({"QueueName": "test-delivery"}));
        DeliveryQueue::new(aws, made["QueueUrl"].as_str().unwrap().to_owned())
    }

    fn dead_letters(aws: &SdkConfig) -> DeadLetterQueue {
        DeadLetterQueue::new(aws, scene().stack.output("DeliveryDeadLetterQueueUrl").unwrap().to_owned())
    }

    async fn recording(&self, aws: &SdkConfig) -> WebhookPublisher {
        WebhookPublisher {
            database: self.test.as_role("quittance_webhook", 2).await,
            deliveries: DeliveriesTable::new(aws, self.table_name.clone()),
            queue: Self::queue(aws),
            dead_letters: Self::dead_letters(aws),
        }
    }

    async fn delivering(&self, aws: &SdkConfig) -> Deliveries {
        Deliveries {
            database: self.test.as_role("quittance_delivery", 4).await,
            table: DeliveriesTable::new(aws, self.table_name.clone()),
            queue: Self::queue(aws),
            dead_letters: Self::dead_letters(aws),
            keys: EndpointSigners::new(SigningSecrets::new(aws, self.folder.clone())),
            receivers: Receivers::new(Targets::PublicAndLoopback).unwrap(),
        }
    }

    /// Registers a receiver; returns its endpoint and its signing secret.
    async fn register(&self, receiver: &Receiver) -> (WebhookEndpointId, String) {
        let (id, secret_id) = (WebhookEndpointId::from_uuid(Uuid::now_v7()), Uuid::now_v7());
        let secrets = SigningSecrets::new(&root(&scene().stack), self.folder.clone());
        let secret = secrets.make(id, secret_id).await.unwrap();
        let insert =
            "insert into billing.webhook_endpoints (id, url, secret_id, created_by) values ($1, $2, $3, 'test')";
        let insert = sqlx::query(insert).bind(id.as_uuid()).bind(receiver.url()).bind(secret_id);
        insert.execute(&self.test.admin).await.unwrap();
        (id, secret)
    }

    /// The sample event about the test's invoice, under an id of its own.
    fn event(&self) -> (Uuid, String) {
        let sample = std::fs::read_to_string(workspace_root().join("events/webhook/invoice_paid_and_surplus.json"));
        let sample: Value = serde_json::from_str(&sample.unwrap()).unwrap();
        let mut event: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        let id = Uuid::now_v7();
        event["id"] = json!(id);
        event["traceparent"] = json!(TraceContext::derive("delivered", id).to_string());
        event["subject"] = json!(self.invoice);
        event["data"]["invoice"]["id"] = json!(self.invoice);
        (id, event.to_string())
    }

    /// Records an event; returns the resulting due delivery of an endpoint.
    async fn record(&self, endpoint_id: WebhookEndpointId) -> DueDelivery {
        let (id, body) = self.event();
        let recording = self.recording(&root(&scene().stack)).await;
        assert_eq!(recording.handle(invocation(&[body])).await.unwrap().batch_item_failures.len(), 0);
        let found = self.deliveries(endpoint_id).await;
        let found = found.into_iter().find(|delivery| delivery.event_key.id() == id).expect("it is recorded");
        DueDelivery { recipient: endpoint_id, event_key: found.event_key }
    }

    async fn deliveries(&self, endpoint_id: WebhookEndpointId) -> Vec<Delivery> {
        self.table.list(endpoint_id, EventTimeRange::default(), &[], None, 1_000).await.unwrap().deliveries
    }

    async fn delivery(&self, due: &DueDelivery) -> Delivery {
        let all = self.deliveries(due.recipient).await;
        all.into_iter().find(|delivery| delivery.event_key == due.event_key).expect("it is recorded")
    }

    /// Passes due deliveries to the function; returns the number of messages to be redelivered.
    async fn deliver(&self, delivering: &Deliveries, due: &[DueDelivery]) -> usize {
        let bodies: Vec<String> = due.iter().map(|due| serde_json::to_string(due).unwrap()).collect();
        delivering.handle(invocation(&bodies)).await.unwrap().batch_item_failures.len()
    }

    /// Shifts time for a delivery: it is due now, and its lease has expired.
    fn let_time_pass(&self, due: &DueDelivery) {
        let past = json!({":past": {"N": "0"}});
        let update = |endpoint: String, key: String, expression: &str| {
            let request = json!({
                "TableName": self.table_name, "Key": {"recipient": {"S": endpoint}, "event_key": {"S": key}},
                "UpdateExpression": expression, "ExpressionAttributeValues": past,
            });
            emulate("dynamodb", "UpdateItem", &request);
        };
        let leases = "SET lease_until_ms = :past";
        for place in 0..quittance_deliveries::SLOTS {
            update(format!("slots#{}", due.recipient), place.to_string(), leases);
        }
        let all = "SET lease_until_ms = :past, next_attempt_ms = :past, due_ms = :past";
        update(due.recipient.to_string(), due.event_key.to_string(), all);
    }

    async fn status_of(&self, endpoint: WebhookEndpointId) -> (String, Option<String>) {
        let query = "select status, disabled_reason from billing.webhook_endpoints where id = $1";
        sqlx::query_as(query).bind(endpoint.as_uuid()).fetch_one(&self.test.admin).await.unwrap()
    }
}

fn pause(delivery: &Delivery) -> i64 {
    (delivery.next_attempt_at - Utc::now()).num_seconds()
}

/// A key of an event at that time.
fn key_at(text: &str) -> EventKey {
    EventKey::new(text.parse::<DateTime<Utc>>().unwrap(), Uuid::now_v7())
}
