//! Fuzz tests of webhooks: no panic, and nothing accepted without a signature.

use http::HeaderValue;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn signed_headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(signature) {
        headers.insert("stripe-signature", value.clone());
        headers.insert("webhook-signature", value);
    }
    headers
}

fn webhooks() -> impl Iterator<Item = &'static dyn WebhookParser> {
    ALL.iter().filter_map(|provider| provider.webhooks())
}

/// A valid body of each provider, to be corrupted.
fn bodies() -> [String; 3] {
    let intent =
        json!({"id": "pi_1", "amount": 100, "amount_received": 100, "currency": "eur", "latest_charge": "ch_1"});
    let stripe = json!({"id": "evt_1", "type": "payment_intent.succeeded", "created": 1, "data": {"object": intent}});
    let item = json!({
        "additionalData": {"hmacSignature": "AA=="}, "amount": {"currency": "EUR", "value": 100}, "eventCode": "REFUND",
        "eventDate": "2026-11-02T13:00:00+01:00", "merchantAccountCode": "M", "merchantReference": "R",
        "originalReference": "P0", "pspReference": "P1", "success": "true",
    });
    let adyen = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]});
    let event = json!({
        "id": "EV1", "created_at": "2026-11-02T12:00:00Z", "resource_type": "refunds", "action": "paid",
        "links": {"refund": "RF1"},
    });
    [stripe.to_string(), adyen.to_string(), json!({"events": [event]}).to_string()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_or_refused_and_never_believed(body in vec(any::<u8>(), 0..400), header in "[ -~]{0,200}") {
        for webhooks in webhooks() {
            let _ = webhooks.read(&body, None);
            let verdict = webhooks.verify(&signed_headers(&header), &body, &["secret".to_owned()], DateTime::UNIX_EPOCH);
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn a_body_with_a_part_replaced_is_read_or_refused(which in 0..3_usize, at in any::<usize>(), cut in 0..20_usize, put in "[ -~]{0,20}") {
        let bodies = bodies();
        let body = &bodies[which];
        let start = at % body.len();
        let end = (start + cut).min(body.len());
        let spoiled = format!("{}{put}{}", &body[..start], &body[end..]);
        for webhooks in webhooks() {
            let _ = webhooks.read(spoiled.as_bytes(), None);
            let headers = signed_headers("t=1,v1=00");
            let verdict = webhooks.verify(&headers, spoiled.as_bytes(), &["00ff".to_owned()], DateTime::UNIX_EPOCH);
            prop_assert!(verdict.is_err());
        }
    }
}

#[test]
fn the_bodies_that_are_spoiled_are_good_ones() {
    for (body, webhooks) in bodies().iter().zip(webhooks()) {
        let notices = webhooks.read(body.as_bytes(), None).unwrap();
        assert!(matches!(notices.as_slice(), [WebhookNotice::Evidence(_) | WebhookNotice::Inquire(_)]), "{body}");
    }
}

#[test]
fn each_provider_is_found_by_its_name_alone() {
    for provider in ALL {
        assert_eq!(by_name(provider.name()).map(ProviderModule::name), Some(provider.name()));
    }
    assert!(by_name("Stripe").is_none() && by_name("").is_none());
}
