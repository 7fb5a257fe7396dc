use http::HeaderValue;

use quittance_domain::command::Evidence;
use quittance_domain::fact::FactKind;
use quittance_domain::money::Money;
use serde_json::{Value, json};

use super::*;
use crate::signature;

const SIGNED_AT: i64 = 1_700_000_000;

fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    hex::encode(signature::sign(secret.as_bytes(), &format!("{timestamp}.{body}")))
}

fn verify(header: &str, body: &str, age: i64) -> Result<(), Forged> {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(header).unwrap());
    let secrets = ["whsec_old".to_owned(), "whsec_new".to_owned()];
    Stripe.verify(&headers, body.as_bytes(), &secrets, DateTime::from_timestamp(SIGNED_AT + age, 0).unwrap())
}

#[test]
fn a_signature_by_any_secret_in_rotation_is_ours_among_several() {
    for secret in ["whsec_old", "whsec_new"] {
        let header = format!("t={SIGNED_AT},v1={},v0=ab,v1={}", "00".repeat(32), sign(secret, SIGNED_AT, "{}"));
        assert_eq!(verify(&header, "{}", 0), Ok(()));
    }
}

#[test]
fn a_changed_byte_another_secret_or_a_moved_time_is_forged() {
    let signature = sign("whsec_new", SIGNED_AT, "{}");
    assert_eq!(verify(&format!("t={SIGNED_AT},v1={signature}"), "{} ", 0), Err(Forged::WrongSignature));
    assert_eq!(verify(&format!("t={},v1={signature}", SIGNED_AT + 1), "{}", 0), Err(Forged::WrongSignature));
    let foreign = sign("whsec_other", SIGNED_AT, "{}");
    assert_eq!(verify(&format!("t={SIGNED_AT},v1={foreign}"), "{}", 0), Err(Forged::WrongSignature));
}

#[test]
fn a_signature_counts_for_three_hundred_seconds_either_way() {
    let header = format!("t={SIGNED_AT},v1={}", sign("whsec_new", SIGNED_AT, "{}"));
    for (age, verdict) in
        [(299, Ok(())), (300, Ok(())), (301, Err(Forged::Stale)), (-300, Ok(())), (-301, Err(Forged::Stale))]
    {
        assert_eq!(verify(&header, "{}", age), verdict, "{age}");
    }
}

#[test]
fn a_header_without_time_or_signature_is_no_signature() {
    for header in ["", "v1=00", "t=1", "t=1,v1=zz", "t=1,v0=00", "nonsense"] {
        assert_eq!(verify(header, "{}", 0), Err(Forged::NoSignature), "{header}");
    }
    assert_eq!(Stripe.verify(&HeaderMap::new(), b"{}", &[], DateTime::UNIX_EPOCH), Err(Forged::NoSignature));
}

/// The one notice of an event.
fn notice(event_type: &str, object: Value) -> WebhookNotice {
    let body = json!({"id": "evt_1", "type": event_type, "created": SIGNED_AT, "data": {"object": object}});
    let notices = Stripe.read(body.to_string().as_bytes(), None).unwrap();
    <[WebhookNotice; 1]>::try_from(notices)
        .unwrap_or_else(|notices| panic!("one notice: {notices:?}"))
        .into_iter()
        .next()
        .unwrap()
}

fn evidence(event_type: &str, object: Value) -> Evidence {
    match notice(event_type, object) {
        WebhookNotice::Evidence(evidence) => *evidence,
        other => panic!("{event_type} is evidence, not {other:?}"),
    }
}

fn is_ignored(event_type: &str, object: Value) -> bool {
    matches!(notice(event_type, object), WebhookNotice::Ignored { .. })
}

fn intent(currency: &str) -> Value {
    json!({
        "id": "pi_1", "amount": 12_000, "amount_received": 11_900, "amount_capturable": 11_800, "currency": currency,
        "latest_charge": "ch_1", "metadata": {"invoice_id": "inv_00000000000000000000000000000007"},
    })
}

fn euro(value: &str) -> Money {
    Money::parse(value, "EUR").unwrap()
}

#[test]
fn a_succeeded_intent_is_a_capture_of_what_was_received() {
    let evidence = evidence("payment_intent.succeeded", intent("eur"));
    assert_eq!((evidence.kind, evidence.amount.map(Money::from)), (FactKind::Capture, Some(euro("119.00"))));
    assert_eq!(evidence.transaction_id.as_str(), "stripe:pi_1");
    assert_eq!(evidence.references.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["stripe:ch_1"]);
    assert_eq!(evidence.event_id, "stripe:evt_1");
    assert!(evidence.invoice.is_some());
}

#[test]
fn an_intents_other_events_report_what_is_held_what_failed_and_what_expired() {
    let mut given_up = intent("eur");
    given_up["cancellation_reason"] = json!("abandoned");
    let mut cancelled = intent("eur");
    cancelled["cancellation_reason"] = json!("requested_by_customer");
    let mut held = intent("eur");
    held["amount_received"] = json!(0);
    for (event_type, object, kind, value) in [
        ("payment_intent.amount_capturable_updated", held, FactKind::Authorisation, "118.00"),
        ("payment_intent.payment_failed", intent("eur"), FactKind::Failure, "120.00"),
        ("payment_intent.canceled", given_up, FactKind::Expiry, "120.00"),
        ("payment_intent.canceled", cancelled, FactKind::Failure, "120.00"),
    ] {
        let evidence = evidence(event_type, object);
        assert_eq!((evidence.kind, evidence.amount.map(Money::from)), (kind, Some(euro(value))), "{event_type}");
    }
}

#[test]
fn currencies_that_stripe_scales_otherwise_than_iso_keep_their_value() {
    for (currency, value) in [("jpy", "11900"), ("isk", "119"), ("ugx", "119"), ("mga", "11900"), ("kwd", "11.900")] {
        let evidence = evidence("payment_intent.succeeded", intent(currency));
        assert_eq!(evidence.amount.map(Money::from), Some(Money::parse(value, &currency.to_uppercase()).unwrap()));
    }
}

#[test]
fn a_charge_is_a_payment_only_without_an_intent() {
    let charge = |intent: Value, captured: bool| {
        json!({
            "id": "ch_1", "amount": 5_000, "amount_captured": if captured { 4_000 } else { 0 }, "captured": captured,
            "currency": "eur", "payment_intent": intent,
        })
    };
    assert!(is_ignored("charge.succeeded", charge(json!("pi_1"), true)));
    let captured = evidence("charge.succeeded", charge(Value::Null, true));
    assert_eq!((captured.kind, captured.amount.map(Money::from)), (FactKind::Capture, Some(euro("40.00"))));
    assert_eq!(captured.transaction_id.as_str(), "stripe:ch_1");
    assert_eq!(evidence("charge.succeeded", charge(Value::Null, false)).kind, FactKind::Authorisation);
}

fn refund(status: &str, metadata: Value) -> Value {
    json!({
        "id": "re_1", "amount": 3_000, "currency": "eur", "status": status, "charge": "ch_1",
        "payment_intent": {"id": "pi_1", "object": "payment_intent"}, "metadata": metadata,
    })
}

#[test]
fn a_refund_is_known_by_our_id_if_it_carries_one_and_belongs_to_its_intent() {
    let ours = "ref_00000000000000000000000000000001";
    for (metadata, movement) in
        [(json!({"refund_id": ours}), ours), (json!({"refund_id": "x"}), "re_1"), (json!({}), "re_1")]
    {
        let evidence = evidence("refund.created", refund("succeeded", metadata));
        assert_eq!(
            (evidence.kind, evidence.amount.map(Money::from), evidence.movement.as_str()),
            (FactKind::Refund, Some(euro("30.00")), movement)
        );
        assert_eq!(evidence.transaction_id.as_str(), "stripe:pi_1");
    }
    assert_eq!(evidence("refund.updated", refund("failed", json!({}))).kind, FactKind::RefundFailure);
    assert!(is_ignored("refund.created", refund("pending", json!({}))));
}

#[test]
fn each_refund_within_a_charge_of_an_older_api_version_has_an_event_id_of_its_own() {
    let mut second = refund("succeeded", json!({}));
    second["id"] = json!("re_2");
    let object = json!({
        "id": "ch_1", "amount": 5_000, "currency": "eur", "payment_intent": "pi_1",
        "refunds": {"data": [refund("succeeded", json!({})), second]},
    });
    let body = json!({"id": "evt_1", "type": "charge.refunded", "created": SIGNED_AT, "data": {"object": object}});
    let notices = Stripe.read(body.to_string().as_bytes(), None).unwrap();
    let names: Vec<_> = notices
        .iter()
        .map(|notice| match notice {
            WebhookNotice::Evidence(evidence) => (evidence.event_id.as_str(), evidence.movement.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("stripe:evt_1:re_1", "re_1"), ("stripe:evt_1:re_2", "re_2")]);
}

#[test]
fn a_dispute_is_open_until_it_is_won_or_lost_and_an_inquiry_is_none() {
    let dispute = |status: &str| json!({"id": "dp_1", "amount": 5_000, "currency": "eur", "status": status, "charge": "ch_1", "payment_intent": null});
    for (event_type, status, kind) in [
        ("charge.dispute.created", "needs_response", FactKind::Dispute),
        ("charge.dispute.funds_withdrawn", "needs_response", FactKind::Dispute),
        ("charge.dispute.closed", "won", FactKind::DisputeWon),
        ("charge.dispute.closed", "lost", FactKind::DisputeLost),
        ("charge.dispute.closed", "charge_refunded", FactKind::DisputeWon),
    ] {
        let evidence = evidence(event_type, dispute(status));
        assert_eq!((evidence.kind, evidence.movement.as_str()), (kind, "dp_1"));
        assert_eq!(evidence.transaction_id.as_str(), "stripe:ch_1");
    }
    assert!(is_ignored("charge.dispute.created", dispute("warning_needs_response")));
    assert!(is_ignored("charge.dispute.closed", dispute("warning_closed")));
}

#[test]
fn what_moves_no_money_of_ours_is_ignored_with_a_reason_and_what_is_new_is_unknown() {
    for event_type in
        ["payout.paid", "customer.created", "payment_intent.created", "issuing_card.created", "tax.settings.updated"]
    {
        assert!(is_ignored(event_type, json!({})), "{event_type}");
    }
    for event_type in ["payment_intent.paid_twice", "charge.dispute.appealed", "refund.reversed", "novelty"] {
        assert_eq!(notice(event_type, json!({})), WebhookNotice::Unknown { event_type: event_type.to_owned() });
    }
}

#[test]
fn an_authentic_body_that_lacks_what_its_type_must_have_is_unreadable_and_not_repeated() {
    for object in [
        json!({}),
        json!({"id": "pi_1", "amount": 1, "currency": "xxx"}),
        json!({"id": "pi 1", "amount": 1, "amount_received": 1, "currency": "eur"}),
    ] {
        let body = json!({"id": "evt_1", "type": "payment_intent.succeeded", "created": 1, "data": {"object": object}});
        let error = Stripe.read(body.to_string().as_bytes(), None).unwrap_err().to_string();
        assert!(!error.contains("pi 1"), "{error}");
    }
    assert!(Stripe.read(b"{}", None).is_err());
    let nothing = json!({"id": "pi_1", "amount": 0, "amount_received": 0, "currency": "eur"});
    let body = json!({"id": "evt_1", "type": "payment_intent.succeeded", "created": 1, "data": {"object": nothing}});
    assert!(Stripe.read(body.to_string().as_bytes(), None).is_err());
}

#[test]
fn with_multicapture_what_was_received_counts_and_not_what_can_still_be_captured() {
    let step = |received: i64, capturable: i64| {
        let object = json!({
            "id": "pi_1", "amount": 100_000, "amount_received": received, "amount_capturable": capturable,
            "currency": "eur", "status": "requires_capture",
        });
        let evidence = evidence("payment_intent.amount_capturable_updated", object);
        (evidence.kind, evidence.amount.map(Money::from), evidence.movement)
    };
    assert_eq!(step(0, 100_000), (FactKind::Authorisation, Some(euro("1000.00")), "pi_1".to_owned()));
    assert_eq!(step(60_000, 40_000), (FactKind::PartialCapture, Some(euro("600.00")), "pi_1".to_owned()));
    assert_eq!(step(100_000, 0), (FactKind::PartialCapture, Some(euro("1000.00")), "pi_1".to_owned()));
}

#[test]
fn what_a_lost_dispute_gives_back_is_a_part_of_it() {
    let dispute = |status: &str, currency: &str| {
        json!({
            "id": "dp_1", "amount": 10_000, "currency": "eur", "status": status, "charge": "ch_1", "payment_intent": "pi_1",
            "balance_transactions": [
                {"amount": -10_000, "currency": "eur"}, {"amount": 3_000, "currency": "eur"},
                {"amount": 1_000, "currency": currency},
            ],
        })
    };
    let evidence = evidence("charge.dispute.funds_reinstated", dispute("lost", "eur"));
    let reported = (evidence.kind, evidence.amount.map(Money::from), evidence.movement.as_str());
    assert_eq!(reported, (FactKind::DisputeReinstatement, Some(euro("40.00")), "dp_1"));
    assert!(is_ignored("charge.dispute.funds_reinstated", dispute("won", "eur")), "its end says so");
    let foreign = json!({
        "id": "evt_1", "type": "charge.dispute.funds_reinstated", "created": SIGNED_AT,
        "data": {"object": dispute("lost", "usd")},
    });
    assert!(Stripe.read(foreign.to_string().as_bytes(), None).is_err(), "it is kept for people");
}

#[test]
fn refunds_that_a_refunded_charge_does_not_list_are_inquired_about() {
    for refunds in
        [Value::Null, json!({"data": []}), json!({"data": [refund("succeeded", json!({}))], "has_more": true})]
    {
        let charge =
            json!({"id": "ch_1", "amount": 5_000, "currency": "eur", "payment_intent": "pi_1", "refunds": refunds});
        let WebhookNotice::Inquire(inquiry) = notice("charge.refunded", charge) else { panic!("it is a question") };
        assert_eq!((inquiry.resource.as_str(), inquiry.event_id.as_str()), ("charges/ch_1", "evt_1"));
    }
}

#[test]
fn money_that_stripe_holds_for_a_customer_is_seen_before_it_is_ours() {
    let funded = json!({
        "id": "pi_1", "amount": 10_000, "amount_received": 0, "amount_capturable": 0, "currency": "eur",
        "status": "requires_action", "metadata": {"invoice_id": "inv_00000000000000000000000000000007"},
        "next_action": {"display_bank_transfer_instructions": {"amount_remaining": 4_000, "currency": "eur"}},
    });
    let partly = evidence("payment_intent.partially_funded", funded);
    assert_eq!((partly.kind, partly.amount.map(Money::from)), (FactKind::Authorisation, Some(euro("60.00"))));
    let balance = json!({"object": "cash_balance", "customer": "cus_1", "available": {"eur": 2_500, "usd": 0}});
    let held = evidence("cash_balance.funds_available", balance);
    assert_eq!((held.kind, held.amount.map(Money::from)), (FactKind::Authorisation, Some(euro("25.00"))));
    assert_eq!(held.transaction_id.as_str(), "stripe:cash_balance:cus_1:eur");
    assert_eq!(held.event_id, "stripe:evt_1:eur");
}

#[test]
fn an_event_of_a_connected_account_is_ours_only_if_that_account_is_configured() {
    let body = json!({
        "id": "evt_1", "type": "payment_intent.succeeded", "created": SIGNED_AT, "account": "acct_1",
        "data": {"object": intent("eur")},
    });
    for (configured, is_ours) in [(None, false), (Some("acct_2"), false), (Some("acct_1"), true)] {
        let notices = Stripe.read(body.to_string().as_bytes(), configured).unwrap();
        assert_eq!(matches!(notices.as_slice(), [WebhookNotice::Evidence(_)]), is_ours, "{configured:?}");
        let listed = events::read_all(std::slice::from_ref(&body), configured);
        assert_eq!(listed, notices, "a listed event is read alike");
    }
    assert!(
        matches!(notice("payment_intent.succeeded", intent("eur")), WebhookNotice::Evidence(_)),
        "an event of our own"
    );
}
