//! Credit notes, from the API to the books.

use serde_json::{Value, json};
use xtask::aws::local_agent;

use super::{Answer, LIMIT, Scene, euros, fresh, scene, until};

fn credit(scene: &Scene, token: &str, invoice: &str, amount: &str) -> Answer {
    let line = json!({"description": "Rebate", "quantity": 1, "unit_amount": euros(amount)});
    let body = json!({"reason": "Delivered in part", "lines": [line]});
    scene.post(token, &format!("/v1/invoices/{invoice}/credit-notes"), &body)
}

fn shown(scene: &Scene, invoice: &str) -> (Value, Value, Value) {
    let mut shown = scene.get(&scene.own.token, &format!("/v1/invoices/{invoice}")).json();
    (shown["status"].take(), shown["credited"]["value"].take(), shown["paid"]["value"].take())
}

#[test]
fn a_credit_note_leaves_less_to_pay_and_what_is_paid_too_much_then_is_credit() {
    let scene = scene();
    let (invoice, name) = (scene.new_invoice(), fresh("credited"));
    credit(scene, &scene.own.token, &invoice, "30.00").assert_problem(403, "forbidden");
    credit(scene, &scene.finance, &invoice, "100.01").assert_problem(409, "conflict");
    let (first, second) =
        (credit(scene, &scene.finance, &invoice, "25.00"), credit(scene, &scene.finance, &invoice, "5.00"));
    assert_eq!((first.status, second.status), (201, 201), "{} {}", first.body, second.body);
    let counted = |note: &Answer| note.json()["number"].as_str().unwrap()[8..].parse::<u32>().unwrap();
    assert_eq!(counted(&second), counted(&first) + 1, "what was refused has no number");
    assert_eq!(shown(scene, &invoice), (json!("open"), json!("30.00"), json!("0.00")));
    scene.post(&scene.finance, &format!("/v1/invoices/{invoice}/void"), &json!({})).assert_problem(409, "conflict");

    let confirmation = json!({"invoice_id": invoice, "amount": euros("80.00")});
    let confirmed = scene.post(&scene.gateway, &format!("/v1/payments/{name}/confirmation"), &confirmation);
    assert_eq!(confirmed.status, 202, "{}", confirmed.body);
    let payment = scene.wait_for_payment(&format!("manual:{name}"), "confirmed");
    assert_eq!(payment["surplus"]["value"], "10.00", "{payment}");
    assert_eq!(shown(scene, &invoice), (json!("paid"), json!("30.00"), json!("70.00")));
    let third = credit(scene, &scene.finance, &invoice, "1.00");
    assert_eq!((third.status, &third.json()["client_credit"]["value"]), (201, &json!("1.00")), "{}", third.body);
    until("what is credited to leave the invoice", || {
        (shown(scene, &invoice) == (json!("paid"), json!("31.00"), json!("69.00"))).then_some(())
    });
    let payment = scene.wait_for_payment(&format!("manual:{name}"), "confirmed");
    assert_eq!(payment["surplus"]["value"], "11.00", "{payment}");
    credit(scene, &scene.finance, &invoice, "69.01").assert_problem(409, "conflict");

    let list = scene.get(&scene.own.token, &format!("/v1/invoices/{invoice}/credit-notes")).json();
    let mut third = third.json();
    third.as_object_mut().unwrap().remove("client_credit");
    assert_eq!(list["credit_notes"], json!([first.json(), second.json(), third]));
    let path = format!("/v1/credit-notes/{}/pdf", first.json()["id"].as_str().unwrap());
    scene.get(&scene.other.token, &path).assert_problem(404, "not-found");
    let pdf = local_agent(LIMIT)
        .get(format!("{}{path}", scene.stack.api_url().unwrap()))
        .header("authorization", &format!("Bearer {}", scene.own.token))
        .call()
        .unwrap();
    assert!(pdf.into_body().read_to_vec().unwrap().starts_with(b"%PDF-"));

    let booked = until("all to be booked", || {
        let path = format!("/v1/ledger/transactions?invoice_id={invoice}");
        let found = scene.get(&scene.finance, &path).json()["transactions"].as_array().cloned().unwrap_or_default();
        (found.len() == 8).then_some(found)
    });
    let text = first.json()["number"].as_str().unwrap().to_owned();
    assert!(
        booked.iter().any(|entry| entry["description"].as_str().unwrap().starts_with(&format!("Credit note {text}")))
    );
    let findings = scene.get(&scene.finance, "/v1/ledger/reconciliation").json()["findings"].clone();
    let about_ours = |finding: &&Value| finding["invoice_id"] == json!(invoice);
    assert_eq!(findings.as_array().unwrap().iter().find(about_ours), None);
}
