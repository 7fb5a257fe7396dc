//! Tests of charges, inquiries about them, and event backfills.

use chrono::{DateTime, Utc};
use quittance_domain::command::{InitiateCharge, ListEvents, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_domain::id::TransactionId;
use quittance_domain::money::Money;
use serde_json::{Value, json};

use super::{access, answer, api, header};
use crate::WebhookNotice;
use crate::api::{Call, CommandResponse, InquiryResponse, ListedEvents, PaymentStatement};

const PAYMENT: &str = "pay_00000000000000000000000000000002";

fn noon() -> DateTime<Utc> {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

pub(super) fn charge(provider: &str, method: &str) -> InitiateCharge {
    InitiateCharge {
        payment_id: PAYMENT.parse().unwrap(),
        attempt: 2,
        transaction_id: format!("{provider}:order-1").parse().unwrap(),
        provider: provider.parse().unwrap(),
        invoice_id: "inv_00000000000000000000000000000003".parse().unwrap(),
        amount: Money::parse("30.00", "EUR").and_then(Money::positive).unwrap(),
        payment_method: method.to_owned(),
        ordered_at: noon(),
    }
}

pub(super) fn inquiry(provider: &str, names: &[&str], charge: Option<InitiateCharge>) -> QueryPayment {
    QueryPayment {
        payment_id: PAYMENT.parse().unwrap(),
        transaction_id: format!("{provider}:order-1").parse().unwrap(),
        provider: provider.parse().unwrap(),
        names: names.iter().map(|name| name.parse::<TransactionId>().unwrap()).collect(),
        may_repeat: true,
        charge,
        round: 1,
        since: noon(),
        is_last: false,
    }
}

fn asked(provider: &str, method: &str) -> Call {
    api(&format!("{provider}:")).charge(&access(), &charge(provider, method)).unwrap()
}

/// The payment's own object, in a given status.
fn intent(status: &str, attempt: &str) -> Value {
    json!({
        "id": "pi_1", "amount": 3_000, "amount_capturable": 3_000, "currency": "eur", "status": status,
        "created": 1_793_620_800,
        "last_payment_error": {"code": "card_declined"},
        "metadata": {"payment_id": PAYMENT, "attempt": attempt},
    })
}

fn debit(status: &str, attempt: &str) -> Value {
    json!({
        "id": "PM1", "amount": 3_000, "currency": "EUR", "status": status, "created_at": "2026-11-02T12:00:00.000Z",
        "metadata": {"payment_id": PAYMENT, "attempt": attempt},
    })
}

#[test]
fn each_charge_has_the_attempts_idempotency_key_and_our_ids() {
    for (provider, method, path, expected) in [
        ("stripe", "cus_1/pm_1", "/v1/payment_intents", vec!["amount=3000", "customer=cus_1", "payment_method=pm_1"]),
        ("adyen", "shopper/CARD1", "/v71/payments", vec![r#""value":3000"#, r#""storedPaymentMethodId":"CARD1""#]),
        ("gocardless", "MD1", "/payments", vec![r#""amount":3000"#, r#""links":{"mandate":"MD1"}"#]),
    ] {
        let call = asked(provider, method);
        let body = call.body.clone().unwrap();
        assert_eq!((call.path.as_str(), header(&call, "idempotency-key")), (path, format!("{PAYMENT}-2").as_str()));
        assert!(body.contains(PAYMENT), "{provider}: {body}");
        assert!(expected.iter().all(|part| body.contains(part)), "{provider}: {body}");
        assert_eq!(call, asked(provider, method), "{provider}: the same call however often it is made");
    }
    for (provider, method) in [("adyen", "CARD1"), ("gocardless", "MD1?x=1"), ("gocardless", "")] {
        assert!(api(&format!("{provider}:")).charge(&access(), &charge(provider, method)).is_err(), "{method}");
    }
}

#[test]
fn the_outcome_of_a_charge_is_accepted_refused_or_unknown() {
    let outcome = |provider: &str, status: u16, body: Value| {
        let request = charge(provider, "x/1");
        match api(&format!("{provider}:")).charged(&request, &answer(status, &body)).unwrap() {
            CommandResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                evidence.first().unwrap().kind.to_string()
            }
            CommandResponse::Statement(PaymentStatement::Accepted) => "accepted".to_owned(),
            CommandResponse::Statement(PaymentStatement::Refused(reason)) => format!("refused: {reason}"),
            CommandResponse::Unknown(_) => "unknown".to_owned(),
        }
    };
    let stripe = |status: &str| outcome("stripe", 200, intent(status, "2"));
    assert_eq!(["succeeded", "requires_capture", "processing"].map(stripe), ["capture", "authorisation", "accepted"]);
    assert_eq!(stripe("requires_payment_method"), "refused: card_declined");
    let adyen = |result: &str| outcome("adyen", 200, json!({"pspReference": "PSP1", "resultCode": result}));
    assert_eq!(["Authorised", "Received"].map(adyen), ["implied_capture", "accepted"]);
    assert_eq!(adyen("RedirectShopper"), "refused: RedirectShopper");
    assert_eq!(outcome("gocardless", 201, json!({"payments": debit("pending_submission", "2")})), "accepted");
    let made_before = json!({"error": {"errors": [{"reason": "idempotent_creation_conflict"}]}});
    assert_eq!(outcome("gocardless", 409, made_before), "accepted");
    for provider in ["stripe", "adyen", "gocardless"] {
        assert_eq!(outcome(provider, 503, json!({})), "unknown", "{provider}");
    }
}

#[test]
fn our_own_charge_is_looked_up_by_our_ids_and_another_payment_by_the_gateways_name() {
    let path = |provider: &str, names: &[&str], request: Option<InitiateCharge>| {
        let call = api(&format!("{provider}:")).look_up(&access(), &inquiry(provider, names, request)).unwrap();
        call.map(|call| call.path)
    };
    let request = |provider| Some(charge(provider, "MD1"));
    assert_eq!(path("stripe", &["stripe:pi_1"], None).as_deref(), Some("/v1/payment_intents/pi_1"));
    let earlier = ["stripe:pi_1"];
    assert!(path("stripe", &earlier, request("stripe")).unwrap().contains(PAYMENT), "names may be of earlier attempts");
    assert_eq!(path("gocardless", &["gocardless:PM1"], None).as_deref(), Some("/payments/PM1"));
    assert!(path("gocardless", &[], request("gocardless")).unwrap().starts_with("/payments?mandate=MD1&"));
    for nobody in ["stripe:pi_1-2", "stripe:order-1", "gocardless:X1"] {
        let provider = nobody.split_once(':').unwrap().0;
        assert_eq!(path(provider, &[nobody], None), None, "{nobody} is no name that can be asked about");
    }
    assert_eq!(path("adyen", &["adyen:PSP1"], request("adyen")), None);
}

#[test]
fn what_is_found_counts_only_if_it_is_of_this_attempt() {
    let found = |provider: &str, request: bool, body: Value| {
        let inquiry = inquiry(provider, &[], request.then(|| charge(provider, "MD1")));
        api(&format!("{provider}:")).looked_up(&inquiry, &answer(200, &body)).unwrap()
    };
    let accepted = InquiryResponse::Statement(PaymentStatement::Accepted);
    let kind = |response: InquiryResponse| match response {
        InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
            Some((evidence[0].kind, evidence[0].payment_id.unwrap().to_string()))
        }
        _ => None,
    };
    let captured = Some((FactKind::Capture, PAYMENT.to_owned()));
    assert_eq!(
        kind(found("stripe", true, json!({"data": [intent("succeeded", "1"), intent("succeeded", "2")]}))),
        captured
    );
    assert_eq!(kind(found("gocardless", true, json!({"payments": [debit("paid_out", "2")]}))), captured);
    for (provider, other) in [
        ("stripe", json!({"data": [intent("succeeded", "1")]})),
        ("gocardless", json!({"payments": [debit("confirmed", "1")]})),
    ] {
        assert_eq!(found(provider, true, other), InquiryResponse::Absent, "{provider}");
    }
    let earlier = found("stripe", true, intent("requires_payment_method", "1"));
    assert_eq!(earlier, InquiryResponse::Absent, "of an earlier attempt");
    let more = json!({"payments": [], "meta": {"cursors": {"before": null, "after": "PM9"}}});
    assert!(matches!(found("gocardless", true, more), InquiryResponse::Unknown(_)), "it may be on the next page");
    assert_eq!(found("stripe", false, intent("requires_payment_method", "2")), accepted, "its payer may try again");
    assert_eq!(kind(found("gocardless", false, json!({"payments": debit("confirmed", "1")}))), captured);
    assert_eq!(found("gocardless", true, json!({"payments": [debit("submitted", "2")]})), accepted);
}

#[test]
fn events_are_listed_page_by_page_in_the_shape_of_messages() {
    let backfill = |provider: &str| ListEvents {
        provider: provider.parse().unwrap(),
        from: noon(),
        until: "2026-11-02T13:00:00Z".parse().unwrap(),
    };
    let ask = |provider: &str, after| {
        api(&format!("{provider}:")).list_events(&access(), &backfill(provider), after).unwrap().path
    };
    let first = "/v1/events?created%5Bgte%5D=1793620800&created%5Blte%5D=1793624400&limit=100";
    assert_eq!(ask("stripe", None), first);
    assert_eq!(ask("stripe", Some("evt_1")), format!("{first}&starting_after=evt_1"));
    assert!(ask("gocardless", Some("EV9")).ends_with("&limit=250&after=EV9"));
    let listed = |provider: &str, body: Value| {
        api(&format!("{provider}:")).parse_listing(&access(), &answer(200, &body)).unwrap()
    };
    let event = json!({
        "id": "evt_1", "type": "payment_intent.succeeded", "created": 1_793_620_800,
        "data": {"object": intent("succeeded", "2")},
    });
    let ListedEvents::Page(notices, next) =
        listed("stripe", json!({"data": [event, {"id": "evt_0"}], "has_more": true}))
    else {
        panic!("a page")
    };
    assert!(matches!(notices.as_slice(), [WebhookNotice::Evidence(_), WebhookNotice::Unreadable(_)]));
    assert_eq!(next.as_deref(), Some("evt_0"));
    let event = json!({
        "id": "EV1", "created_at": "2026-11-02T12:00:00Z", "resource_type": "payments", "action": "confirmed",
        "links": {"payment": "PM1"},
    });
    let page = json!({"events": [event], "meta": {"cursors": {"before": null, "after": null}}});
    let ListedEvents::Page(notices, next) = listed("gocardless", page) else { panic!("a page") };
    assert!(matches!(notices.as_slice(), [WebhookNotice::Inquire(_)]) && next.is_none());
    let names = |provider: &str| api(&format!("{provider}:")).lists_events();
    assert_eq!(["stripe", "adyen", "gocardless"].map(names), [true, false, true]);
}
