//! Staff decisions through the API: unapplied cash applied and refunded, a refund that is too high, a returned debit,
//! duplicates; and the timeline with all of it.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use xtask::users::Role;

use super::{Scene, euros, fresh, issue, scene, until};

/// An invoice over 100.00 EUR of the scene's own client.
fn invoice(scene: &Scene) -> String {
    issue(&scene.stack, &scene.finance, &scene.own.id)["id"].as_str().unwrap().to_owned()
}

fn confirm(scene: &Scene, reference: &str, body: &Value) {
    let answer = scene.post(&scene.gateway, &format!("/v1/payments/{reference}/confirmation"), body);
    assert_eq!(answer.status, 202, "{}", answer.body);
}

fn wait_for_invoice(scene: &Scene, id: &str, status: &str, paid: &str) {
    until(&format!("invoice {id} to be {status}"), || {
        let invoice = scene.get(&scene.finance, &format!("/v1/invoices/{id}")).json();
        (invoice["status"] == status && invoice["paid"]["value"] == paid).then_some(())
    });
}

fn case_of(scene: &Scene, invoice: &str) -> Value {
    until("the case of a surplus", || {
        let page = scene.get(&scene.finance, "/v1/cases?kind=surplus&limit=200").json();
        page["cases"].as_array()?.iter().find(|case| case["invoice_id"] == invoice).cloned()
    })
}

#[test]
fn unapplied_cash_pays_another_invoice_a_refund_takes_the_rest_and_a_returned_debit_reopens_both() {
    let scene = scene();
    let (first, second, reference) = (invoice(scene), invoice(scene), fresh("decided"));
    confirm(scene, &reference, &json!({"invoice_id": first, "amount": euros("230.00")}));
    let case = case_of(scene, &first);
    assert_eq!((&case["amount"]["value"], &case["reason"]), (&json!("130.00"), &json!("overpaid")));
    let path = format!("/v1/cases/{}", case["id"].as_str().unwrap());
    let applied = json!({"invoice_id": second, "reason": "pays the other one"});
    assert_eq!(scene.post(&scene.finance, &format!("{path}/apply"), &applied).status, 202);
    wait_for_invoice(scene, &second, "paid", "100.00");
    let case = scene.get(&scene.finance, &path).json();
    assert_eq!((&case["status"], &case["amount"]["value"]), (&json!("open"), &json!("30.00")));
    let reason = json!({"reason": "paid too much", "amount": euros("30.00")});
    let (refund, key) = (format!("{path}/refund"), fresh("key"));
    assert_eq!(scene.post_keyed(&scene.finance, &refund, &key, &reason.to_string()).status, 202);
    let refund = until("the refund to be asked for", || {
        let payment = scene.get(&scene.finance, &format!("/v1/payments/{reference}")).json();
        payment["refunds"].as_array()?.first().cloned()
    });
    assert_eq!((&refund["status"], &refund["amount"]["value"]), (&json!("requested"), &json!("30.00")));
    assert_eq!(scene.get(&scene.finance, &path).json()["resolution"], "refunded");
    let late = scene.post(&scene.finance, &format!("{path}/dismiss"), &json!({"reason": "too late"}));
    late.assert_problem(409, "conflict");
    assert!(late.body.contains("the case is closed already: refunded"), "{}", late.body);
    let again = scene.post_keyed(&scene.finance, &format!("{path}/refund"), &key, &reason.to_string());
    assert_eq!(again.status, 202, "a repeated request has its first answer: {}", again.body);
    confirm(scene, &reference, &json!({"kind": "refund", "movement": refund["id"], "amount": euros("30.00")}));
    let payment = scene.wait_for_payment(&reference, "partially_refunded");
    assert_eq!((&payment["surplus"]["value"], &payment["refunds"][0]["status"]), (&json!("0.00"), &json!("succeeded")));
    confirm(scene, &reference, &json!({"kind": "reversal", "movement": "RET-1", "amount": euros("200.00")}));
    scene.wait_for_payment(&reference, "reversed");
    wait_for_invoice(scene, &first, "open", "0.00");
    wait_for_invoice(scene, &second, "open", "0.00");
}

#[test]
fn a_refund_that_is_too_much_is_refused_at_once_and_a_repeated_one_has_one_effect() {
    let scene = scene();
    let (invoice, reference) = (invoice(scene), fresh("refunds"));
    confirm(scene, &reference, &json!({"invoice_id": invoice, "amount": euros("100.00")}));
    scene.wait_for_payment(&reference, "confirmed");
    let path = format!("/v1/payments/{reference}/refunds");
    let ask = |value: &str| json!({"amount": euros(value), "reason": "goodwill"});
    let key = fresh("key");
    let first = scene.post_keyed(&scene.finance, &path, &key, &ask("60.00").to_string());
    let again = scene.post_keyed(&scene.finance, &path, &key, &ask("60.00").to_string());
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    let refunds = until("the refund to be decided", || {
        let payment = scene.get(&scene.finance, &format!("/v1/payments/{reference}")).json();
        payment["refunds"].as_array().filter(|refunds| !refunds.is_empty()).cloned()
    });
    assert_eq!((&refunds[0]["id"], &refunds[0]["status"]), (&first.json()["refund_id"], &json!("requested")));
    let refused = scene.post(&scene.finance, &path, &ask("60.00"));
    refused.assert_problem(409, "conflict");
    let refusal = "60.00 EUR is more than the 40.00 EUR that can be refunded of this payment";
    assert!(refused.body.contains(refusal), "{}", refused.body);
    let dollars = json!({"amount": {"value": "1.00", "currency": "USD"}, "reason": "goodwill"});
    scene.post(&scene.finance, &path, &dollars).assert_problem(409, "conflict");
    let again = scene.post_keyed(&scene.finance, &path, &key, &ask("60.00").to_string());
    assert_eq!((first.status, &first.body), (again.status, &again.body), "a repeated request has its first answer");
    let unknown = format!("/v1/payments/{}/refunds", fresh("unknown"));
    scene.post(&scene.finance, &unknown, &ask("1.00")).assert_problem(404, "not-found");
    scene.post(&scene.finance, &path, &ask("-1.00")).assert_problem(400, "invalid-request");
    for token in [&scene.own.token, &scene.bff, &scene.gateway] {
        scene.post(token, &path, &ask("1.00")).assert_problem(403, "forbidden");
        scene.get(token, "/v1/cases").assert_problem(403, "forbidden");
    }
}

#[test]
fn duplicates_are_merged_and_both_names_lead_to_the_remaining_payment() {
    let scene = scene();
    let (invoice, kept, duplicate) = (invoice(scene), fresh("kept"), fresh("twin"));
    for reference in [&kept, &duplicate] {
        confirm(scene, reference, &json!({"invoice_id": invoice, "amount": euros("100.00")}));
        scene.wait_for_payment(reference, "confirmed");
    }
    case_of(scene, &invoice);
    let merge = json!({"twin": duplicate, "reason": "the bank told it twice"});
    assert_eq!(scene.post(&scene.finance, &format!("/v1/payments/{kept}/merge"), &merge).status, 202);
    let payment = until("the twin to be found under the other's name", || {
        let payment = scene.get(&scene.finance, &format!("/v1/payments/{duplicate}")).json();
        (payment["transaction_id"] == format!("manual:{kept}")).then_some(payment)
    });
    assert_eq!((&payment["amount"]["value"], &payment["surplus"]["value"]), (&json!("100.00"), &json!("0.00")));
    wait_for_invoice(scene, &invoice, "paid", "100.00");
}

#[test]
fn the_timeline_shows_finance_who_did_what_and_why_and_clients_their_own_invoices() {
    let scene = scene();
    let (invoice, reference) = (invoice(scene), fresh("told"));
    confirm(scene, &reference, &json!({"invoice_id": invoice, "amount": euros("120.00")}));
    let case = case_of(scene, &invoice);
    let dismiss = format!("/v1/cases/{}/dismiss", case["id"].as_str().unwrap());
    assert_eq!(scene.post(&scene.finance, &dismiss, &json!({"reason": "a gift, they say"})).status, 202);
    let path = format!("/v1/invoices/{invoice}/timeline");
    let reported = until("the dismissal to be told", || {
        let timeline = scene.get(&scene.finance, &path).json()["timeline"].as_array().cloned()?;
        timeline.iter().any(|entry| entry["what"] == "case.decided").then_some(timeline)
    });
    let whats: Vec<&str> = reported.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["invoice.created", "invoice.issued", "payment.evidence_recorded", "case.decided"]);
    assert_eq!(reported[2]["invoice"]["status"], "paid");
    assert!(reported[3]["why"].as_str().unwrap().contains("a gift, they say"), "{}", reported[3]);
    let first_page = scene.get(&scene.finance, &format!("{path}?limit=3")).json();
    let cursor = first_page["next_cursor"].as_str().unwrap();
    let rest = scene.get(&scene.finance, &format!("{path}?limit=3&cursor={cursor}")).json();
    assert_eq!((&rest["timeline"][0], &rest["next_cursor"]), (&reported[3], &Value::Null));
    let seen = scene.get(&scene.own.token, &path).json();
    assert_eq!((&seen["timeline"][3]["by"], &seen["timeline"][3]["why"]), (&json!("user"), &Value::Null));
    scene.get(&scene.other.token, &path).assert_problem(404, "not-found");
}

#[test]
fn a_payment_that_finance_enters_is_booked_on_its_day_and_above_the_limit_waits_for_somebody_else() {
    let scene = scene();
    let (invoice, name) = (invoice(scene), fresh("entered"));
    let path = format!("/v1/payments/{name}/evidence");
    let day = Utc::now().date_naive() - TimeDelta::days(40);
    let entry =
        |value: &str, time: String| json!({"amount": euros(value), "occurred_at": time, "reason": "seen at the bank"});
    for years_and_days in [-11 * 366, 2] {
        let time = Utc::now() + TimeDelta::days(years_and_days);
        let refused = scene.post(&scene.finance, &path, &entry("100.00", time.to_rfc3339()));
        refused.assert_problem(400, "invalid-request");
        assert_eq!(refused.pointers(), ["/occurred_at"]);
    }
    let nameless = json!({"kind": "reversal", "amount": euros("1.00"), "invoice_id": invoice, "reason": "x"});
    let refused = scene.post(&scene.finance, &path, &nameless);
    assert_eq!(refused.pointers(), ["/invoice_id", "/movement"], "{}", refused.body);
    scene.post(&scene.gateway, &path, &entry("100.00", Utc::now().to_rfc3339())).assert_problem(403, "forbidden");

    let mut paying = entry("100.00", format!("{day}T12:00:00Z"));
    paying["invoice_id"] = json!(invoice);
    assert_eq!(scene.post(&scene.finance, &path, &paying).status, 202);
    wait_for_invoice(scene, &invoice, "paid", "100.00");
    let booked = until("the payment to be booked", || {
        let found = scene.get(&scene.finance, &format!("/v1/ledger/transactions?invoice_id={invoice}")).json();
        let about = |one: &&Value| one["description"].as_str().is_some_and(|text| text.contains(&name));
        found["transactions"].as_array()?.iter().find(about).cloned()
    });
    assert_eq!(booked["accounting_date"], json!(day));
    assert_ne!(booked["recorded_at"].as_str().unwrap().get(..10), Some(day.to_string().as_str()));

    let large = fresh("large");
    let path = format!("/v1/payments/{large}/evidence");
    assert_eq!(scene.post(&scene.finance, &path, &entry("20000.00", Utc::now().to_rfc3339())).status, 202);
    let case = until("the case of the entry", || {
        let page = scene.get(&scene.finance, "/v1/cases?kind=entered_by_hand&limit=200").json();
        let name = json!(format!("manual:{large}"));
        page["cases"].as_array()?.iter().find(|case| case["transaction_id"] == name).cloned()
    });
    scene.post(&scene.finance, &path, &entry("1.00", Utc::now().to_rfc3339())).assert_problem(409, "conflict");
    let case = format!("/v1/cases/{}", case["id"].as_str().unwrap());
    let approve = |token: &str| scene.post(token, &format!("{case}/approve"), &json!({"reason": "checked"}));
    assert_eq!(approve(&scene.finance).status, 202);
    until("the refusal of who entered it", || {
        let refusal = scene.get(&scene.finance, &case).json()["refusal"].clone();
        refusal.as_str().filter(|refusal| refusal.contains("another person has to")).map(|_| ())
    });
    assert_eq!(approve(&scene.stack.token(&Role::Admin).unwrap()).status, 202);
    scene.wait_for_payment(&format!("manual:{large}"), "confirmed");
}
