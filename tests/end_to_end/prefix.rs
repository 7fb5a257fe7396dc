//! The API under `/api/v1`, through API Gateway: both functions are reached, and a key means one change under both
//! prefixes.

use serde_json::json;

use super::{fresh, scene, send};

#[test]
fn both_functions_answer_under_either_prefix() {
    let scene = scene();
    let path = format!("/v1/invoices/{}", scene.own.invoice);
    let (plain, prefixed) = (scene.get(&scene.finance, &path), scene.get(&scene.finance, &format!("/api{path}")));
    assert_eq!((plain.status, plain.json()), (200, prefixed.json()));
    let listed = scene.get(&scene.finance, "/api/v1/clients?limit=1&sort=-created_at").json();
    assert_eq!(listed["clients"].as_array().map(Vec::len), Some(1), "{listed}");

    let (key, claim) = (fresh("key"), scene.claim(&fresh("prefix")).to_string());
    let first = scene.post_keyed(&scene.finance, "/api/v1/payments", &key, &claim);
    let again = scene.post_keyed(&scene.finance, "/v1/payments", &key, &claim);
    assert_eq!((first.status, first.json()), (202, again.json()));
    let payment = first.json()["transaction_id"].as_str().unwrap().to_owned();
    let confirmed = json!({"invoice_id": scene.own.invoice, "amount": {"value": "100.00", "currency": "EUR"}});
    let confirmation = format!("/api/v1/payments/{payment}/confirmation");
    scene.post(&scene.finance, &confirmation, &confirmed).assert_problem(403, "forbidden");
    let method =
        send(&scene.stack, "PUT", "/api/v1/payments", &[("authorization", &format!("Bearer {}", scene.finance))], "{}");
    assert_eq!((method.status, method.header("allow")), (405, "GET, POST"));
    assert_eq!(send(&scene.stack, "GET", "/api/v1/clients", &[], "").status, 401);
}

#[test]
fn an_edited_client_has_its_version_as_its_tag() {
    let scene = scene();
    let path = format!("/v1/clients/{}", scene.own.id);
    let read = scene.get(&scene.finance, &path);
    let tag = read.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", read.json()["version"]));
    let authorization = format!("Bearer {}", scene.finance);
    let headers =
        [("authorization", authorization.as_str()), ("if-match", "\"0\""), ("idempotency-key", &fresh("key"))];
    let stale = send(&scene.stack, "PATCH", &path, &headers, r#"{"name": "Another GmbH"}"#);
    stale.assert_problem(412, "changed-meanwhile");
    assert_eq!(scene.get(&scene.finance, &path).json()["name"], "Test GmbH");
}
