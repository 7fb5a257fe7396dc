//! API Gateway in front of the functions' own routers: it finds the template's route, requires a token if the route has
//! an authorizer, and passes the request on as a Lambda event.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::surroundings::Origins;
use quittance_validator::Validator;
use quittance_validator::signing_secrets::GatewaySecrets;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::routes::{Declared, UNKNOWN, declared, fitting};
use super::world::Role;
use crate::database::TestDatabase;
use crate::loopback::Loopback;
use crate::requests::{ORIGIN, UNLIMITED};

/// The largest body that is passed on: Lambda accepts 6 MB, including base64.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Gateway {
    routes: Arc<BTreeMap<String, Declared>>,
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
            guard: Arc::new(RequestGuard::new(&config, "door".to_owned(), UNLIMITED)),
            origins: Origins::parse(ORIGIN).unwrap(),
            signing_secrets: GatewaySecrets::new(&config, [("stripe", "secret".to_owned())].into()),
            accounts: HashMap::new(),
        };
        Self {
            routes: Arc::new(declared()),
            billing: crate::requests::billing(test).await,
            validator: quittance_validator::router(Arc::new(validator)),
            aws: Arc::new(aws),
        }
    }

    /// Sends a request with a new idempotency key, and returns the status, the headers and the JSON of the response.
    pub(super) async fn call(
        &self,
        role: Role,
        request: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (u16, HeaderMap, Value) {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let mut request = Request::builder().method(method).uri(path);
        let known = [
            ("authorization", format!("Bearer {}", role.token())),
            ("host", "api.example".to_owned()),
            ("idempotency-key", Uuid::now_v7().to_string()),
        ];
        for (name, value) in known.iter().filter(|(name, _)| headers.iter().all(|(given, _)| given != name)) {
            request = request.header(*name, value);
        }
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let sent = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (parts, body) = self.answer(request.body(sent).expect("a request")).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let key = format!("{} {}", parts.method, parts.uri.path());
        let route = fitting(self.routes.iter(), &key).or_else(|| self.routes.get_key_value(UNKNOWN));
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
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("api.example");
        let event = json!({
            "version": "2.0", "routeKey": route_key, "rawPath": parts.uri.path(),
            "rawQueryString": parts.uri.query().unwrap_or_default(), "headers": headers,
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3d4e5", "requestId": "Z1x2Y3w4FiAEMxQ=", "stage": "$default",
                "routeKey": route_key, "authorizer": authorizer, "time": "02/Nov/2026:12:00:00 +0000",
                "timeEpoch": 1_793_620_800_000_i64, "domainName": host, "domainPrefix": "api",
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
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
