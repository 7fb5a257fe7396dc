//! Spans reach a collector by OTLP, in the trace that the messages belong to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::SqsEvent;
use axum::body::Bytes;
use chrono::Utc;
use http::Uri;
use quittance_domain::command::PaymentCommand;
use quittance_lambda::batch::attempts::DeliveryAttempts;
use quittance_lambda::batch::{self, BatchMode, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::spans;
use serde_json::json;
use uuid::Uuid;

use crate::database::scene::{TestEvidence, money};
use crate::loopback::Loopback;

/// Paths and bodies of the requests to a collector.
type Taken = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A collector that accepts everything.
async fn collector() -> (String, Taken) {
    let taken = Taken::default();
    let kept = Arc::clone(&taken);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answering = axum::Router::new().fallback(async move |uri: Uri, body: Bytes| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push((uri.to_string(), body));
    });
    tokio::spawn(async move { axum::serve(listener, answering).await });
    (url, taken)
}

/// Whether a byte string contains another.
fn holds(body: &Bytes, part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn command(correlation_id: Uuid) -> CloudEvent<PaymentCommand> {
    let command = PaymentCommand::ConfirmPayment(TestEvidence::capture("pi_1", None, money("5.00", "EUR")).evidence);
    let subject = "stripe:pi_1".to_owned();
    CloudEvent::new(Uuid::now_v7(), "test", subject, Utc::now(), correlation_id.to_string(), command)
}

/// The span id of a message, in OTLP's format.
fn span_id(command: &CloudEvent<PaymentCommand>) -> [u8; 8] {
    let traceparent = command.traceparent.as_deref().unwrap();
    u64::from_str_radix(traceparent.split('-').nth(2).unwrap(), 16).unwrap().to_be_bytes()
}

#[tokio::test]
async fn a_handled_message_and_what_it_sends_are_spans_of_its_trace_each_under_the_one_before() {
    let (url, taken) = collector().await;
    spans::start(&url, "test-function").unwrap();
    let correlation_id = Uuid::now_v7();
    let (came, sent) = (command(correlation_id), command(correlation_id));
    let record = json!({
        "messageId": "m1", "body": came.to_json().unwrap(), "attributes": {"MessageGroupId": "stripe:pi_1"},
    });
    let event: SqsEvent = serde_json::from_value(json!({"Records": [record]})).unwrap();
    let loopback = Loopback::serve();
    let queue = loopback.payments_queue();
    let handle = async |_: &[Record]| {
        queue.send(std::slice::from_ref(&sent)).await.unwrap();
        Ok(vec![RecordOutcome::Done])
    };
    let park = async |_: &Record, _: &PermanentFailure| Ok(());
    let deadline = SystemTime::now() + Duration::from_secs(60);
    batch::run(event, deadline, BatchMode::OneByOne, &DeliveryAttempts::default(), handle, park).await.unwrap();
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let of_trace = taken.iter().filter(|(_, body)| holds(body, correlation_id.as_bytes()));
    let bodies: Vec<&Bytes> = of_trace.map(|(path, body)| (assert_eq!(path, "/v1/traces"), body).1).collect();
    for text in ["test-function", "handle ConfirmPayment", "send ConfirmPayment"] {
        assert!(bodies.iter().any(|body| holds(body, text.as_bytes())), "{text}");
    }
    assert!(bodies.iter().any(|body| holds(body, &span_id(&came))), "what was handled hangs under what came");
    assert!(bodies.iter().any(|body| holds(body, &span_id(&sent))), "what was sent has the span id of its envelope");
}
