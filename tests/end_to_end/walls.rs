//! A client never reaches another client's data, and no role can do what it has no permission for.

use serde_json::{Value, json};

use super::{Scene, euros, fresh, issue, scene};

#[test]
fn anothers_invoice_is_answered_as_one_that_does_not_exist() {
    let scene = scene();
    let missing = "inv_00000000000000000000000000000009";
    let foreign = scene.get(&scene.own.token, &format!("/v1/invoices/{}", scene.other.invoice));
    foreign.assert_problem(404, "not-found");
    let absent = scene.get(&scene.own.token, &format!("/v1/invoices/{missing}"));
    assert_eq!(foreign.body.replace(&scene.other.invoice, missing), absent.body);
    // The owner and staff do see it.
    for token in [&scene.other.token, &scene.finance, &scene.bff] {
        assert_eq!(scene.get(token, &format!("/v1/invoices/{}", scene.other.invoice)).status, 200);
    }
}

#[test]
fn a_payment_of_anothers_invoice_is_refused_and_leaves_no_trace() {
    let scene = scene();
    let reference = fresh("wall");
    let mut claim = scene.claim(&reference);
    claim["invoice_id"] = json!(scene.other.invoice);
    scene.post(&scene.own.token, "/v1/payments", &claim).assert_problem(404, "not-found");
    assert_eq!(scene.facts_of(&reference), 0);
}

#[test]
fn anothers_payment_and_upload_are_answered_404() {
    let scene = scene();
    let reference = fresh("wall");
    let mut claim = scene.claim(&reference);
    claim["invoice_id"] = json!(scene.other.invoice);
    assert_eq!(scene.post(&scene.other.token, "/v1/payments", &claim).status, 202);
    // Accepted or recorded, immediately.
    for token in [&scene.other.token, &scene.finance] {
        assert_eq!(scene.get(token, &format!("/v1/payments/{reference}")).status, 200);
    }
    scene.get(&scene.own.token, &format!("/v1/payments/{reference}")).assert_problem(404, "not-found");
    scene.wait_for_payment(&format!("manual:{reference}"), "pending");
    scene.get(&scene.own.token, &format!("/v1/payments/{reference}")).assert_problem(404, "not-found");
    assert_eq!(scene.get(&scene.other.token, &format!("/v1/payments/{reference}")).status, 200);

    let request = json!({"kind": "payment_confirmation", "size_bytes": 100});
    let upload = scene.post(&scene.other.token, "/v1/uploads", &request);
    assert_eq!(upload.status, 201, "{}", upload.body);
    let path = format!("/v1/uploads/{}", upload.json()["id"].as_str().unwrap());
    scene.get(&scene.own.token, &path).assert_problem(404, "not-found");
    assert_eq!(scene.get(&scene.other.token, &path).status, 200);
}

#[test]
fn a_client_cannot_speak_for_another_nor_for_the_bank() {
    let scene = scene();
    let foreign = json!({"kind": "payment_confirmation", "client_id": scene.other.id, "size_bytes": 100});
    scene.post(&scene.own.token, "/v1/uploads", &foreign).assert_problem(404, "not-found");
    let statement = json!({"kind": "bank_statement", "size_bytes": 100});
    scene.post(&scene.own.token, "/v1/uploads", &statement).assert_problem(403, "forbidden");
}

#[test]
fn a_caller_that_claims_may_not_confirm_and_a_caller_that_confirms_may_not_claim() {
    let scene = scene();
    let reference = fresh("confirm");
    let path = format!("/v1/payments/{reference}/confirmation");
    for token in [&scene.own.token, &scene.finance, &scene.bff] {
        scene.post(token, &path, &json!({"amount": euros("100.00")})).assert_problem(403, "forbidden");
    }
    scene.post(&scene.gateway, "/v1/payments", &scene.claim(&reference)).assert_problem(403, "forbidden");
    assert_eq!(scene.facts_of(&reference), 0);
}

#[test]
fn a_clients_user_writes_no_invoices() {
    let scene = scene();
    let draft = json!({"client_id": scene.own.id, "currency": "EUR", "due_on": "2099-12-31", "lines": []});
    scene.post(&scene.own.token, "/v1/invoices", &draft).assert_problem(403, "forbidden");
    for action in ["send", "void"] {
        let path = format!("/v1/invoices/{}/{action}", scene.own.invoice);
        scene.post(&scene.own.token, &path, &Value::Null).assert_problem(403, "forbidden");
    }
}

/// The names of the payments on a page, and the cursor of the next.
fn listed(scene: &Scene, token: &str, query: &str) -> (Vec<String>, Value) {
    let page = scene.get(token, &format!("/v1/payments?{query}")).json();
    let payments = page["payments"].as_array().unwrap_or_else(|| panic!("no list: {page}"));
    let name = |payment: &Value| payment["transaction_id"].as_str().unwrap().to_owned();
    (payments.iter().map(name).collect(), page["next_cursor"].clone())
}

#[test]
fn a_client_lists_the_payments_of_its_own_invoices_and_finance_those_of_all() {
    let scene = scene();
    let invoice = issue(&scene.stack, &scene.finance, &scene.own.id)["id"].as_str().unwrap().to_owned();
    let names: Vec<String> = (0..3).map(|_| fresh("listed")).collect();
    for name in &names {
        let claim = json!({
            "transaction_id": name, "provider": "manual", "invoice_id": invoice, "amount": euros("40.00"),
        });
        assert_eq!(scene.post(&scene.own.token, "/v1/payments", &claim).status, 202);
        scene.wait_for_payment(&format!("manual:{name}"), "pending");
    }
    let names: Vec<String> = names.iter().map(|name| format!("manual:{name}")).collect();
    let of_invoice = format!("invoice_id={invoice}&status=pending");
    for token in [&scene.own.token, &scene.finance] {
        assert_eq!(listed(scene, token, &of_invoice), (names.clone(), Value::Null));
    }
    assert_eq!(listed(scene, &scene.other.token, &of_invoice).0, Vec::<String>::new());
    assert_eq!(
        listed(scene, &scene.own.token, &format!("invoice_id={invoice}&status=confirmed")).0,
        Vec::<String>::new()
    );
    let (first, cursor) = listed(scene, &scene.own.token, &format!("{of_invoice}&limit=2"));
    let next = listed(scene, &scene.own.token, &format!("{of_invoice}&limit=2&cursor={}", cursor.as_str().unwrap()));
    assert_eq!((first, next), (names[..2].to_vec(), (names[2..].to_vec(), Value::Null)));
    for wrong in ["status=paid", "invoice_id=cli_1", "limit=0", "cursor=x"] {
        scene.get(&scene.finance, &format!("/v1/payments?{wrong}")).assert_problem(400, "invalid-request");
    }
}
