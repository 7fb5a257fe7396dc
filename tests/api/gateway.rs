//! API Gateway in front of the functions' own routers: it finds the template's route, requires a token if the route has
//! an authorizer, and passes the request on as a Lambda event.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::request_guard::RequestGuard;
use quittance_validator::Validator;
use quittance_validator::signing_secrets::GatewaySecrets;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::routes::{Declared, UNKNOWN, declared};
use super::world::Role;
use crate::database::TestDatabase;
use crate::loopback::Loopback;

/// The largest body that is passed on: Lambda accepts 6 MB, including base64.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Gateway {
    routes: Arc<Vec<(String, Declared)>>,
    billing: Router,
    validator: Router,
    pub(super) aws: Arc<Loopback>,
}

impl Gateway {
    pub(super) async fn before(test: &TestDatabase) -> Self {
        let aws = Loopback::serve();
        let config = aws.aws();
        let validator = Validator {
            database: test.as_role("quittance_validator", 4).await,
            idempotency: IdempotencyTable::new(&config, "idempotency".to_owned(), TimeDelta::days(30)),
            payments_queue: aws.payments_queue(),
            gateway_queues: aws.gateways(),
            dead_letters: aws.dead_letters(),
            guard: Arc::new(RequestGuard::new(&config, "door".to_owned(), u32::MAX)),
            signing_secrets: GatewaySecrets::new(&config, [("stripe", "secret".to_owned())].into()),
            accounts: HashMap::new(),
        };
        Self {
            routes: Arc::new(declared().into_iter().collect()),
            billing: crate::requests::billing(test).await,
            validator: quittance_validator::router(Arc::new(validator)),
            aws: Arc::new(aws),
        }
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let key = format!("{} {}", parts.method, parts.uri.path());
        let route = self.routes.iter().find(|(route, _)| fits(route, &key)).or_else(|| self.route(UNKNOWN));
        let (route_key, route) = route.expect("there is a route for what is unknown");
        let authorizer = match (route.requires_token, bearer(&parts.headers).and_then(Role::by_token)) {
            (false, _) => Value::Null,
            (true, Some(role)) => json!({"jwt": {"claims": role.claims(), "scopes": role.scopes()}}),
            (true, None) => {
                let reported = axum::Json(json!({"message": "Unauthorized"}));
                return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], reported).into_response();
            }
        };
        let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, axum::Json(json!({"message": "Request Too Long"}))).into_response();
        };
        let headers: serde_json::Map<String, Value> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let event = json!({
            "version": "2.0", "routeKey": route_key, "rawPath": parts.uri.path(),
            "rawQueryString": parts.uri.query().unwrap_or_default(), "headers": headers,
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3d4e5", "requestId": "Z1x2Y3w4FiAEMxQ=", "stage": "$default",
                "routeKey": route_key, "authorizer": authorizer, "time": "02/Nov/2026:12:00:00 +0000",
                "timeEpoch": 1_793_620_800_000_i64, "domainName": "api.example", "domainPrefix": "api",
                "http": {
                    "method": parts.method.as_str(), "path": parts.uri.path(), "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7", "userAgent": "test",
                },
            },
            "isBase64Encoded": true, "body": STANDARD.encode(&body),
        });
        let request = lambda_http::request::from_str(&event.to_string()).expect("the event is one of API Gateway");
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let router = if route.function == "validator" { &self.validator } else { &self.billing };
        router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    fn route(&self, key: &str) -> Option<&(String, Declared)> {
        self.routes.iter().find(|(route, _)| route == key)
    }
}

/// Whether a request's method and path match a route.
fn fits(route: &str, request: &str) -> bool {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), request.split('/').collect());
    let is_alike = |(wanted, given): (&&str, &&str)| wanted == given || (wanted.starts_with('{') && !given.is_empty());
    wanted.len() == given.len() && wanted.iter().zip(&given).all(is_alike)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

#[test]
fn a_route_fits_its_own_paths_only() {
    assert!(fits("GET /v1/cases/{id}", "GET /v1/cases/7"));
    for other in ["POST /v1/cases/7", "GET /v1/cases", "GET /v1/cases/", "GET /v1/cases/7/apply"] {
        assert!(!fits("GET /v1/cases/{id}", other), "{other}");
    }
}
