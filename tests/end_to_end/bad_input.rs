//! Requests that the API refuses, and the problems it returns.

use serde_json::{Value, json};

use super::{euros, fresh, scene, send};

/// More than the API accepts: 256 KiB and a byte.
const TOO_LARGE: usize = 256 * 1024 + 1;

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[test]
fn a_claim_that_makes_no_sense_is_refused_with_a_pointer_to_each_fault() {
    let scene = scene();
    let run = fresh("bad");
    let claim = scene.claim(&run);
    let amount =
        |value: &str, currency: &str| with(claim.clone(), "/amount", json!({"value": value, "currency": currency}));
    let mut unknown = claim.clone();
    unknown["note"] = json!("hurry");
    for (body, pointers) in [
        (amount("10.5", "JPY"), vec!["/amount/value"]),
        (amount("-1.00", "EUR"), vec!["/amount/value"]),
        (amount("0.00", "EUR"), vec!["/amount/value"]),
        (amount("100.001", "EUR"), vec!["/amount/value"]),
        (amount("1e5", "EUR"), vec!["/amount/value"]),
        (amount("100000000000", "EUR"), vec!["/amount/value"]),
        (amount("99999999999999999999999999999999999999", "EUR"), vec!["/amount/value"]),
        (amount("NaN", "EUR"), vec!["/amount/value"]),
        (amount("1.00", "XXX"), vec!["/amount/currency"]),
        (with(claim.clone(), "/amount/value", json!(100)), vec!["/amount/value"]),
        (with(claim.clone(), "/amount", json!("100 EUR")), vec!["/amount"]),
        (with(claim.clone(), "/transaction_id", json!("a b/../c")), vec!["/transaction_id"]),
        (with(claim.clone(), "/invoice_id", json!("inv_42")), vec!["/invoice_id"]),
        (unknown, vec!["/note"]),
        (json!({"amount": euros("1.00"), "a~b/c": 1}), vec!["/a~0b~1c", "/invoice_id", "/provider", "/transaction_id"]),
    ] {
        let answer = scene.post(&scene.own.token, "/v1/payments", &body);
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    assert_eq!(scene.facts_of(&run), 0, "a 4xx changes nothing");
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let scene = scene();
    let deep = "[".repeat(100_000);
    for body in ["", "{", "{\"transaction_id\": ", "[]", "null", "\"text\"", "{\"a\": 1} {}", deep.as_str()] {
        for path in ["/v1/payments", "/v1/invoices", "/v1/clients", "/v1/uploads"] {
            let answer = scene.post_text(&scene.finance, path, body);
            answer.assert_problem(400, "invalid-request");
            assert_eq!(answer.pointers(), [""], "{path}: {body:.30}");
        }
    }
}

#[test]
fn a_body_beyond_256_kib_is_refused_by_every_api_function() {
    let scene = scene();
    let body = json!({"note": "x".repeat(TOO_LARGE)}).to_string();
    for path in ["/v1/payments", "/v1/payments/t-1/confirmation", "/v1/invoices", "/v1/clients", "/v1/uploads"] {
        let token = if path.ends_with("confirmation") { &scene.gateway } else { &scene.finance };
        scene.post_text(token, path, &body).assert_problem(413, "too-large");
    }
    // Gateways send several events in one message.
    let webhook = json!({"note": "x".repeat(4 * TOO_LARGE)}).to_string();
    send(&scene.stack, "POST", "/webhooks/stripe", &[], &webhook).assert_problem(413, "too-large");
}

#[test]
fn an_unknown_route_is_answered_404_with_or_without_a_token() {
    let scene = scene();
    for (method, path) in
        [("GET", "/"), ("GET", "/v1/payment"), ("POST", "/v2/payments"), ("PUT", "/v1/payment"), ("GET", "/v1/../etc")]
    {
        send(&scene.stack, method, path, &[], "").assert_problem(404, "unknown-route");
    }
    scene.get(&scene.finance, "/v1/secrets").assert_problem(404, "unknown-route");
    send(&scene.stack, "POST", "/webhooks/nobody", &[], "{}").assert_problem(404, "not-found");
}

#[test]
fn requests_without_a_valid_token_are_refused() {
    let scene = scene();
    let path = format!("/v1/invoices/{}", scene.own.invoice);
    let (head, signature) = scene.finance.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    let stolen = format!("Bearer {head}.{flipped}");
    let unsigned = format!("Bearer {head}.");
    for headers in [
        vec![],
        vec![("authorization", "Bearer garbage")],
        vec![("authorization", "Basic dGVzdDp0ZXN0")],
        vec![("authorization", stolen.as_str())],
        vec![("authorization", unsigned.as_str())],
    ] {
        assert_eq!(send(&scene.stack, "GET", &path, &headers, "").status, 401, "{headers:?}");
        let body = scene.claim("t").to_string();
        assert_eq!(send(&scene.stack, "POST", "/v1/payments", &headers, &body).status, 401, "{headers:?}");
    }
}
