use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::signature;

fn verify(signature: &str, body: &str) -> Result<(), Forged> {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(signature).unwrap());
    let secrets = ["old".to_owned(), "new".to_owned()];
    GoCardless.verify(&headers, body.as_bytes(), &secrets, DateTime::UNIX_EPOCH)
}

#[test]
fn a_signature_by_any_secret_in_rotation_is_ours_and_every_changed_byte_is_not() {
    let body = r#"{"events":[]}"#;
    for secret in ["old", "new"] {
        let signature = signature::sign(secret.as_bytes(), body);
        assert_eq!(verify(&hex::encode(&signature), body), Ok(()));
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            assert_eq!(verify(&hex::encode(changed), body), Err(Forged::WrongSignature));
        }
        for place in 0..body.len() {
            let mut changed = body.as_bytes().to_vec();
            changed[place] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify(&hex::encode(&signature), &changed), Err(Forged::WrongSignature));
        }
    }
    assert_eq!(verify("no hexadecimal", body), Err(Forged::NoSignature));
    assert_eq!(GoCardless.verify(&HeaderMap::new(), b"", &[], DateTime::UNIX_EPOCH), Err(Forged::NoSignature));
}

#[test]
fn an_empty_secret_makes_no_signature() {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(&hex::encode(signature::sign(b"", "{}"))).unwrap());
    assert_eq!(GoCardless.verify(&headers, b"{}", &[String::new()], DateTime::UNIX_EPOCH), Err(Forged::WrongSignature));
}

fn read(resource_type: &str, action: &str) -> WebhookNotice {
    let event = json!({
        "id": "EV1", "created_at": "2026-11-02T12:00:00.000Z", "resource_type": resource_type, "action": action,
        "links": {"payment": "PM1", "refund": "RF1"},
    });
    let notices = GoCardless.read(json!({"events": [event]}).to_string().as_bytes(), None).unwrap();
    notices.into_iter().next().unwrap()
}

#[test]
fn an_event_of_a_payment_or_refund_leads_to_an_inquiry() {
    use FactKind::{Capture, DisputeLost, DisputeWon, Failure, Refund, RefundFailure, Reversal};
    for (resource, action, asked, kinds) in [
        ("payments", "confirmed", "payments/PM1", vec![Capture]),
        ("payments", "failed", "payments/PM1", vec![Failure, Reversal]),
        ("payments", "charged_back", "payments/PM1", vec![DisputeLost]),
        ("payments", "chargeback_cancelled", "payments/PM1", vec![DisputeWon]),
        ("refunds", "paid", "refunds/RF1", vec![Refund]),
        ("refunds", "bounced", "refunds/RF1", vec![RefundFailure]),
    ] {
        let WebhookNotice::Inquire(ask) = read(resource, action) else { panic!("{resource}.{action} is a question") };
        assert_eq!((ask.resource.as_str(), ask.kinds, ask.event_id.as_str()), (asked, kinds, "EV1"));
    }
}

#[test]
fn what_moves_no_money_of_ours_is_ignored_with_a_reason_and_what_is_new_is_unknown() {
    for (resource, action) in [
        ("payouts", "paid"),
        ("payments", "paid_out"),
        ("payments", "created"),
        ("payments", "submitted"),
        ("mandates", "active"),
        ("refunds", "created"),
    ] {
        assert!(matches!(read(resource, action), WebhookNotice::Ignored { .. }), "{resource}.{action}");
    }
    for (resource, action) in [("payments", "teleported"), ("novelties", "created")] {
        assert_eq!(read(resource, action), WebhookNotice::Unknown { event_type: format!("{resource}.{action}") });
    }
}

#[test]
fn an_id_that_would_lead_elsewhere_is_not_inquired_about() {
    for id in [json!("../customers/CU1"), json!("PM1?x=1"), json!(""), json!(null)] {
        let event = json!({
            "id": "EV1", "created_at": "2026-11-02T12:00:00Z", "resource_type": "payments", "action": "confirmed",
            "links": {"payment": id},
        });
        let good = json!({
            "id": "EV2", "created_at": "2026-11-02T12:00:00Z", "resource_type": "payments", "action": "confirmed",
            "links": {"payment": "PM2"},
        });
        let notices = GoCardless.read(json!({"events": [event, good]}).to_string().as_bytes(), None).unwrap();
        assert!(
            matches!(notices.as_slice(), [WebhookNotice::Unreadable(_), WebhookNotice::Inquire(_)]),
            "{id}: the others count"
        );
    }
    assert!(GoCardless.read(b"{}", None).is_err());
}
