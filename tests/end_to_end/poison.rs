//! A message that cannot be parsed is parked at its first delivery and delays no other.

use serde_json::{Value, json};

use super::{Scene, euros, fresh, scene, until};

/// A command that confirms a payment without an invoice.
fn command(transaction_id: &str) -> String {
    json!({
        "specversion": "1.0", "id": "019a3f60-0002-7000-8000-000000000002", "source": "/quittance/test",
        "subject": transaction_id, "time": "2026-11-02T12:00:00Z", "datacontenttype": "application/json",
        "dataschema": "urn:quittance:ConfirmPayment:1", "correlationid": "test", "type": "ConfirmPayment",
        "data": {
            "transaction_id": transaction_id, "provider": "manual", "kind": "settlement", "amount": euros("1.00"),
            "door": "api", "event_id": transaction_id, "movement": transaction_id, "actor": "test",
            "occurred_at": "2026-11-02T12:00:00Z",
        },
    })
    .to_string()
}

impl Scene {
    fn enqueue(&self, group: &str, body: &str) {
        let queue = self.stack.output("PaymentsQueueUrl").unwrap();
        self.stack.aws().unwrap().sqs_send(queue, body, Some((group, &fresh("dedup")))).unwrap();
    }

    /// The message with this body in the payments' dead-letter queue, once it is there.
    fn parked(&self, body: &str) -> Value {
        let queue = self.stack.output("PaymentsDeadLetterQueueUrl").unwrap();
        until("the message to be parked", || {
            let messages = self.stack.aws().unwrap().sqs_peek(queue).unwrap();
            messages.into_iter().find(|message| message["Body"] == body)
        })
    }
}

#[test]
fn poison_is_parked_with_its_reason_at_once_and_the_messages_behind_it_are_settled() {
    let scene = scene();
    let run = fresh("poison");
    let unreadable = format!("no JSON at all, {run}");
    let unknown = command(&format!("manual:{run}-unknown")).replace("ConfirmPayment", "ForgetPayment");
    let future = command(&format!("manual:{run}-future")).replace("ConfirmPayment:1", "ConfirmPayment:2");
    let negative = command(&format!("manual:{run}-negative")).replace("\"1.00\"", "\"-1.00\"");
    let (same, other) = (format!("manual:{run}-same"), format!("manual:{run}-other"));
    let poison = [
        (&unreadable, "malformed"),
        (&unknown, "unknown_type"),
        (&future, "unknown_version"),
        (&negative, "malformed"),
    ];
    for (body, _) in poison {
        scene.enqueue(&run, body);
    }
    scene.enqueue(&run, &command(&same));
    scene.enqueue(&other, &command(&other));
    // All waits end long before the queue would redeliver anything.
    for name in [&same, &other] {
        scene.wait_for_payment(name, "confirmed");
    }
    for (body, code) in poison {
        let message = scene.parked(body);
        let attribute =
            |name: &str| message["MessageAttributes"][name]["StringValue"].as_str().unwrap_or("").to_owned();
        assert_eq!(attribute("code"), code, "{message}");
        assert!(!attribute("reason").is_empty(), "{message}");
        assert!(!attribute("source_message_id").is_empty(), "{message}");
        assert!(!attribute("reason").contains("no JSON at all"), "the reason repeats the body");
    }
    assert_eq!(scene.facts_of(&run), 2);
}
