//! The main scenario, as played by `cargo xtask demo`.

use std::time::{SystemTime, UNIX_EPOCH};

use standardwebhooks::Webhook;
use ureq::http::{HeaderMap, HeaderValue};
use xtask::bff::Delivery;

use super::scene;

#[test]
fn the_demonstration_holds() {
    let stack = &scene().stack;
    let begin_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let report = xtask::demo::play(stack).unwrap();
    assert!(report.holds(), "{}", report.text());
    for (figure, expected) in
        [("invoices", 12), ("paid", 12), ("receipts", 12), ("parked", 1), ("lost", 0), ("twice", 0)]
    {
        assert_eq!(report.figures[figure], expected, "{figure} in {}", report.figures);
    }
    assert_eq!(report.figures["ledger_sum"], "0");
    // The demonstration has registered it: the same key returns the same response.
    let secret = stack.register_bff().unwrap();
    let deliveries: Vec<Delivery> =
        stack.deliveries().unwrap().into_iter().filter(|delivery| delivery.received_ms >= begin_ms).collect();
    assert!(deliveries.len() >= 12, "{} webhooks", deliveries.len());
    for delivery in &deliveries {
        assert_is_signed(delivery, &secret);
    }
}

/// Another implementation of Standard Webhooks verifies the delivery, and rejects it once a byte is changed.
#[track_caller]
pub(super) fn assert_is_signed(delivery: &Delivery, secret: &str) {
    assert!(is_signed(delivery, secret), "{}", delivery.webhook_signature);
    let changed = Delivery { body: format!("{} ", delivery.body), ..delivery.clone() };
    assert!(!is_signed(&changed, secret));
}

/// Whether that implementation verifies the delivery.
pub(super) fn is_signed(delivery: &Delivery, secret: &str) -> bool {
    let receiver = Webhook::new(secret).unwrap();
    let headers = HeaderMap::from_iter([
        ("webhook-id".parse().unwrap(), HeaderValue::from_str(&delivery.webhook_id).unwrap()),
        ("webhook-timestamp".parse().unwrap(), HeaderValue::from_str(&delivery.webhook_timestamp).unwrap()),
        ("webhook-signature".parse().unwrap(), HeaderValue::from_str(&delivery.webhook_signature).unwrap()),
    ]);
    receiver.verify(delivery.body.as_bytes(), &headers).is_ok()
}
