mod charges;

use chrono::DateTime;
use quittance_domain::fact::FactKind;
use quittance_domain::money::{Money, PositiveMoney};
use serde_json::{Value, json};

use super::*;
use crate::by_name;

const REFUND: &str = "ref_00000000000000000000000000000001";

fn access() -> Access {
    Access { key: "secret-key".to_owned(), account: "Merchant".to_owned() }
}

fn request(payment: &str, value: &str, currency: &str) -> InitiateRefund {
    InitiateRefund {
        refund_id: REFUND.parse().unwrap(),
        payment_id: "pay_00000000000000000000000000000002".parse().unwrap(),
        transaction_id: payment.parse().unwrap(),
        provider: payment.split_once(':').unwrap().0.parse().unwrap(),
        amount: Money::parse(value, currency).and_then(Money::positive).unwrap(),
    }
}

fn euro(value: &str) -> PositiveMoney {
    Money::parse(value, "EUR").and_then(Money::positive).unwrap()
}

fn api(payment: &str) -> &'static dyn Api {
    by_name(payment.split_once(':').unwrap().0).unwrap().api().unwrap()
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse { status, body: body.to_string().into_bytes() }
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    call.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

#[test]
fn only_an_answer_about_the_call_itself_refuses_it() {
    let failure = |status: u16, reason: Option<&str>| {
        answer(status, &json!({})).command_failure(|_| reason.map(ToOwned::to_owned))
    };
    assert_eq!((failure(200, None), failure(201, Some("x"))), (None, None));
    for status in [400, 402, 404, 410, 422] {
        let refused = failure(status, Some("no_such_payment"));
        assert!(matches!(refused, Some(CommandResponse::Statement(PaymentStatement::Refused(_)))), "{status}");
        assert!(
            matches!(failure(status, None), Some(CommandResponse::Unknown(_))),
            "{status}: somebody else may have answered"
        );
    }
    for status in [301, 401, 403, 408, 409, 429, 500, 502, 503, 504] {
        assert!(matches!(failure(status, Some("x")), Some(CommandResponse::Unknown(_))), "{status}");
    }
}

/// Refusals of an inquiry with the gateway's own reason: a search that the account does not have, a filter that is
/// invalid, a payment that this key may not see.
fn refused_inquiries(provider: &str) -> Vec<HttpResponse> {
    let stripe = |code: &str| json!({"error": {"type": "invalid_request_error", "code": code}});
    let gocardless = |reason: &str| json!({"error": {"type": "invalid_api_usage", "errors": [{"reason": reason}]}});
    match provider {
        "stripe" => {
            let no_search = json!({"error": {"type": "invalid_request_error", "message": "Search is not available"}});
            vec![answer(400, &no_search), answer(404, &stripe("resource_missing"))]
        }
        _ => vec![answer(400, &gocardless("invalid_filters")), answer(404, &gocardless("resource_not_found"))],
    }
}

#[test]
fn an_inquiry_that_the_gateway_refuses_leaves_the_payment_unknown() {
    for (provider, resource) in [("stripe", "payment_intents/pi_1"), ("gocardless", "payments/PM1")] {
        let api = by_name(provider).unwrap().api().unwrap();
        for refused in refused_inquiries(provider) {
            for charge in [None, Some(charges::charge(provider, "MD1"))] {
                let found = api.looked_up(&charges::inquiry(provider, &[], charge), &refused).unwrap();
                assert!(matches!(found, InquiryResponse::Unknown(_)), "{provider}: {found:?}");
            }
            let queried = api.queried(&inquiry(resource, &[FactKind::Capture]), &refused).unwrap();
            assert!(matches!(queried, InquiryResponse::Unknown(_)), "{provider}: {queried:?}");
            assert!(matches!(api.parse_listing(&access(), &refused).unwrap(), ListedEvents::Trouble(_)), "{provider}");
        }
    }
}

#[test]
fn a_refund_stays_reserved_while_it_is_not_known_whether_it_was_requested_before() {
    for name in ["stripe:pi_1", "gocardless:PM1"] {
        for refused in refused_inquiries(name.split_once(':').unwrap().0) {
            for place in 0..before(name).len() {
                let mut answers = before(name);
                answers[place] = refused.clone();
                let next = api(name).refund(&access(), &request(name, "30.00", "EUR"), &answers).unwrap();
                assert!(matches!(next, RefundStep::Unknown(_)), "{name}: {next:?}");
            }
        }
    }
}

/// A gateway's responses if no refund was made yet.
fn before(payment: &str) -> Vec<HttpResponse> {
    let gocardless = json!({"payments": {"id": "PM1", "amount": 10_000, "amount_refunded": 500, "currency": "EUR"}});
    match payment.split_once(':').unwrap().0 {
        "stripe" => vec![answer(200, &json!({"data": []}))],
        "gocardless" => vec![answer(200, &json!({"refunds": []})), answer(200, &gocardless)],
        _ => Vec::new(),
    }
}

fn asked(payment: &str, value: &str, currency: &str) -> Call {
    match api(payment).refund(&access(), &request(payment, value, currency), &before(payment)).unwrap() {
        RefundStep::Call(call) => call,
        other => panic!("{payment} is not requested: {other:?}"),
    }
}

#[test]
fn each_refund_has_its_own_idempotency_key_and_the_gateways_units() {
    for (name, path, expected) in [
        ("stripe:pi_1", "/v1/refunds", "payment_intent=pi_1&amount=3000&metadata%5Brefund_id%5D=ref_"),
        ("stripe:ch_1", "/v1/refunds", "charge=ch_1&amount=3000"),
        ("stripe:py_1", "/v1/refunds", "charge=py_1&amount=3000"),
        ("adyen:PSP1", "/v71/payments/PSP1/refunds", r#""amount":{"currency":"EUR","value":3000}"#),
        ("gocardless:PM1", "/refunds", r#""total_amount_confirmation":3500"#),
    ] {
        let call = asked(name, "30.00", "EUR");
        assert_eq!((call.path.as_str(), header(&call, "idempotency-key")), (path, REFUND));
        assert!(call.body.as_ref().unwrap().contains(expected), "{:?}", call.body);
        assert!(call.body.unwrap().contains(REFUND), "{name}: the refund's id travels along");
    }
    assert!(asked("adyen:PSP1", "30", "ISK").body.unwrap().contains(r#""value":3000"#));
}

#[test]
fn a_refund_made_before_is_found_and_not_requested_again() {
    let ours = json!({"refund_id": REFUND});
    let made = json!({"id": "re_1", "amount": 3_000, "currency": "eur", "status": "succeeded", "created": 7, "metadata": ours});
    let found = vec![answer(200, &json!({"data": [{"id": "re_0", "amount": 1, "currency": "eur"}, made]}))];
    let next = api("stripe:pi_1").refund(&access(), &request("stripe:pi_1", "30.00", "EUR"), &found).unwrap();
    assert!(matches!(next, RefundStep::Made(PaymentStatement::Evidence(_))), "{next:?}");
    let made = json!({"id": "RF1", "amount": 3_000, "currency": "EUR", "links": {"payment": "PM1"}, "metadata": ours});
    let mut found = before("gocardless:PM1");
    found[0] = answer(200, &json!({"refunds": [made]}));
    let next = api("gocardless:PM1").refund(&access(), &request("gocardless:PM1", "30.00", "EUR"), &found).unwrap();
    assert_eq!(next, RefundStep::Made(PaymentStatement::Accepted));
    for name in ["stripe:pi_1", "gocardless:PM1"] {
        let mut away = before(name);
        away[0] = answer(503, &json!({}));
        let next = api(name).refund(&access(), &request(name, "30.00", "EUR"), &away).unwrap();
        assert!(matches!(next, RefundStep::Unknown(_)), "{name}: {next:?}");
    }
    assert!(api("adyen:PSP1").key_kept_for().is_some(), "it cannot be asked, so its key must still be known");
}

#[test]
fn a_name_that_would_lead_elsewhere_is_not_called() {
    assert!(api("adyen:a").refund(&access(), &request("adyen:PSP1.x", "30.00", "EUR"), &[]).is_err());
    for name in ["gocardless:a.b", "stripe:pi_1.x", "stripe:a:b"] {
        assert!(api(name).before_refund(&access(), &request(name, "1.00", "EUR")).is_err(), "{name}");
    }
}

#[test]
fn stripe_reports_the_outcome_of_a_refund_at_once() {
    let request = request("stripe:pi_1", "30.00", "EUR");
    let refunded = |status: u16, body: Value| api("stripe:pi_1").refunded(&request, &answer(status, &body)).unwrap();
    let refund =
        |status: &str| json!({"id": "re_1", "amount": 3_000, "currency": "eur", "status": status, "created": 7});
    for (status, kind) in [("succeeded", FactKind::Refund), ("failed", FactKind::RefundFailure)] {
        let CommandResponse::Statement(PaymentStatement::Evidence(reported)) = refunded(200, refund(status)) else {
            panic!("{status} is told")
        };
        assert_eq!((reported[0].kind, reported[0].movement.as_str()), (kind, REFUND));
        assert_eq!(reported[0].transaction_id.as_str(), "stripe:pi_1");
    }
    assert_eq!(refunded(200, refund("pending")), CommandResponse::Statement(PaymentStatement::Accepted));
    let refused = json!({"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}});
    let reason = "the gateway answered 400: charge_already_refunded".to_owned();
    assert_eq!(refunded(400, refused), CommandResponse::Statement(PaymentStatement::Refused(reason)));
    let reused = json!({"error": {"type": "idempotency_error"}});
    assert!(
        matches!(refunded(400, reused), CommandResponse::Unknown(_)),
        "another call had the key: nothing is known of this one"
    );
}

#[test]
fn an_answer_that_says_nothing_of_the_refund_is_no_failure() {
    let request = request("gocardless:PM1", "30.00", "EUR");
    for reason in ["idempotent_creation_conflict", "total_amount_confirmation_invalid"] {
        let conflict = json!({"error": {"type": "invalid_state", "code": 422, "errors": [{"reason": reason}]}});
        let outcome = api("gocardless:PM1").refunded(&request, &answer(422, &conflict));
        assert!(matches!(outcome, Ok(CommandResponse::Unknown(_))), "{reason}: {outcome:?}");
    }
    let clear = json!({"error": {"type": "validation_failed", "errors": [{"reason": "refund_payment_invalid_state"}]}});
    let refused = api("gocardless:PM1").refunded(&request, &answer(422, &clear));
    assert!(matches!(refused, Ok(CommandResponse::Statement(PaymentStatement::Refused(_)))));
    let under_way = json!({"status": 422, "errorCode": "704"});
    assert!(matches!(api("adyen:PSP1").refunded(&request, &answer(422, &under_way)), Ok(CommandResponse::Unknown(_))));
}

fn inquiry(resource: &str, kinds: &[FactKind]) -> QueryResource {
    QueryResource {
        provider: "gocardless".parse().unwrap(),
        resource: resource.to_owned(),
        event_id: "EV1".to_owned(),
        kinds: kinds.to_vec(),
        occurred_at: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn gocardless_says_how_much_an_event_was_about() {
    let gocardless = api("gocardless:PM1");
    let payment = answer(
        200,
        &json!({"payments": {
            "id": "PM1", "amount": 10_000, "currency": "EUR", "metadata": {"invoice_number": "INV-7"},
        }}),
    );
    let asked = inquiry("payments/PM1", &[FactKind::Failure, FactKind::Reversal]);
    assert_eq!(gocardless.query(&access(), &asked).unwrap().path, "/payments/PM1");
    let evidence = |response: InquiryResponse| match response {
        InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => evidence,
        other => panic!("no evidence: {other:?}"),
    };
    let reported = evidence(gocardless.queried(&asked, &payment).unwrap());
    let names: Vec<_> = reported.iter().map(|evidence| (evidence.kind, evidence.event_id.as_str())).collect();
    let expected = [(FactKind::Failure, "gocardless:EV1:failure"), (FactKind::Reversal, "gocardless:EV1:reversal")];
    assert_eq!(names, expected);
    assert!(reported.iter().all(|evidence| evidence.invoice.is_some() && evidence.amount == Some(euro("100.00"))));
    let refund = answer(
        200,
        &json!({"refunds": {
            "id": "RF1", "amount": 3_000, "currency": "EUR", "links": {"payment": "PM1"}, "metadata": {"refund_id": REFUND},
        }}),
    );
    let reported = evidence(gocardless.queried(&inquiry("refunds/RF1", &[FactKind::Refund]), &refund).unwrap());
    assert_eq!((reported[0].transaction_id.as_str(), reported[0].movement.as_str()), ("gocardless:PM1", REFUND));
    assert!(gocardless.query(&access(), &inquiry("customers/CU1", &[])).is_err());
    assert!(gocardless.query(&access(), &inquiry("payments/../x", &[])).is_err());
}

#[test]
fn stripe_says_how_far_a_payment_intent_is() {
    let stripe = api("stripe:pi_1");
    let asked = inquiry("payment_intents/pi_1", &[]);
    assert_eq!(stripe.query(&access(), &asked).unwrap().path, "/v1/payment_intents/pi_1");
    let intent = |status: &str| {
        let body = json!({
            "id": "pi_1", "amount": 10_000, "amount_received": 9_000, "amount_capturable": 8_000, "currency": "eur",
            "status": status, "created": 7,
        });
        stripe.queried(&asked, &answer(200, &body)).unwrap()
    };
    for (status, kind, value) in [
        ("succeeded", FactKind::Capture, "90.00"),
        ("requires_capture", FactKind::PartialCapture, "90.00"),
        ("canceled", FactKind::Failure, "100.00"),
    ] {
        let InquiryResponse::Statement(PaymentStatement::Evidence(reported)) = intent(status) else {
            panic!("{status} is told")
        };
        assert_eq!((reported[0].kind, reported[0].amount), (kind, Some(euro(value))));
    }
    assert_eq!(intent("processing"), InquiryResponse::Statement(PaymentStatement::Accepted));
}

#[test]
fn an_inquiry_about_a_charge_at_stripe_returns_its_decided_refunds() {
    let stripe = api("stripe:pi_1");
    let asked = inquiry("charges/ch_1", &[FactKind::Refund, FactKind::RefundFailure]);
    assert_eq!(stripe.query(&access(), &asked).unwrap().path, "/v1/refunds?charge=ch_1&limit=100");
    let refund = |id: &str, status: &str| {
        json!({
            "id": id, "amount": 3_000, "currency": "eur", "status": status, "created": 7, "charge": "ch_1",
            "payment_intent": "pi_1",
        })
    };
    let refunds = [refund("re_1", "succeeded"), refund("re_2", "pending"), refund("re_3", "failed")];
    let response = stripe.queried(&asked, &answer(200, &json!({"data": refunds, "has_more": false}))).unwrap();
    let InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) = response else { panic!("no evidence") };
    let reported: Vec<_> =
        evidence.iter().map(|one| (one.kind, one.movement.as_str(), one.event_id.as_str())).collect();
    let expected =
        [(FactKind::Refund, "re_1", "stripe:re_1:succeeded"), (FactKind::RefundFailure, "re_3", "stripe:re_3:failed")];
    assert_eq!(reported, expected);
    assert!(evidence.iter().all(|one| one.transaction_id.as_str() == "stripe:pi_1"));
    assert!(stripe.queried(&asked, &answer(200, &json!({"data": [], "has_more": true}))).is_err(), "not all are seen");
}

#[test]
fn stripe_is_called_for_the_connected_account_that_is_configured() {
    let ours = Access { key: "secret-key".to_owned(), account: "acct_ours".to_owned() };
    let asked = inquiry("payment_intents/pi_1", &[]);
    assert_eq!(header(&api("stripe:pi_1").query(&ours, &asked).unwrap(), "stripe-account"), "acct_ours");
    let own = Access { account: String::new(), ..ours };
    assert_eq!(header(&api("stripe:pi_1").query(&own, &asked).unwrap(), "stripe-account"), "");
}

#[test]
fn what_lets_us_in_is_not_shown() {
    assert!(!format!("{:?}", access()).contains("secret-key"));
    for name in ["stripe:pi_1", "adyen:PSP1", "gocardless:PM1"] {
        let call = asked(name, "30.00", "EUR");
        assert!(call.headers.iter().any(|(_, value)| value.contains("secret-key")));
        assert!(!format!("{call:?}").contains("secret-key"), "{name}");
    }
}
