//! Batches as the queue delivers them to the processor's handler: one bad message does not affect the others.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::sqs::SqsEvent;
use chrono_tz::Tz;
use lambda_runtime::{Context, LambdaEvent};
use quittance_domain::command::PaymentCommand;
use quittance_domain::fact::FactKind;
use quittance_lambda::batch::Outage;
use quittance_lambda::envelope::CloudEvent;
use quittance_processor::decide::{StaffCommand, StaffInstruction};
use quittance_processor::handler::Processor;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Scene, euro};
use crate::database::scene::{TestEvidence, noon};
use crate::database::staff::{refund, refund_id};
use crate::loopback::Loopback;

const BATCH_SIZE: usize = 10;

/// A message's group and body.
type Message = (String, String);

/// The envelope of a command, in its group.
fn message(command: PaymentCommand) -> Message {
    let group = command.transaction_id().to_string();
    let envelope = CloudEvent::new(Uuid::now_v7(), "validator", group.clone(), noon(), "test".to_owned(), command);
    (group, envelope.to_json().unwrap())
}

fn evidence(reported: &TestEvidence) -> Message {
    message(PaymentCommand::from_evidence(reported.evidence.clone()))
}

fn ordered(decision: StaffInstruction) -> Message {
    message(match decision.command {
        StaffCommand::Entry(evidence) => PaymentCommand::EnterEvidence(evidence),
        StaffCommand::Refund(command) => PaymentCommand::RequestRefund(command),
        StaffCommand::Credit(command) => PaymentCommand::ReleaseCredited(command),
        StaffCommand::Case(command) => PaymentCommand::DecideCase(command),
        StaffCommand::Merge(command) => PaymentCommand::MergePayments(command),
        StaffCommand::Unmatch(command) => PaymentCommand::UnmatchPayment(command),
        StaffCommand::Charge(command) => PaymentCommand::ChargePayment(command),
        StaffCommand::Escalation(escalation) => PaymentCommand::EscalatePayment(escalation),
    })
}

/// A message whose body was changed in transit.
fn spoiled(reported: &TestEvidence, change: impl FnOnce(&mut Value)) -> Message {
    let (group, body) = evidence(reported);
    let mut body = serde_json::from_str(&body).unwrap();
    change(&mut body);
    (group, body.to_string())
}

struct Queue {
    services: Loopback,
    processor: Processor,
}

impl Queue {
    fn of(scene: &Scene) -> Self {
        let services = Loopback::serve();
        let (publisher, dead_letters) = (services.publisher(), services.dead_letters());
        let gateways = services.gateways();
        let processor =
            Processor { database: scene.processor.clone(), publisher, gateways, dead_letters, zone: Tz::UTC };
        Self { services, processor }
    }

    /// Delivers a batch with that receive count; returns the indexes of the messages to be redelivered.
    async fn deliver(&self, messages: &[Message], receive: u32) -> Vec<usize> {
        self.hand_out(messages, receive).await.unwrap()
    }

    async fn hand_out(&self, messages: &[Message], receive: u32) -> Result<Vec<usize>, Outage> {
        let record = |(index, (group, body)): (usize, &Message)| {
            json!({
                "messageId": index.to_string(), "body": body,
                "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": receive.to_string()},
            })
        };
        let records: Vec<Value> = messages.iter().enumerate().map(record).collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let mut context = Context::default();
        context.deadline = u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let response = self.processor.handle(LambdaEvent::new(event, context)).await?;
        let indexes = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier.parse().unwrap());
        Ok(indexes.collect())
    }

    /// Code and reason of the messages parked since the last call.
    fn parked(&self) -> Vec<(String, String)> {
        self.services.take_parked().into_iter().map(|parked| (parked.code, parked.reason)).collect()
    }
}

/// Ten payments, each with an invoice.
async fn ten_captures(scene: &Scene, index: usize) -> Vec<TestEvidence> {
    let mut reported = Vec::new();
    for number in 0..BATCH_SIZE {
        let invoice = scene.invoice("100.00").await;
        reported.push(TestEvidence::capture(&format!("pi_{index}_{number}"), Some(invoice), euro("100.00")));
    }
    reported
}

const PAID: &str = "select count(*) from billing.invoices where status = 'paid'";

#[tokio::test]
async fn a_body_that_cannot_be_read_is_parked_with_its_reason_wherever_it_stands_and_the_nine_others_are_settled() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    let nine = i64::try_from(BATCH_SIZE - 1).unwrap();
    for (settled, index) in (1..).zip(0..BATCH_SIZE) {
        let reported = ten_captures(&scene, index).await;
        let mut messages: Vec<Message> = reported.iter().map(evidence).collect();
        let amount = |value: &str| {
            let value = json!(value);
            spoiled(&reported[index], |body| body["data"]["amount"]["value"] = value)
        };
        messages[index] = match index {
            0 => ("group".to_owned(), "no JSON".to_owned()),
            1 => ("group".to_owned(), String::new()),
            2 => ("group".to_owned(), "[".repeat(100_000)),
            3 => amount("0.00"),
            4 => amount("-100.00"),
            5 => amount("100.001"),
            6 => spoiled(&reported[index], |body| body["data"]["amount"]["currency"] = json!("XXXX")),
            7 => spoiled(&reported[index], |body| body["data"]["surprise"] = json!(1)),
            8 => spoiled(&reported[index], |body| body["type"] = json!("RefundEverything")),
            _ => spoiled(&reported[index], |body| body["dataschema"] = json!("urn:quittance:ConfirmPayment:99")),
        };
        assert_eq!(queue.deliver(&messages, 1).await, Vec::<usize>::new(), "place {index}");
        let code = ["malformed", "unknown_type", "unknown_version"][index.saturating_sub(7)];
        let parked = queue.parked();
        assert_eq!(parked.len(), 1, "place {index}: {parked:?}");
        assert_eq!((parked[0].0.as_str(), parked[0].1.is_empty()), (code, false), "place {index}");
        assert_eq!(scene.test.count(PAID).await, settled * nine, "place {index}");
    }
    scene.assert_books_hold().await;
    let waiting = "select count(*) from payments.outbox where published_at is null";
    assert_eq!(scene.test.count(waiting).await, 0);
    assert_eq!(queue.services.published().len(), BATCH_SIZE * (BATCH_SIZE - 1));
}

#[tokio::test]
async fn a_message_that_the_database_refuses_comes_back_alone_wherever_it_stands_and_is_parked_at_the_third_receive() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    // An event has the client's address; this one makes it exceed the maximum size of an event.
    let poisoned = scene.test.client().await;
    let enlarge = sqlx::query("update billing.clients set address = array[repeat('x', 21000)] where id = $1");
    enlarge.bind(poisoned.as_uuid()).execute(&scene.test.admin).await.unwrap();
    for index in 0..BATCH_SIZE {
        let mut reported = ten_captures(&scene, index).await;
        let invoice = scene.test.open_invoice(poisoned, "100.00", "EUR").await;
        reported[index] = reported[index].clone().naming(&[invoice]);
        let messages: Vec<Message> = reported.iter().map(evidence).collect();
        for receive in [1, 2] {
            assert_eq!(queue.deliver(&messages, receive).await, [index]);
            assert_eq!(queue.parked(), []);
        }
        assert_eq!(queue.deliver(&messages, 3).await, Vec::<usize>::new());
        let parked = queue.parked();
        assert_eq!((parked.len(), parked[0].0.as_str()), (1, "retries_exhausted"));
        assert!(parked[0].1.contains("outbox_body_bounds"), "{parked:?}");
        assert_eq!(scene.test.invoice(invoice).await.0, "open");
        assert_eq!(scene.test.count(PAID).await, i64::try_from((index + 1) * (BATCH_SIZE - 1)).unwrap());
    }
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_message_that_bears_the_name_of_another_is_parked_at_once() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    let reported = ten_captures(&scene, 0).await;
    let mut messages: Vec<Message> = reported.iter().map(evidence).collect();
    let namesake = spoiled(&reported[3], |body| body["data"]["amount"]["value"] = json!("99.00"));
    messages.insert(7, namesake);
    assert_eq!(queue.deliver(&messages, 1).await, Vec::<usize>::new());
    let parked = queue.parked();
    assert_eq!((parked.len(), parked[0].0.as_str()), (1, "idempotency_conflict"));
    assert_eq!(scene.test.count(PAID).await, i64::try_from(BATCH_SIZE).unwrap());
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn evidence_and_decisions_of_one_group_keep_their_order_within_a_batch() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    let invoice = scene.invoice("100.00").await;
    let answered = |number: u128, value: &str| {
        evidence(&TestEvidence::reported(FactKind::Refund, "pi_1", &refund_id(number).to_string(), euro(value)))
    };
    let messages = [
        evidence(&TestEvidence::claim("pi_1", Some(invoice), euro("100.00"))),
        evidence(&TestEvidence::capture("pi_1", Some(invoice), euro("60.00"))),
        // More than was captured by then, although the rest follows in the same batch.
        ordered(refund("stripe:pi_1", 1, "70.00")),
        evidence(&TestEvidence::capture("pi_1", Some(invoice), euro("40.00")).moving("second capture")),
        ordered(refund("stripe:pi_1", 2, "70.00")),
        answered(2, "70.00"),
        ordered(refund("stripe:pi_1", 3, "30.00")),
        ordered(refund("stripe:pi_1", 4, "0.01")),
    ];
    for _ in 0..2 {
        assert_eq!(queue.deliver(&messages, 1).await, Vec::<usize>::new());
        assert_eq!(queue.parked(), []);
        let statuses = "select string_agg(status, ' ' order by id) from payments.refunds";
        assert_eq!(scene.test.text(statuses).await, "refused succeeded requested refused");
        assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "30", "0"]);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_refund_of_nothing_or_less_is_no_command() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00"))]).await;
    let (group, body) = ordered(refund("stripe:pi_1", 1, "60.00"));
    for amount in ["0.00", "-60.00", "", "1e2", "60,00"] {
        let mut body: Value = serde_json::from_str(&body).unwrap();
        body["data"]["amount"]["value"] = json!(amount);
        assert_eq!(queue.deliver(&[(group.clone(), body.to_string())], 1).await, Vec::<usize>::new());
        let parked = queue.parked();
        assert_eq!((parked.len(), parked[0].0.as_str()), (1, "malformed"), "{amount}");
    }
    assert_eq!(scene.test.refunds().await, []);
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_parked_and_everything_comes_back() {
    let scene = Scene::begin().await;
    let queue = Queue::of(&scene);
    let reported = ten_captures(&scene, 0).await;
    let messages: Vec<Message> = reported.iter().map(evidence).collect();
    scene.processor.pool().await.unwrap().close().await;
    for count in [1, BATCH_SIZE] {
        assert!(queue.hand_out(&messages[..count], 90).await.is_err());
    }
    assert_eq!(queue.parked(), []);
}
