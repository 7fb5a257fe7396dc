//! How requests reach an operation: under both prefixes, by an invoice's printed number, and from pages of other origins.

use http::HeaderMap;
use quittance_domain::id::InvoiceId;
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::world::{Role, clients_only, world};
use crate::requests::ORIGIN;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_api_is_the_same_under_both_prefixes() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    for path in ["/v1/clients", "/v1/payments?limit=1", "/v1/cases", "/v1/invoices/x", "/v1/no-such-thing"] {
        let plain = gateway.call(Role::Finance, &format!("GET {path}"), &[], &Value::Null).await;
        let prefixed = gateway.call(Role::Finance, &format!("GET /api{path}"), &[], &Value::Null).await;
        assert_eq!((plain.0, &plain.2), (prefixed.0, &prefixed.2), "{path}");
    }
    let body = json!({"name": "n", "email": "new@client.example", "address": ["Weg 1"]});
    let key = [("idempotency-key", "one-intent")];
    let first = gateway.call(Role::Finance, "POST /v1/clients", &key, &body).await;
    let again = gateway.call(Role::Finance, "POST /api/v1/clients", &key, &body).await;
    assert_eq!((first.0, &first.2), (201, &again.2), "a key means one change under both prefixes");
    let claim = json!({
        "transaction_id": "PO-1", "provider": "manual", "invoice_id": "no-such-number",
        "amount": {"value": "1.00", "currency": "EUR"},
    });
    for prefix in ["", "/api"] {
        let (status, _, refused) =
            gateway.call(Role::Finance, &format!("POST {prefix}/v1/payments"), &[], &claim).await;
        assert_eq!(status, 404, "{prefix}: {refused}");
    }
    for request in ["PUT /api/v1/payments", "POST /api/v1/cases/7", "POST /api/v1/payments/stripe:pi_1/receipt"] {
        let (status, headers, refused) = gateway.call(Role::Finance, request, &[], &json!({})).await;
        assert!(status == 405 && text(&headers, "allow").is_some(), "{request}: {refused}");
    }
    let (status, _, _) = gateway.call(Role::Scopeless, "GET /api/v1/clients", &[], &Value::Null).await;
    assert_eq!(status, 403, "permissions are the same");
    let (status, _, _) = gateway.call(Role::Finance, "POST /api/webhooks/stripe", &[], &json!({})).await;
    assert_eq!(status, 404, "gateways have one address");
}

#[tokio::test]
async fn an_empty_segment_of_a_path_is_not_found_and_named() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    for path in ["//v1/clients", "/v1//clients", "/v1/clients//statement", "/v1/payments//confirmation"] {
        let (status, _, refused) = gateway.call(Role::Finance, &format!("GET {path}"), &[], &Value::Null).await;
        assert!(status == 404 && refused["detail"].as_str().unwrap().contains("`//`"), "{path}: {refused}");
    }
}

#[tokio::test]
async fn an_invoice_is_found_by_its_printed_number_wherever_its_id_is_accepted() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let (_, _, found) = gateway.call(Role::Finance, "GET /v1/payments?limit=1", &[], &Value::Null).await;
    let id = found["payments"][0]["invoice_id"].as_str().unwrap().to_owned();
    let (_, _, invoice) = gateway.call(Role::Finance, &format!("GET /v1/invoices/{id}"), &[], &Value::Null).await;
    let number = invoice["number"].as_str().unwrap();
    for suffix in ["", "/credit-notes", "/timeline"] {
        let by_id = gateway.call(Role::Own, &format!("GET /v1/invoices/{id}{suffix}"), &[], &Value::Null).await;
        let by_number = gateway.call(Role::Own, &format!("GET /v1/invoices/{number}{suffix}"), &[], &Value::Null).await;
        assert_eq!((200, by_id.2), (by_number.0, by_number.2), "{suffix}");
        let foreign = gateway.call(Role::Other, &format!("GET /v1/invoices/{number}{suffix}"), &[], &Value::Null).await;
        assert_eq!(foreign.0, 404);
        assert!(!foreign.2.to_string().contains(&id), "another client's number gives no id away: {}", foreign.2);
    }
    for list in ["/v1/payments", "/v1/ledger/transactions"] {
        let by_id = gateway.call(Role::Finance, &format!("GET {list}?invoice_id={id}"), &[], &Value::Null).await;
        let by_number =
            gateway.call(Role::Finance, &format!("GET {list}?invoice_id={number}"), &[], &Value::Null).await;
        assert_eq!((200, by_id.2), (by_number.0, by_number.2), "{list}");
        let unknown = gateway.call(Role::Finance, &format!("GET {list}?invoice_id=INV-0"), &[], &Value::Null).await;
        assert_eq!((unknown.0, &unknown.2["errors"][0]["pointer"]), (400, &json!("invoice_id")), "{list}");
    }
    let money = json!({"value": "1.00", "currency": "EUR"});
    for (request, body) in [
        (
            "POST /v1/payments".to_owned(),
            json!({"transaction_id": "PO-1", "provider": "manual", "invoice_id": number, "amount": money}),
        ),
        (
            format!("POST /v1/payments/{}/unmatch", found["payments"][0]["transaction_id"].as_str().unwrap()),
            json!({"invoice_id": number, "reason": "another client's money"}),
        ),
        (
            "POST /v1/payments/manual:PO-2/evidence".to_owned(),
            json!({"invoice_ids": [number, id], "amount": money, "reason": "seen"}),
        ),
    ] {
        let (status, _, answered) = gateway.call(Role::Admin, &request, &[], &body).await;
        assert_eq!(status, 202, "{request}: {answered}");
    }
    let sent = gateway.aws.take_sent();
    let named: Vec<&Value> = sent.iter().map(|(_, data)| data.get("invoice").unwrap_or(&data["invoice_id"])).collect();
    assert_eq!(named, [&json!({"id": id}), &json!(id), &json!({"number": number})], "only evidence keeps the number");
}

#[tokio::test]
async fn a_version_that_a_request_names_is_compared_or_refused_and_never_ignored() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let draft = format!("/v1/invoices/{}", InvoiceId::EXAMPLE);
    let (_, headers, _) = gateway.call(Role::Finance, &format!("GET {draft}"), &[], &Value::Null).await;
    let tag = text(&headers, "etag").unwrap().to_owned();
    let stale = [("if-match", "\"99\"")];
    let (status, _, refused) = gateway.call(Role::Finance, &format!("POST {draft}/send"), &stale, &Value::Null).await;
    assert_eq!(status, 412, "{refused}");
    let seen = [("if-match", tag.as_str())];
    let (status, headers, sent) = gateway.call(Role::Finance, &format!("POST {draft}/send"), &seen, &Value::Null).await;
    assert_eq!((status, text(&headers, "etag").is_some_and(|now| now != tag)), (200, true), "{sent}");
    let claim = json!({
        "transaction_id": "PO-1", "provider": "manual", "invoice_id": InvoiceId::EXAMPLE,
        "amount": {"value": "1.00", "currency": "EUR"},
    });
    let endpoint = json!({"url": "https://bff.example/hooks"});
    for (request, body) in [("POST /v1/payments", claim), ("POST /v1/webhook-endpoints", endpoint)] {
        let (status, _, refused) = gateway.call(Role::Admin, request, &seen, &body).await;
        assert_eq!((status, &refused["errors"][0]["pointer"]), (400, &json!("If-Match")), "{request}");
    }
    assert_eq!(test.count("select count(*) from billing.webhook_endpoints").await, 1, "the one of the world");
}

#[tokio::test]
async fn pages_of_configured_origins_may_call_the_api_and_no_others_may() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    let preflight = [
        ("origin", ORIGIN),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "idempotency-key,if-match"),
    ];
    for path in ["/v1/clients/x", "/api/v1/payments"] {
        let (status, headers, _) =
            gateway.call(Role::Nobody, &format!("OPTIONS {path}"), &preflight, &Value::Null).await;
        assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, Some(ORIGIN)), "{path}");
        assert!(text(&headers, "access-control-allow-methods").unwrap().contains("PATCH"));
        assert!(text(&headers, "access-control-allow-headers").unwrap().contains("if-match"));
    }
    let (status, headers, _) =
        gateway.call(Role::Finance, "GET /v1/clients", &[("origin", ORIGIN)], &Value::Null).await;
    assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, Some(ORIGIN)));
    assert!(text(&headers, "access-control-expose-headers").unwrap().contains("etag"));
    for origin in ["https://other.example", "https://app.example.other.example", "null"] {
        let foreign = [("origin", origin), ("access-control-request-method", "GET")];
        for request in ["GET /v1/clients", "OPTIONS /v1/clients"] {
            let (_, headers, _) = gateway.call(Role::Finance, request, &foreign, &Value::Null).await;
            assert_eq!(text(&headers, "access-control-allow-origin"), None, "{request} from {origin}");
            assert_eq!(text(&headers, "vary"), Some("origin"));
        }
    }
    let (_, headers, _) = gateway.call(Role::Nobody, "POST /webhooks/stripe", &[("origin", ORIGIN)], &json!({})).await;
    assert_eq!(text(&headers, "access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_served_description_names_the_server_that_it_was_read_from() {
    let test = clients_only().await;
    let gateway = Gateway::before(&test).await;
    for (headers, server) in [
        (&[] as &[(&str, &str)], "https://api.example"),
        (&[("x-forwarded-proto", "http")], "http://api.example"),
        (&[("x-forwarded-proto", "gopher")], "https://api.example"),
    ] {
        let (_, _, document) = gateway.call(Role::Nobody, "GET /openapi.json", headers, &Value::Null).await;
        assert_eq!(document["servers"][0]["url"], server);
    }
}
