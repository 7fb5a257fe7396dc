//! Registering webhook endpoints: the URLs that are permitted, and what is stored of the response.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::world::{Role, state, world};

/// URLs that no endpoint may have, in the forms in which they can be written.
const FORBIDDEN: [&str; 33] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.170.2/",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://198.18.0.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:db8::1]/",
    // A name that resolves to loopback.
    "https://localhost/",
    "https://user:word@bff.example/",
];

async fn register(gateway: &Gateway, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::post("/v1/webhook-endpoints")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", Role::Bff.token()))
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap();
    let (parts, body) = gateway.answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_url_that_leads_into_our_own_network_is_refused_however_it_is_written() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let before = state(&test).await;
    for url in FORBIDDEN {
        let (status, problem) = register(&gateway, "k-1", &json!({"url": url})).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/url")), "{url}");
    }
    let (status, problem) =
        register(&gateway, "k-1", &json!({"url": "http://bff.example/", "event_types": ["x"], "z": 1})).await;
    let pointers: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(
        (status, pointers),
        (StatusCode::BAD_REQUEST, vec![&json!("/event_types/0"), &json!("/url"), &json!("/z")])
    );
    assert_eq!(state(&test).await, before, "nothing was changed");
}

#[tokio::test]
async fn neither_the_secret_nor_the_url_of_an_endpoint_is_kept_with_the_answer() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let body = json!({"url": "https://bff.example/hooks?token=hush", "event_types": ["invoice.paid", "invoice.paid"]});
    let (status, first) = register(&gateway, "k-1", &body).await;
    assert_eq!((status, &first["event_types"]), (StatusCode::CREATED, &json!(["invoice.paid"])));
    let secret = first["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "a new secret");
    let kept = "select (select string_agg(kept::text, '') from billing.requests kept)
        || (select string_agg(kept::text, '') from audit.records kept)";
    let kept = test.text(kept).await;
    assert!(
        kept.contains(first["id"].as_str().unwrap()) && !kept.contains("hush") && !kept.contains("whsec_"),
        "{kept}"
    );
    let (status, again) = register(&gateway, "k-1", &body).await;
    assert_eq!((status, &again["id"]), (StatusCode::CREATED, &first["id"]), "made anew from the row");
    assert_eq!(again["secret"], "whsec_loopback", "and from Secrets Manager, of which this is the only secret here");
    assert_eq!(register(&gateway, "k-1", &json!({"url": "https://other.example/"})).await.0, 422);
}

#[tokio::test]
async fn the_number_of_endpoints_is_limited() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let fill = "insert into billing.webhook_endpoints (id, url, secret_id, created_by)
        select gen_random_uuid(), 'https://bff.example/', gen_random_uuid(), 'x' from generate_series(1, 48)";
    sqlx::query(fill).execute(&test.admin).await.unwrap();
    let body = json!({"url": "https://bff.example/"});
    assert_eq!(register(&gateway, "k-50", &body).await.0, StatusCode::CREATED);
    assert_eq!(register(&gateway, "k-51", &body).await.0, StatusCode::CONFLICT);
    assert_eq!(test.count("select count(*) from billing.webhook_endpoints").await, 50);
}
