//! A client's image of a payment: reviewed and approved by staff, and unapplied from its invoice again.

use serde_json::{Value, json};
use xtask::aws::local_agent;

use super::files::put;
use super::{LIMIT, euros, fresh, scene, until};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

#[test]
fn staff_look_at_a_clients_picture_approve_it_and_can_take_the_payment_away_again() {
    let scene = scene();
    let (invoice, name) = (scene.new_invoice(), fresh("picture"));
    let number = scene.get(&scene.finance, &format!("/v1/invoices/{invoice}")).json()["number"].clone();
    let announced = json!({
        "kind": "payment_confirmation", "content_type": "image/png", "size_bytes": PNG.len(),
        "payments": [{
            "transaction_id": name, "invoice_number": number, "amount": euros("100.00"), "paid_on": "2026-11-02",
        }],
    });
    let started = scene.post(&scene.own.token, "/v1/uploads", &announced);
    assert_eq!(started.status, 201, "{}", started.body);
    assert_eq!(put(&started.json(), "image/png", PNG), 200);
    let mut another = PNG.to_vec();
    another.reverse();
    assert_eq!(put(&started.json(), "image/png", &another), 412, "what staff look at cannot be exchanged");
    scene.wait_for_payment(&format!("manual:{name}"), "pending");
    let case = until("the picture's case", || {
        let cases = scene.get(&scene.finance, "/v1/cases?kind=claimed&limit=200").json();
        let is_ours = |case: &&Value| case["transaction_id"] == format!("manual:{name}");
        cases["cases"].as_array().unwrap().iter().find(is_ours).cloned()
    });
    let path = format!("/v1/cases/{}", case["id"].as_str().unwrap());
    let shown = scene.get(&scene.finance, &path).json();
    let picture = local_agent(LIMIT).get(shown["attachment_url"].as_str().unwrap()).call().unwrap();
    assert_eq!(picture.headers()["content-disposition"], "attachment", "a browser does not show what a client brought");
    assert_eq!(picture.into_body().read_to_vec().unwrap(), PNG);
    let reason = json!({"reason": "the bank's own page"});
    scene.post(&scene.own.token, &format!("{path}/approve"), &reason).assert_problem(403, "forbidden");
    assert_eq!(scene.post(&scene.finance, &format!("{path}/approve"), &reason).status, 202);
    scene.wait_for_payment(&format!("manual:{name}"), "confirmed");
    assert_eq!(scene.invoice_status(&invoice), "paid");
    let unmatch = json!({"invoice_id": invoice, "reason": "another's money"});
    assert_eq!(scene.post(&scene.finance, &format!("/v1/payments/{name}/unmatch"), &unmatch).status, 202);
    until("the invoice to be owed again", || (scene.invoice_status(&invoice) == "open").then_some(()));
    let payment = scene.get(&scene.finance, &format!("/v1/payments/{name}")).json();
    assert_eq!((&payment["surplus"]["value"], &payment["invoice_id"]), (&json!("100.00"), &Value::Null));
}
