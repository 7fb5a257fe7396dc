//! The books, as finance and clients read them.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use xtask::aws::local_agent;
use xtask::users::Role;

use super::{LIMIT, euros, fresh, scene, until};

#[test]
fn a_paid_invoice_has_a_receipt_and_is_in_the_books_the_clients_statement_and_the_journal() {
    let scene = scene();
    let (invoice, name) = (scene.new_invoice(), fresh("booked"));
    let confirmation = json!({"invoice_id": invoice, "amount": euros("100.00")});
    let confirmed = scene.post(&scene.gateway, &format!("/v1/payments/{name}/confirmation"), &confirmation);
    assert_eq!(confirmed.status, 202, "{}", confirmed.body);
    scene.wait_for_payment(&format!("manual:{name}"), "confirmed");
    let path = format!("/v1/ledger/transactions?invoice_id={invoice}");
    let booked = until("both events to be booked", || {
        let found = scene.get(&scene.finance, &path).json()["transactions"].as_array().cloned().unwrap_or_default();
        (found.len() == 2).then_some(found)
    });
    let number = scene.get(&scene.finance, &format!("/v1/invoices/{invoice}")).json()["number"].clone();
    let number = number.as_str().unwrap();
    assert_eq!(booked[0]["description"], json!(format!("Invoice {number} issued")));
    let receipts = until("the receipt", || {
        let found = scene.get(&scene.own.token, &format!("/v1/payments/{name}/receipt")).json();
        (found["is_complete"] == true).then(|| found["receipts"].clone())
    });
    assert_eq!(
        (&receipts[0]["number"], &receipts[0]["expires_in_seconds"]),
        (&json!(format!("{number}-R3")), &json!(300))
    );
    let pdf = local_agent(LIMIT).get(receipts[0]["url"].as_str().unwrap()).call().unwrap();
    assert!(pdf.into_body().read_to_vec().unwrap().starts_with(b"%PDF-"));
    scene.get(&scene.other.token, &format!("/v1/payments/{name}/receipt")).assert_problem(404, "not-found");
    let trial = scene.get(&scene.finance, "/v1/ledger/trial-balance").json();
    for total in trial["totals"].as_array().unwrap() {
        assert_eq!(total["debit"], total["credit"]);
    }
    let statement = format!("/v1/clients/{}/statement", scene.own.id);
    let lines = scene.get(&scene.own.token, &statement).json()["currencies"][0]["lines"].clone();
    let of_invoice = |line: &&Value| line["description"].as_str().is_some_and(|text| text.contains(number));
    let amounts: Vec<&Value> =
        lines.as_array().unwrap().iter().filter(of_invoice).map(|line| &line["amount"]["value"]).collect();
    assert_eq!(amounts, ["100.00", "-100.00"]);
    scene.get(&scene.other.token, &statement).assert_problem(404, "not-found");
    let csv = scene.get(&scene.own.token, &format!("{statement}?format=csv")).body;
    assert!(csv.starts_with("Date,Description,Amount,Balance,Currency\r\n") && csv.contains(number), "{csv}");
    for path in [format!("{statement}?format=pdf"), format!("/v1/invoices/{invoice}/pdf")] {
        let pdf = local_agent(LIMIT)
            .get(format!("{}{path}", scene.stack.api_url().unwrap()))
            .header("authorization", &format!("Bearer {}", scene.own.token))
            .call()
            .unwrap();
        assert_eq!(pdf.headers()["content-type"], "application/pdf", "{path}");
        let bytes = pdf.into_body().read_to_vec().unwrap();
        assert!(bytes.starts_with(b"%PDF-") && bytes.trim_ascii_end().ends_with(b"%%EOF"), "{path}");
        scene.get(&scene.other.token, &path).assert_problem(404, "not-found");
    }
    let journal = scene.get(&scene.finance, "/v1/ledger/journal").body;
    assert!(journal.contains(&format!("Payment manual:{name} of invoice {number}")), "{journal}");
    let findings = scene.get(&scene.finance, "/v1/ledger/reconciliation").json()["findings"].clone();
    let about_ours = |finding: &&Value| finding["invoice_id"] == json!(invoice);
    assert_eq!(findings.as_array().unwrap().iter().find(about_ours), None);
}

#[test]
fn what_was_booked_is_taken_back_by_its_mirror_with_a_reason() {
    let scene = scene();
    let invoice = scene.new_invoice();
    let path = format!("/v1/ledger/transactions?invoice_id={invoice}");
    let booked = until("the invoice to be booked", || {
        let found = scene.get(&scene.finance, &path).json()["transactions"][0].clone();
        (!found.is_null()).then_some(found)
    });
    let reverse = format!("/v1/ledger/transactions/{}/reverse", booked["id"].as_str().unwrap());
    scene.post(&scene.finance, &reverse, &json!({})).assert_problem(400, "invalid-request");
    let one_sided = json!({"reason": "x", "replacement": {"entries": [{"account": "tax", "debit": euros("1.00")}]}});
    scene.post(&scene.finance, &reverse, &one_sided).assert_problem(400, "invalid-request");
    let reversed = scene.post(&scene.finance, &reverse, &json!({"reason": "issued twice"}));
    assert_eq!(reversed.status, 201, "{}", reversed.body);
    scene.post(&scene.finance, &reverse, &json!({"reason": "once more"})).assert_problem(409, "conflict");
    let entries = [("tax", "debit"), ("revenue", "credit")]
        .map(|(account, side)| json!({"account": account, side: euros("1.00")}));
    let late = json!({"reason": "what it should have been", "replacement": {"entries": entries}});
    let replaced = scene.post(&scene.finance, &reverse, &late);
    assert_eq!((replaced.status, &replaced.json()["id"]), (201, &reversed.json()["id"]), "{}", replaced.body);
    scene.post(&scene.finance, &reverse, &late).assert_problem(409, "conflict");
    let transactions = scene.get(&scene.finance, &path).json()["transactions"].clone();
    let mirror = transactions.as_array().unwrap().iter().find(|one| one["id"] == reversed.json()["id"]).unwrap();
    assert_eq!(
        (&mirror["reverses"], &mirror["entries"][0]["account"]),
        (&booked["id"], &booked["entries"][1]["account"])
    );
}

#[test]
fn a_fee_and_a_transaction_that_is_put_right_are_in_the_books() {
    let scene = scene();
    let (invoice, reference) = (scene.new_invoice(), fresh("bill"));
    let path = format!("/v1/ledger/transactions?invoice_id={invoice}");
    let booked = until("the invoice to be booked", || {
        let found = scene.get(&scene.finance, &path).json()["transactions"][0].clone();
        (!found.is_null()).then_some(found)
    });
    let owed = booked["entries"][0]["account"].clone();
    let entries = json!([{"account": owed, "debit": euros("100.00")}, {"account": "tax", "credit": euros("100.00")}]);
    let reverse = format!("/v1/ledger/transactions/{}/reverse", booked["id"].as_str().unwrap());
    let correction = json!({"reason": "all of it is tax", "replacement": {"entries": entries}});
    let reversed = scene.post(&scene.finance, &reverse, &correction);
    assert_eq!(reversed.status, 201, "{}", reversed.body);
    let transactions = scene.get(&scene.finance, &path).json()["transactions"].clone();
    let transactions = transactions.as_array().unwrap();
    let replacement = transactions.iter().find(|one| one["id"] == reversed.json()["replacement_id"]).unwrap();
    assert_eq!(replacement["occurred_at"], booked["occurred_at"]);
    assert_eq!(replacement["entries"][1]["account"], "tax");

    let name = fresh("before-the-fee");
    let confirmation = json!({"invoice_id": invoice, "amount": euros("100.00")});
    scene.post(&scene.gateway, &format!("/v1/payments/{name}/confirmation"), &confirmation);
    let fees = "/v1/ledger/transactions?account=fees:manual&limit=200";
    let billed_on = json!(Utc::now().date_naive() - TimeDelta::days(20));
    let fee = json!({
        "kind": "fee", "provider": "manual", "amount": euros("4.20"), "reference": reference, "reason": "account fee",
        "accounting_date": billed_on,
    });
    until("money through the bank to be booked", || {
        let paid = scene.get(&scene.finance, "/v1/ledger/transactions?account=clearing:manual").json();
        paid["transactions"][0].is_object().then_some(())
    });
    let recorded = scene.post(&scene.finance, "/v1/ledger/adjustments", &fee);
    assert_eq!(recorded.status, 201, "{}", recorded.body);
    scene.post(&scene.finance, "/v1/ledger/adjustments", &fee).assert_problem(409, "conflict");
    let rounding = json!({
        "kind": "rounding_loss", "provider": "manual", "amount": euros("1.01"), "reference": "r", "reason": "r",
    });
    scene.post(&scene.finance, "/v1/ledger/adjustments", &rounding).assert_problem(400, "invalid-request");
    let nobody = json!({"kind": "fee", "provider": "nobody", "amount": euros("1.01"), "reference": "r", "reason": "r"});
    scene.post(&scene.finance, "/v1/ledger/adjustments", &nobody).assert_problem(404, "not-found");
    until("the fee to be booked", || {
        let found = scene.get(&scene.finance, fees).json()["transactions"].clone();
        let reported = json!(format!("Fee of manual: {reference}"));
        found
            .as_array()?
            .iter()
            .find(|one| one["description"] == reported && one["accounting_date"] == billed_on)
            .map(|_| ())
    });
}

#[test]
fn a_correction_above_the_limit_waits_for_somebody_else() {
    let scene = scene();
    let admin = scene.stack.token(&Role::Admin).unwrap();
    let invoice = scene.new_invoice();
    let path = format!("/v1/ledger/transactions?invoice_id={invoice}");
    let booked = until("the invoice to be booked", || {
        let found = scene.get(&scene.finance, &path).json()["transactions"][0].clone();
        (!found.is_null()).then_some(found)
    });
    let reverse = format!("/v1/ledger/transactions/{}/reverse", booked["id"].as_str().unwrap());
    let halves = [("tax", "debit"), ("suspense", "debit"), ("revenue", "credit")];
    let values = ["6000.00", "6000.00", "12000.00"];
    let entries =
        halves.iter().zip(values).map(|((account, side), value)| json!({"account": account, *side: euros(value)}));
    let large = json!({"reason": "a zero is missing", "replacement": {"entries": entries.collect::<Vec<_>>()}});
    let proposed = scene.post(&scene.finance, &reverse, &large);
    assert_eq!(proposed.status, 202, "{}", proposed.body);
    scene.post(&admin, &reverse, &large).assert_problem(409, "conflict");
    let id = proposed.json()["id"].as_str().unwrap().to_owned();
    let waiting = scene.get(&scene.finance, "/v1/ledger/corrections?limit=200").json()["corrections"].clone();
    let listed = waiting.as_array().unwrap().iter().find(|one| one["id"] == id.as_str()).unwrap();
    assert_eq!(listed["replacement"]["entries"][2]["credit"]["value"], "12000.00");
    let (approve, reason) = (format!("/v1/ledger/corrections/{id}/approve"), json!({"reason": "checked"}));
    scene.post(&scene.finance, &approve, &reason).assert_problem(409, "conflict");
    let approved = scene.post(&admin, &approve, &reason);
    assert_eq!(approved.status, 201, "{}", approved.body);
    scene.post(&admin, &approve, &reason).assert_problem(409, "conflict");
    let transactions = scene.get(&scene.finance, &path).json()["transactions"].clone();
    let replacement =
        transactions.as_array().unwrap().iter().find(|one| one["id"] == approved.json()["replacement_id"]);
    assert_eq!(replacement.unwrap()["accounting_date"], booked["accounting_date"]);

    // A wrong proposal is dismissed, possibly by its proposer, and the books do not change.
    let second = replacement.unwrap()["id"].as_str().unwrap();
    let reverse = format!("/v1/ledger/transactions/{second}/reverse");
    let again = scene.post(&scene.finance, &reverse, &json!({"reason": "no, it is not"}));
    assert_eq!(again.status, 202, "what is large is not taken back by one either: {}", again.body);
    let dismiss = format!("/v1/ledger/corrections/{}/dismiss", again.json()["id"].as_str().unwrap());
    assert_eq!(scene.post(&scene.finance, &dismiss, &reason).json()["status"], "dismissed");
    assert_eq!(scene.get(&scene.finance, &path).json()["transactions"].as_array().unwrap().len(), 3);
    let back = scene.post(&scene.finance, &reverse, &json!({"reason": "it was a test"}));
    let approve = format!("/v1/ledger/corrections/{}/approve", back.json()["id"].as_str().unwrap());
    assert_eq!(scene.post(&admin, &approve, &reason).status, 201);
}
