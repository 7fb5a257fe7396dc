//! Every event five times, in any order, with the receipt's worker killed at every step: one receipt, with one event.

use std::collections::BTreeSet;

use quittance_documents::{Press, Seller};
use quittance_idempotency::{CONSUMER_RECORD_RETENTION, IdempotencyTable};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use quittance_receipt::handler::Receipts;
use quittance_receipt::issue::Issuer;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::paths::workspace_root;

use super::delivery::kills::{CALLS_MAX, Moment, Way, shuffle};
use super::delivery::{aws_at, emulate, invocation};
use super::scene;

/// A bucket, a table and a topic of the test's own, and a queue that receives the topic's events.
struct Office {
    name: String,
    topic_arn: String,
    queue_url: String,
}

impl Office {
    fn open() -> Self {
        let name = format!("test-receipts-{}", Uuid::now_v7().simple());
        let aws = scene().stack.aws().unwrap();
        let attribute = json!([{"AttributeName": "key", "AttributeType": "S"}]);
        let key = json!([{"AttributeName": "key", "KeyType": "HASH"}]);
        let table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": attribute, "KeySchema": key,
        });
        emulate("dynamodb", "CreateTable", &table);
        let fifo = format!("{name}.fifo");
        let statement = json!({
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let queue = json!({"QueueName": fifo, "Attributes": {"FifoQueue": "true", "Policy": policy}});
        let queue_url = emulate("sqs", "CreateQueue", &queue)["QueueUrl"].as_str().unwrap().to_owned();
        let arn = |service: &str| format!("arn:aws:{service}:{}:000000000000:{fifo}", xtask::stack::REGION);
        let topic =
            [("Name", fifo.as_str()), ("Attributes.entry.1.key", "FifoTopic"), ("Attributes.entry.1.value", "true")];
        aws.query_call("sns", "CreateTopic", &topic).unwrap();
        let (topic_arn, queue_arn) = (arn("sns"), arn("sqs"));
        let subscription = [
            ("TopicArn", topic_arn.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", queue_arn.as_str()),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ];
        aws.query_call("sns", "Subscribe", &subscription).unwrap();
        Self { name, topic_arn, queue_url }
    }

    /// A worker whose calls go through `url`; documents are stored in the stack's bucket, under keys that no other test
    /// has.
    fn worker(&self, url: &str) -> Receipts {
        let aws = aws_at(url);
        let seller = Seller::of_settings("Quittance Ltd".to_owned(), "1 Main Street", "IE1".to_owned());
        Receipts {
            issuer: Issuer {
                press: Press::new().unwrap(),
                seller,
                s3: quittance_lambda::aws::s3(&aws),
                documents_bucket: scene().stack.output("DocumentsBucketName").unwrap().to_owned(),
                publisher: Publisher::new(&aws, self.topic_arn.clone()),
            },
            idempotency: IdempotencyTable::new(&aws, self.name.clone(), CONSUMER_RECORD_RETENTION),
            dead_letters: DeadLetterQueue::new(
                &aws,
                scene().stack.output("ReceiptDeadLetterQueueUrl").unwrap().to_owned(),
            ),
        }
    }

    /// The events since the last call: id, number and key, as often as they were received.
    fn reported(&self) -> Vec<[String; 3]> {
        let mut reported = Vec::new();
        loop {
            let request = json!({"QueueUrl": self.queue_url, "MaxNumberOfMessages": 10});
            let answer = emulate("sqs", "ReceiveMessage", &request);
            let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
                return reported;
            };
            for message in messages {
                let event: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                let text = |pointer: &str| event.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                reported.push([text("/id"), text("/data/number"), text("/data/document_key")]);
                let receipt = json!({"QueueUrl": self.queue_url, "ReceiptHandle": message["ReceiptHandle"]});
                emulate("sqs", "DeleteMessage", &receipt);
            }
        }
    }
}

/// A sample event about a payment or a refund, with an invoice and a payment of its own.
fn event(sample: &str) -> String {
    let path = workspace_root().join("events/receipt").join(sample).with_extension("json");
    let batch: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut event: Value = serde_json::from_str(batch["Records"][0]["body"].as_str().unwrap()).unwrap();
    let name = Uuid::now_v7();
    event["id"] = json!(name);
    event["data"]["invoice"]["id"] = json!(format!("inv_{}", name.simple()));
    event["data"]["payment"]["id"] = json!(format!("pay_{}", name.simple()));
    event["subject"] = event["data"]["invoice"]["id"].clone();
    event.to_string()
}

#[tokio::test]
async fn an_event_that_comes_five_times_with_a_kill_at_every_step_has_one_receipt() {
    let (office, way) = (Office::open(), Way::open().await);
    let aws = scene().stack.aws().unwrap();
    let bucket = scene().stack.output("DocumentsBucketName").unwrap();
    let plain = office.worker(&scene().stack.emulator_url().unwrap());
    let mut kills = 0;
    for sample in ["invoice_paid", "payment_refunded"] {
        for moment in [Moment::Before, Moment::After] {
            for call in 1..CALLS_MAX {
                let (body, other) = (event(sample), event(sample));
                // Each worker is a new instance.
                let doomed = office.worker(&way.url);
                let work = async { drop(doomed.handle(invocation(std::slice::from_ref(&body))).await.unwrap()) };
                let lived = way.run(Some((call, moment)), work).await;
                let left = office.reported();
                let mut bodies = vec![body.clone(), other.clone(), body.clone(), other, body.clone(), body];
                shuffle(&mut bodies);
                for _ in 0..2 {
                    assert!(plain.handle(invocation(&bodies)).await.unwrap().batch_item_failures.is_empty());
                }
                let reported: Vec<[String; 3]> = left.into_iter().chain(office.reported()).collect();
                let distinct: BTreeSet<&[String; 3]> = reported.iter().collect();
                assert_eq!(
                    (reported.len(), distinct.len()),
                    (2, 2),
                    "{sample}, killed {moment:?} call {call}: {reported:?}"
                );
                for [_, number, key] in &reported {
                    let folder = key.strip_suffix(&format!("{number}.pdf")).unwrap();
                    let stored: Vec<String> =
                        aws.s3_list(bucket, folder).unwrap().into_iter().map(|object| object.key).collect();
                    assert_eq!(stored, std::slice::from_ref(key), "{sample}, killed {moment:?} call {call}");
                    assert!(aws.s3_get(bucket, key).unwrap().starts_with(b"%PDF-"));
                }
                if lived {
                    break;
                }
                kills += 1;
            }
        }
    }
    // Four calls, each with a kill before and after it: checking whether the receipt exists, storing it, publishing its
    // event, recording it as done.
    assert_eq!(kills, 2 * 2 * 4);
}
