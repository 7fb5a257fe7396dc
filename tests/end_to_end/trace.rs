//! One trace from the caller's request to the platform's webhook, through queues, the outbox and the topic.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{euros, fresh, scene, send, until};

/// The number of audit records with that correlation id.
const RECORDED: &str = "select count(*) from audit.records where correlation_id = $1";

#[test]
fn a_trace_that_a_caller_began_goes_on_to_the_last_function_and_to_the_platform() {
    let scene = scene();
    let (invoice, name, trace) = (scene.new_invoice(), fresh("traced"), Uuid::now_v7().simple().to_string());
    let (authorization, key) = (format!("Bearer {}", scene.gateway), fresh("key"));
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", &key), ("traceparent", &traceparent)];
    let body = json!({"invoice_id": invoice, "amount": euros("100.00")}).to_string();
    let confirmed = send(&scene.stack, "POST", &format!("/v1/payments/{name}/confirmation"), &headers, &body);
    assert_eq!(confirmed.status, 202, "{}", confirmed.body);
    let reported: Value = until("the platform to be told", || {
        let deliveries = scene.stack.deliveries().unwrap();
        let bodies = deliveries.iter().filter_map(|delivery| serde_json::from_str(&delivery.body).ok());
        bodies.into_iter().find(|body: &Value| body["subject"] == json!(invoice) && body["type"] == "invoice.paid")
    });
    let of_event = reported["traceparent"].as_str().unwrap();
    assert!(of_event.starts_with(&format!("00-{trace}-")) && of_event != traceparent, "{of_event}");
    assert_eq!(scene.count(RECORDED, &trace), 1);
    for (function, message) in [
        ("validator", "answered"),
        ("processor", "decided"),
        ("processor", "done"),
        ("ledger", "done"),
        ("receipt", "done"),
        ("notification", "done"),
        ("webhook", "done"),
    ] {
        let group = format!("/aws/lambda/{}-{function}", scene.stack.cloudformation_name());
        until(&format!("{function} to have logged the trace"), || {
            let lines = scene.stack.aws().unwrap().log_events(&group).unwrap();
            let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.message).ok());
            lines
                .filter(|line| line["trace_id"] == json!(trace) && line["correlation_id"] == json!(trace))
                .any(|line| line["message"] == message)
                .then_some(())
        });
    }
}
