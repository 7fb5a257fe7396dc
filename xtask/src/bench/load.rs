//! The processor's load: SQS events as Lambda passes them on, each message a `ConfirmPayment` for a gateway's capture.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

/// The invoices that are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invoices {
    /// Each payment pays an invoice of its own, in full.
    Spread,
    /// All payments pay parts of one large invoice.
    Hot,
}

impl Invoices {
    /// The name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Hot => "one hot",
        }
    }

    /// The invoice that a payment pays: number 0 is the hot one.
    pub(super) const fn paid_by(self, payment: u64) -> u64 {
        match self {
            Self::Spread => payment.saturating_add(1),
            Self::Hot => 0,
        }
    }
}

/// The amount of each payment. It equals the total of each spread invoice.
pub(super) const AMOUNT: &str = "1190.00";

/// The placeholder of a number in the message's pattern.
const NUMBER: &str = "@number@";
const NAME: &str = "@name@";
const INVOICE: &str = "@invoice@";

/// A part of a record: constant text, or a number.
#[derive(Debug)]
enum Piece {
    Text(String),
    Number,
    Name,
    Invoice,
}

/// An endless queue of payments, each returned once.
#[derive(Debug)]
pub(super) struct Load {
    record: Vec<Piece>,
    invoices: Invoices,
    /// The number of payments for which there are invoices.
    supply: u64,
    handed_out: AtomicU64,
}

impl Load {
    /// The payments 0 to `supply`.
    pub(super) fn new(invoices: Invoices, supply: u64) -> Self {
        Self { record: pieces(&pattern()), invoices, supply, handed_out: AtomicU64::new(0) }
    }

    /// The next `size` messages as a Lambda event; none when the invoices are used up.
    pub(super) fn next_event(&self, size: u64) -> Option<String> {
        let first = self.handed_out.fetch_add(size, Ordering::Relaxed);
        let end = first.checked_add(size).filter(|end| *end <= self.supply)?;
        let mut event = r#"{"Records":["#.to_owned();
        for payment in first..end {
            if payment > first {
                event.push(',');
            }
            self.write(payment, &mut event);
        }
        event.push_str("]}");
        Some(event)
    }

    fn write(&self, payment: u64, event: &mut String) {
        for piece in &self.record {
            match piece {
                Piece::Text(text) => event.push_str(text),
                Piece::Number => event.push_str(&format!("{payment:012x}")),
                Piece::Name => event.push_str(&name(payment)),
                Piece::Invoice => event.push_str(&format!("{:012x}", self.invoices.paid_by(payment))),
            }
        }
    }
}

/// The digits of a payment's number in reverse order: gateways' ids do not ascend, so neither do these.
fn name(payment: u64) -> String {
    format!("{payment:012}").chars().rev().collect()
}

/// A record with placeholders for its numbers.
fn pattern() -> String {
    let (transaction_id, movement) = (format!("stripe:pi_{NAME}KlZz9Yy8X0aB"), format!("pi_{NAME}KlZz9Yy8X0aB"));
    let command = json!({
        "specversion": "1.0",
        "id": format!("019a3f60-0001-7000-8000-{NUMBER}"),
        "source": "/quittance/validator",
        "subject": transaction_id,
        "time": "2026-11-02T12:00:01.250Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:quittance:ConfirmPayment:1",
        "correlationid": format!("019a3f60-0000-7000-8000-{NUMBER}"),
        "type": "ConfirmPayment",
        "data": {
            "transaction_id": transaction_id,
            "provider": "stripe",
            "kind": "capture",
            "amount": {"value": AMOUNT, "currency": "EUR"},
            "door": "gateway",
            "event_id": format!("stripe:evt_{NAME}Kl1a2B3c4D5e"),
            "movement": movement,
            "invoice": {"id": format!("inv_019a3f5f000070008000{INVOICE}")},
            "actor": "gateway:stripe",
            "occurred_at": "2026-11-02T11:59:50Z",
        },
    });
    let record = json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{NUMBER}"),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": command.to_string(),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1793620800123",
            "SenderId": "AROAEXAMPLE:quittance",
            "ApproximateFirstReceiveTimestamp": "1793620800456",
            "SequenceNumber": "18890000000000000000",
            "MessageGroupId": transaction_id,
            "MessageDeduplicationId": format!("{:052}{NUMBER}", 0),
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:quittance-payments.fifo",
        "awsRegion": "eu-central-1",
    });
    record.to_string()
}

/// Splits the pattern at its placeholders.
fn pieces(pattern: &str) -> Vec<Piece> {
    let parts = pattern.split('@').map(|part| match format!("@{part}@").as_str() {
        NUMBER => Piece::Number,
        NAME => Piece::Name,
        INVOICE => Piece::Invoice,
        _ => Piece::Text(part.to_owned()),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn commands(event: &str) -> Vec<Value> {
        let event: Value = serde_json::from_str(event).unwrap();
        let records = event["Records"].as_array().unwrap().iter();
        records.map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap()).collect()
    }

    #[test]
    fn each_message_is_a_payment_of_its_own() {
        let load = Load::new(Invoices::Spread, 20);
        let mut seen = commands(&load.next_event(10).unwrap());
        seen.extend(commands(&load.next_event(10).unwrap()));
        for pointer in ["/id", "/data/transaction_id", "/data/event_id", "/data/movement", "/data/invoice/id"] {
            let values: BTreeSet<&str> =
                seen.iter().map(|said| said.pointer(pointer).unwrap().as_str().unwrap()).collect();
            assert_eq!(values.len(), 20, "{pointer}");
        }
        assert_eq!(load.next_event(1), None, "the invoices have run out");
    }

    #[test]
    fn the_hot_invoice_is_paid_by_every_payment() {
        let load = Load::new(Invoices::Hot, 20);
        for command in commands(&load.next_event(10).unwrap()) {
            assert_eq!(command["data"]["invoice"]["id"], "inv_019a3f5f000070008000000000000000");
        }
    }

    #[test]
    fn no_mark_is_left_in_a_message() {
        let event = Load::new(Invoices::Spread, 1).next_event(1).unwrap();
        assert!(!event.contains('@'), "{event}");
        let id = serde_json::from_str::<Value>(&event).unwrap()["Records"][0]["messageId"].clone();
        assert_eq!(id, "059f36b4-87a3-44ab-83d2-000000000000");
    }
}
