//! E-mails and text messages while their providers misbehave and workers are killed. The functions' handlers are called
//! directly, so that time can be shifted; tables, queues and documents are the emulator's, the database is the test's
//! own.

mod kills;
mod preferences;
mod provider;
mod schedule;

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use chrono::{DateTime, TimeDelta, Utc};
use quittance_deliveries::{DeliveriesTable, Delivery, EventKey};
use quittance_domain::id::ClientId;
use quittance_domain::notification::{Channel, NotificationRecipient};
use quittance_feedback::handler::Feedback;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_notification::compose::Templates;
use quittance_notification::handler::{Notifications, REMEMBERED_FOR};
use quittance_notification::providers::{Documents, EmailSender, TextMessages};
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::paths::workspace_root;

use self::provider::{Manner, Provider};
use super::delivery::{emulate, invocation, root};
use super::{fresh, scene};
use crate::database::TestDatabase;

/// A function's timeout is a minute.
const TIME: Duration = Duration::from_secs(60);

/// The document in the bucket.
const RECEIPT: &[u8] = b"%PDF-1.7 a receipt";

/// The functions, with services of the test's own.
struct Writing {
    test: TestDatabase,
    client: ClientId,
    table_name: String,
    table: DeliveriesTable<NotificationRecipient>,
    dead_letters_url: String,
    document: String,
}

/// An event for the test's client.
#[derive(Debug, Clone)]
struct Event {
    id: Uuid,
    key: EventKey,
    body: String,
}

impl Writing {
    async fn begin() -> Self {
        let test = TestDatabase::migrated().await;
        let client: ClientId = test.client().await;
        let table_name = fresh("test-notifications");
        let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
        let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
        let request = json!({
            "TableName": table_name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                attribute("recipient", "S"), attribute("event_key", "S"), attribute("due_shard", "S"), attribute("due_ms", "N"),
            ],
            "KeySchema": key("recipient", "event_key"),
            "GlobalSecondaryIndexes": [{
                "IndexName": "due", "KeySchema": key("due_shard", "due_ms"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        });
        emulate("dynamodb", "CreateTable", &request);
        let made = emulate("sqs", "CreateQueue", &json!({"QueueName": fresh("test-notification-dead-letter")}));
        let document = format!("receipts/{}.pdf", fresh("test"));
        let bucket = scene().stack.output("DocumentsBucketName").unwrap();
        scene().stack.aws().unwrap().s3_put(bucket, &document, "application/pdf", RECEIPT).unwrap();
        let table = DeliveriesTable::new(&root(&scene().stack), table_name.clone());
        let dead_letters_url = made["QueueUrl"].as_str().unwrap().to_owned();
        Self { test, client, table_name, table, dead_letters_url, document }
    }

    async fn notifications(&self, aws: &SdkConfig, provider: &Provider) -> Notifications {
        let provider = provider.aws().await;
        let bucket = scene().stack.output("DocumentsBucketName").unwrap().to_owned();
        Notifications {
            database: self.test.as_role("quittance_notification", 2).await,
            table: DeliveriesTable::new(aws, self.table_name.clone()).keeping_for(REMEMBERED_FOR),
            templates: Templates::new("Quittance Ltd").unwrap(),
            mail: EmailSender::new(&provider, "receipts@quittance.example".to_owned(), "set".to_owned()),
            text_messages: TextMessages::new(&provider),
            documents: Documents::new(aws, bucket),
            dead_letters: DeadLetterQueue::new(aws, self.dead_letters_url.clone()),
        }
    }

    async fn feedback(&self, aws: &SdkConfig) -> Feedback {
        Feedback {
            database: self.test.as_role("quittance_feedback", 2).await,
            table: DeliveriesTable::new(aws, self.table_name.clone()),
            dead_letters: DeadLetterQueue::new(aws, self.dead_letters_url.clone()),
        }
    }

    /// The sample of an event for the test's client, under an id of its own.
    fn event_like(&self, sample: &str, change: impl FnOnce(&mut Value)) -> Event {
        let path = workspace_root().join(format!("events/contract/1/{sample}.json"));
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (id, time) = (Uuid::now_v7(), Utc::now());
        event["id"] = json!(id);
        event["time"] = json!(time);
        let data = &mut event["data"];
        let client = if data["settled"].is_object() { &mut data["settled"]["client"] } else { &mut data["client"] };
        client["id"] = json!(self.client);
        change(&mut event);
        let time: DateTime<Utc> = event["time"].as_str().unwrap().parse().unwrap();
        Event { id, key: EventKey::new(time, id), body: event.to_string() }
    }

    fn receipt(&self) -> Event {
        self.event_like("receipt.issued", |event| event["data"]["document_key"] = json!(self.document))
    }

    /// Passes bodies to the function; no message is to be redelivered.
    async fn handle(&self, notifications: &Notifications, bodies: &[String]) {
        assert!(notifications.handle(invocation(bodies)).await.unwrap().batch_item_failures.is_empty());
    }

    async fn run_schedule(&self, notifications: &Notifications) -> usize {
        notifications.send_due(SystemTime::now() + TIME).await.unwrap()
    }

    /// Has the provider report on everything that it accepted.
    async fn receive(&self, provider: &Provider) {
        let feedback = self.feedback(&root(&scene().stack)).await;
        assert!(feedback.handle(invocation(&provider.words())).await.unwrap().batch_item_failures.is_empty());
    }

    const fn addressee(&self, channel: Channel) -> NotificationRecipient {
        NotificationRecipient { channel, client_id: self.client }
    }

    async fn delivery(&self, event: &Event, channel: Channel) -> Delivery {
        self.table.find(self.addressee(channel), &event.key).await.unwrap().expect("it is recorded")
    }

    async fn is_recorded(&self, event: &Event, channel: Channel) -> bool {
        self.table.find(self.addressee(channel), &event.key).await.unwrap().is_some()
    }

    /// Shifts time until the record is due: its lease has expired.
    fn let_time_pass(&self, event: &Event, channel: Channel) {
        let due = Utc::now() - TimeDelta::seconds(1);
        self.set(event, channel, &[("lease_until_ms", due), ("next_attempt_ms", due), ("due_ms", due)]);
    }

    fn set(&self, event: &Event, channel: Channel, times: &[(&str, DateTime<Utc>)]) {
        let set: Vec<String> = times.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
        let values =
            times.iter().map(|(name, at)| (format!(":{name}"), json!({"N": at.timestamp_millis().to_string()})));
        let request = json!({
            "TableName": self.table_name,
            "Key": {"recipient": {"S": self.addressee(channel).to_string()}, "event_key": {"S": event.key.to_string()}},
            "UpdateExpression": format!("SET {}", set.join(", ")),
            "ExpressionAttributeValues": values.collect::<serde_json::Map<String, Value>>(),
        });
        emulate("dynamodb", "UpdateItem", &request);
    }

    /// Codes and reasons of what was parked, and the bodies.
    fn parked(&self) -> Vec<(String, String, String)> {
        let messages = scene().stack.aws().unwrap().sqs_receive(&self.dead_letters_url).unwrap();
        let text = |message: &Value, name: &str| {
            message["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_default().to_owned()
        };
        let read = |message: &Value| {
            (text(message, "code"), text(message, "reason"), message["Body"].as_str().unwrap_or_default().to_owned())
        };
        messages.iter().map(read).collect()
    }

    async fn prefer(&self, channel: &str, is_enabled: bool, number: Option<&str>) {
        let insert = "insert into billing.notification_preferences (client_id, channel, is_enabled, phone_number)
            values ($1, $2, $3, $4)
            on conflict (client_id, channel) do update
            set is_enabled = excluded.is_enabled, phone_number = excluded.phone_number";
        let insert = sqlx::query(insert).bind(self.client.as_uuid()).bind(channel).bind(is_enabled).bind(number);
        insert.execute(&self.test.admin).await.unwrap();
    }
}

/// A provider, the functions and one of their instances, set up with the emulator.
async fn begin(manner: Manner) -> (Writing, Provider, Notifications) {
    let (writing, provider) = (Writing::begin().await, Provider::that(manner).await);
    let notifications = writing.notifications(&root(&scene().stack), &provider).await;
    (writing, provider, notifications)
}
