use quittance_domain::command::Evidence;
use quittance_domain::command::InvoiceReference;
use quittance_domain::payment::PaymentState;
use serde_json::{Value, json};

use super::*;
use crate::signature;

const SECRET: &str = "00ff10ee20dd30cc";

fn item(event_code: &str, success: &str, original: &str) -> Value {
    json!({
        "additionalData": {}, "amount": {"currency": "EUR", "value": 11_900}, "eventCode": event_code,
        "eventDate": "2026-11-02T13:00:00+01:00", "merchantAccountCode": "Nordlicht", "merchantReference": "INV-7",
        "originalReference": original, "pspReference": "PSP1", "success": success,
    })
}

fn text_or_none(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn signed(mut item: Value) -> Value {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let joined = [
        text("pspReference"),
        text("originalReference"),
        text("merchantAccountCode"),
        text("merchantReference"),
        item["amount"]["value"].to_string(),
        text_or_none(&item["amount"]["currency"]),
        text("eventCode"),
        text("success"),
    ]
    .join(":");
    let key = hex::decode(SECRET).unwrap();
    item["additionalData"]["hmacSignature"] = json!(STANDARD.encode(signature::sign(&key, &joined)));
    item
}

fn body(items: &[Value]) -> Vec<u8> {
    let items: Vec<Value> = items.iter().map(|item| json!({"NotificationRequestItem": item})).collect();
    json!({"live": "false", "notificationItems": items}).to_string().into_bytes()
}

fn verify(items: &[Value]) -> Result<(), Forged> {
    let secrets = ["ab".repeat(32), SECRET.to_owned()];
    Adyen.verify(&HeaderMap::new(), &body(items), &secrets, DateTime::UNIX_EPOCH)
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut item = signed(item("AUTHORISATION", "true", ""));
    *item.pointer_mut(pointer).unwrap() = value;
    item
}

#[test]
fn every_item_must_be_signed_by_a_secret_in_rotation() {
    let good = signed(item("AUTHORISATION", "true", ""));
    assert_eq!(verify(std::slice::from_ref(&good)), Ok(()));
    assert_eq!(verify(&[good, item("AUTHORISATION", "true", "")]), Err(Forged::NoSignature));
    assert_eq!(verify(&[]), Err(Forged::NoSignature));
    assert_eq!(Adyen.verify(&HeaderMap::new(), b"{}", &[], DateTime::UNIX_EPOCH), Err(Forged::NoSignature));
}

#[test]
fn a_change_of_any_of_the_eight_signed_members_is_forged() {
    for (pointer, value) in [
        ("/pspReference", json!("PSP2")),
        ("/originalReference", json!("PSP0")),
        ("/merchantAccountCode", json!("Other")),
        ("/merchantReference", json!("INV-8")),
        ("/amount/value", json!(11_901)),
        ("/amount/currency", json!("USD")),
        ("/eventCode", json!("REFUND")),
        ("/success", json!("false")),
    ] {
        assert_eq!(verify(&[changed(pointer, value)]), Err(Forged::WrongSignature), "{pointer}");
    }
}

#[test]
fn an_item_whose_signature_is_ambiguous_is_authentic_and_never_evidence() {
    let mut with_colon = item("AUTHORISATION", "true", "");
    with_colon["merchantReference"] = json!("a:b");
    let with_colon = signed(with_colon);
    assert_eq!(verify(std::slice::from_ref(&with_colon)), Ok(()));
    // Members with parts moved from one to the next are equal once they are joined.
    let mut moved = with_colon.clone();
    (moved["merchantAccountCode"], moved["merchantReference"]) = (json!("Nordlicht:a"), json!("b"));
    assert_eq!(verify(std::slice::from_ref(&moved)), Ok(()));
    for ambiguous in [with_colon, moved] {
        let notices = Adyen.read(&body(&[ambiguous, item("AUTHORISATION", "true", "")]), None).unwrap();
        assert!(
            matches!(notices.as_slice(), [WebhookNotice::Unreadable(_), WebhookNotice::Evidence(_)]),
            "{notices:?}"
        );
    }
}

fn evidence(item: Value) -> Evidence {
    match Adyen.read(&body(&[item]), None).unwrap().into_iter().next().unwrap() {
        WebhookNotice::Evidence(evidence) => *evidence,
        other => panic!("evidence, not {other:?}"),
    }
}

#[test]
fn an_authorisation_implies_the_capture_of_the_payment_that_it_names() {
    let reported = evidence(item("AUTHORISATION", "true", ""));
    let amount = Money::parse("119.00", "EUR").and_then(Money::positive).unwrap();
    assert_eq!((reported.kind, reported.amount), (FactKind::ImpliedCapture, Some(amount)));
    assert_eq!(reported.transaction_id.as_str(), "adyen:PSP1");
    assert_eq!(reported.invoice, Some(InvoiceReference::Number("INV-7".to_owned())));
    assert_eq!(reported.event_id, "adyen:PSP1:AUTHORISATION:true");
    let mut ours = item("AUTHORISATION", "true", "");
    ours["merchantReference"] = json!("pay_00000000000000000000000000000007");
    assert_eq!(evidence(ours).payment_id.map(|id| id.to_string()).unwrap(), "pay_00000000000000000000000000000007");
}

#[test]
fn what_the_signature_does_not_cover_moves_no_money_elsewhere() {
    let plain = evidence(item("AUTHORISATION", "true", ""));
    let mut decorated = item("AUTHORISATION", "true", "");
    decorated["additionalData"] =
        json!({"metadata.invoice_id": "inv_00000000000000000000000000000001", "metadata.payment_id": "x"});
    decorated["reason"] = json!("paid for INV-9");
    decorated["paymentMethod"] = json!("visa");
    assert_eq!(evidence(decorated), plain);
}

#[test]
fn each_event_is_evidence_of_its_kind_about_the_original_payment() {
    use FactKind::{
        Cancellation, Capture, Dispute, DisputeLost, DisputeWon, Expiry, Failure, Refund, RefundFailure, Reversal,
    };
    for (event_code, success, kind) in [
        ("AUTHORISATION", "false", Failure),
        ("OFFER_CLOSED", "true", Expiry),
        ("CAPTURE_FAILED", "true", Reversal),
        ("CAPTURE", "true", Capture),
        ("CAPTURE", "false", Failure),
        ("CANCELLATION", "true", Cancellation),
        ("TECHNICAL_CANCEL", "true", Cancellation),
        ("EXPIRE", "true", Cancellation),
        ("REFUND", "true", Refund),
        ("REFUND_WITH_DATA", "true", Refund),
        ("CANCEL_OR_REFUND", "true", Refund),
        ("REFUND", "false", RefundFailure),
        ("REFUND_FAILED", "true", RefundFailure),
        ("REFUNDED_REVERSED", "true", RefundFailure),
        ("NOTIFICATION_OF_CHARGEBACK", "true", Dispute),
        ("CHARGEBACK", "true", DisputeLost),
        ("CHARGEBACK_REVERSED", "true", DisputeWon),
        ("SECOND_CHARGEBACK", "true", DisputeLost),
    ] {
        let reported = evidence(item(event_code, success, "PSP0"));
        assert_eq!((reported.kind, reported.transaction_id.as_str()), (kind, "adyen:PSP0"), "{event_code} {success}");
        // A cancellation belongs to the authorisation's movement.
        let movement = if kind == Cancellation { "PSP0" } else { "PSP1" };
        assert_eq!((reported.invoice, reported.movement.as_str()), (None, movement));
        let is_dispute = [Dispute, DisputeLost, DisputeWon].contains(&kind);
        let names: Vec<&str> = reported.references.iter().map(|name| name.as_str()).collect();
        assert_eq!(
            names,
            if is_dispute { vec!["adyen:PSP1"] } else { vec![] },
            "later messages name the dispute alone"
        );
    }
}

fn net(items: &[Value]) -> String {
    let facts: Vec<_> = items.iter().map(|item| evidence(item.clone()).fact(Vec::new())).collect();
    let state = PaymentState::from_facts(&facts).unwrap();
    assert!(!state.contradictory);
    state.net().unwrap().unwrap().to_string()
}

fn of_psp(event_code: &str, psp: &str, cents: Option<i64>) -> Value {
    let mut item = item(event_code, "true", if event_code == "AUTHORISATION" { "" } else { "PSP1" });
    item["pspReference"] = json!(psp);
    match cents {
        Some(cents) => item["amount"]["value"] = json!(cents),
        None => drop(item.as_object_mut().unwrap().remove("amount")),
    }
    item
}

#[test]
fn a_capture_reported_after_its_authorisation_is_the_same_money() {
    let (authorised, captured) =
        (of_psp("AUTHORISATION", "PSP1", Some(11_900)), of_psp("CAPTURE", "PSP2", Some(11_900)));
    assert_eq!(net(&[authorised, captured]), "119.00 EUR");
}

#[test]
fn partial_captures_of_one_authorisation_add_up_in_any_order() {
    let authorised = of_psp("AUTHORISATION", "PSP1", Some(100_000));
    let (first, second) = (of_psp("CAPTURE", "PSP2", Some(60_000)), of_psp("CAPTURE", "PSP3", Some(40_000)));
    assert_eq!(net(&[authorised.clone(), first.clone()]), "600.00 EUR");
    assert_eq!(net(&[authorised.clone(), first.clone(), second.clone()]), "1000.00 EUR");
    assert_eq!(net(&[second, first, authorised]), "1000.00 EUR");
}

#[test]
fn a_cancellation_releases_the_whole_authorisation_whatever_amount_it_names() {
    for cents in [None, Some(0), Some(11_900)] {
        let authorised = of_psp("AUTHORISATION", "PSP1", Some(11_900));
        assert_eq!(net(&[authorised, of_psp("CANCELLATION", "PSP2", cents)]), "0.00 EUR", "{cents:?}");
    }
}

#[test]
fn an_item_without_the_amount_that_it_moves_is_kept_for_people() {
    for item in [of_psp("CAPTURE", "PSP2", None), of_psp("REFUND", "PSP2", Some(0)), of_psp("CHARGEBACK", "PSP2", None)]
    {
        let notices = Adyen.read(&body(&[item]), None).unwrap();
        assert!(matches!(notices.as_slice(), [WebhookNotice::Unreadable(_)]), "{notices:?}");
    }
}

#[test]
fn an_authentic_item_that_cannot_be_read_is_no_forgery() {
    let mut odd = item("AUTHORISATION", "true", "");
    odd["eventDate"] = json!("yesterday");
    let odd = signed(odd);
    assert_eq!(verify(std::slice::from_ref(&odd)), Ok(()));
    assert!(matches!(Adyen.read(&body(&[odd]), None).unwrap().as_slice(), [WebhookNotice::Unreadable(_)]));
}

#[test]
fn a_requested_refund_keeps_our_id_in_later_reports() {
    let ours = "ref_00000000000000000000000000000001";
    for (event_code, psp) in [("REFUND", "PSP1"), ("REFUND_FAILED", "PSP9")] {
        let mut refund = item(event_code, "true", "PSP0");
        (refund["merchantReference"], refund["pspReference"]) = (json!(ours), json!(psp));
        assert_eq!(evidence(refund).movement, ours);
    }
}

#[test]
fn what_moves_no_money_of_ours_is_ignored_with_a_reason_and_what_is_new_is_unknown() {
    let read = |event_code: &str| {
        Adyen.read(&body(&[item(event_code, "true", "")]), None).unwrap().into_iter().next().unwrap()
    };
    for event_code in ["REPORT_AVAILABLE", "PENDING", "PAYOUT_THIRDPARTY", "REQUEST_FOR_INFORMATION"] {
        assert!(matches!(read(event_code), WebhookNotice::Ignored { .. }), "{event_code}");
    }
    let mut checked = item("AUTHORISATION", "true", "");
    checked["amount"]["value"] = json!(0);
    let notices = Adyen.read(&body(&[checked]), None).unwrap();
    assert!(matches!(notices.as_slice(), [WebhookNotice::Ignored { .. }]), "a card was checked");
    assert!(matches!(read("REFUND_WITH_DATA"), WebhookNotice::Unknown { .. }), "it refunds no payment of ours");
    assert_eq!(read("TELEPORTATION"), WebhookNotice::Unknown { event_type: "TELEPORTATION".to_owned() });
}

#[test]
fn currencies_that_adyen_scales_otherwise_than_iso_keep_their_value() {
    for (currency, value) in
        [("CLP", "119"), ("ISK", "119"), ("CVE", "11900"), ("IDR", "11900"), ("JPY", "11900"), ("KWD", "11.900")]
    {
        let mut reported = item("AUTHORISATION", "true", "");
        reported["amount"]["currency"] = json!(currency);
        assert_eq!(
            evidence(reported).amount.map(Money::from),
            Some(Money::parse(value, currency).unwrap()),
            "{currency}"
        );
    }
}
