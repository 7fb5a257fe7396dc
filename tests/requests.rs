//! Requests that change something take effect once, however often they are repeated: billing's routes on a real
//! PostgreSQL.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use chrono::TimeDelta;
use chrono_tz::Tz;
use http::{Request, StatusCode};
use quittance_billing::Billing;
use quittance_billing::webhook_endpoints::WebhookAdministration;
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::secrets::SigningSecrets;
use quittance_documents::{Press, Seller};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::rate_limits::RateLimits;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::surroundings::Origins;
use quittance_outgoing::Targets;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt;
use xtask::paths::workspace_root;

use crate::database::TestDatabase;
use crate::loopback::Loopback;

/// No limit that a test reaches.
pub(crate) const UNLIMITED: RateLimits = RateLimits { api: u32::MAX, payments: u32::MAX };

/// The origin whose pages may call the API.
pub(crate) const ORIGIN: &str = "https://app.example";

/// Billing's router, with services on loopback that have no data.
pub(crate) async fn billing(test: &TestDatabase) -> Router {
    let services = Loopback::serve();
    let aws = services.aws();
    quittance_billing::router(Arc::new(Billing {
        database: test.as_role("quittance_billing", 8).await,
        publisher: Publisher::new(&aws, "arn:aws:sns:eu-central-1:000000000000:unused.fifo".to_owned()),
        payments_queue: services.payments_queue(),
        guard: Arc::new(RequestGuard::new(&aws, "door".to_owned(), UNLIMITED)),
        origins: Origins::parse(ORIGIN).unwrap(),
        accepted: IdempotencyTable::new(&aws, "accepted".to_owned(), TimeDelta::days(30)),
        s3: quittance_lambda::aws::s3(&aws),
        uploads_bucket: "uploads".to_owned(),
        documents_bucket: "documents".to_owned(),
        webhooks: WebhookAdministration {
            table: DeliveriesTable::new(&aws, "deliveries".to_owned()),
            queue: DeliveryQueue::new(&aws, "http://unused/000000000000/delivery".to_owned()),
            secrets: SigningSecrets::new(&aws, "test/webhook-endpoints".to_owned()),
            targets: Targets::Public,
        },
        press: Press::new().unwrap(),
        seller: Seller::of_settings("Quittance Ltd".to_owned(), "1 Main Street; Dublin 2", "IE1234567FA".to_owned()),
        zone: Tz::Europe__Dublin,
    }))
}

/// One of billing's samples with another key and body.
fn request(sample: &str, key: &str, body: Option<&Value>) -> Request<Body> {
    let file = workspace_root().join("events/billing").join(sample).with_extension("json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut request = lambda_http::request::from_str(&text).unwrap();
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    let (parts, known) = request.into_parts();
    let body = body.map_or_else(|| known.to_vec(), |body| body.to_string().into_bytes());
    Request::from_parts(parts, Body::from(body))
}

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, serde_json::from_slice(&body).unwrap())
}

const CLIENTS: &str = "select count(*) from billing.clients";

#[tokio::test]
async fn two_hundred_first_requests_at_once_with_one_key_have_one_effect_and_one_answer() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    let mut asking = JoinSet::new();
    for number in 0..200 {
        let router = router.clone();
        // With and without the quotes of a structured field.
        let key = if number % 2 == 0 { "k-1" } else { "\"k-1\"" };
        asking.spawn(async move { ask(&router, request("create_client", key, None)).await });
    }
    let answers = asking.join_all().await;
    let (status, first) = &answers[0];
    assert_eq!((*status, first["name"].as_str()), (StatusCode::CREATED, Some("Nordlicht Handels GmbH")));
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    assert_eq!(test.count(CLIENTS).await, 1);
    assert_eq!(test.count("select count(*) from audit.records where action = 'client.created'").await, 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_changes_nothing_until_it_has_expired() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    let other = json!({"name": "Other", "email": "a@b.example", "address": ["Weg 1"]});
    assert_eq!(ask(&router, request("create_client", "k-1", None)).await.0, StatusCode::CREATED);
    let (status, problem) = ask(&router, request("create_client", "k-1", Some(&other))).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("urn:quittance:problem:idempotency-key-reused"))
    );
    assert_eq!(test.count(CLIENTS).await, 1);
    sqlx::query("update billing.requests set made_at = now() - interval '31 days'").execute(&test.admin).await.unwrap();
    assert_eq!(ask(&router, request("create_client", "k-1", Some(&other))).await.0, StatusCode::CREATED);
    assert_eq!(test.count(CLIENTS).await, 2);
}

/// A client's body as one serialiser writes it, and as another does: the same members, in another order and spacing.
const ONE: &str = r#"{"name":"A & B","email":"a@b.example","address":["Weg 1"],"tax_id":null}"#;
const OTHER: &str =
    "{\n  \"tax_id\": null, \"address\": [ \"Weg 1\" ], \"email\": \"a@b.example\", \"name\": \"A \\u0026 B\"\n}";

fn written(key: &str, body: &str) -> Request<Body> {
    let (parts, _) = request("create_client", key, None).into_parts();
    Request::from_parts(parts, Body::from(body.to_owned()))
}

#[tokio::test]
async fn a_request_that_is_written_differently_has_the_first_response() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    let first = ask(&router, written("k-1", ONE)).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(ask(&router, written("k-1", OTHER)).await, first);
    let changed = OTHER.replace("Weg 1", "Weg 2");
    assert_eq!(ask(&router, written("k-1", &changed)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(test.count(CLIENTS).await, 1);
}

#[tokio::test]
async fn a_key_of_the_scheme_before_is_compared_with_the_body_as_it_was_sent() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    let first = ask(&router, written("k-1", ONE)).await;
    sqlx::query("update billing.requests set scheme = 1, digest = sha256($1)")
        .bind(format!("POST /v1/clients\n{ONE}").into_bytes())
        .execute(&test.admin)
        .await
        .unwrap();
    assert_eq!(ask(&router, written("k-1", ONE)).await, first);
    assert_eq!(ask(&router, written("k-1", OTHER)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(test.count(CLIENTS).await, 1);
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    assert_eq!(ask(&router, request("create_invoice", "k-1", None)).await.0, StatusCode::NOT_FOUND, "no such client");
    assert_eq!(test.count("select count(*) from billing.requests").await, 0);
    assert_eq!(ask(&router, request("create_client", "k-1", None)).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_repeated_upload_is_the_same_upload_with_a_url_of_its_own_that_is_never_kept() {
    let test = TestDatabase::migrated().await;
    let router = billing(&test).await;
    let client = "insert into billing.clients (id, name, email, address)
        values ('019a3f5e2b7c7d10a1b2c3d4e5f60718', 'n', 'a@b.example', '{}')";
    sqlx::query(client).execute(&test.admin).await.unwrap();
    let (_, first) = ask(&router, request("start_upload", "k-1", None)).await;
    let (status, again) = ask(&router, request("start_upload", "k-1", None)).await;
    assert_eq!((status, &again["id"]), (StatusCode::CREATED, &first["id"]));
    assert!(again["put"]["url"].as_str().unwrap().contains("X-Amz-Signature"));
    assert_eq!(test.count("select count(*) from billing.uploads").await, 1);
    assert_eq!(test.count("select count(*) from billing.requests where answer::text like '%X-Amz%'").await, 0);
}
