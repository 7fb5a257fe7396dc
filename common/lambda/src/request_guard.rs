//! The guard in front of every API request: counts each caller's requests and records refused ones.

use std::collections::HashMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use http::{HeaderValue, Method, StatusCode};
use opentelemetry::KeyValue;
use quittance_domain::error::Chain;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::aws_error::AwsError;
use crate::caller::Caller;
use crate::correlation;
use crate::problem::{Problem, ProblemCode};
use crate::rate_limits::{RateLimit, RateLimits};
use crate::spans::{self, Kind};
use crate::trace::{self, TraceContext};

/// More than any request of the API; each body has a lower limit of its own.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A request that is retried after this time is in another minute.
const MINUTE_SECONDS: u32 = 60;

/// A count is useless after its minute; DynamoDB may delete it then.
const COUNT_RETENTION: TimeDelta = TimeDelta::minutes(5);

/// Long enough to investigate an attack or a wrong secret.
const REFUSAL_RETENTION: TimeDelta = TimeDelta::days(30);

/// The longest source that is stored, in characters.
const SOURCE_LENGTH_MAX: usize = 100;

/// The table with the number of requests per caller and minute, and with refused requests.
#[derive(Debug, Clone)]
pub struct RequestGuard {
    client: Client,
    table: String,
    limits: RateLimits,
}

impl RequestGuard {
    /// A guard with its table and the number of requests that a caller has per minute.
    #[must_use]
    pub fn new(aws: &SdkConfig, table: String, limits: RateLimits) -> Self {
        Self { client: Client::new(aws), table, limits }
    }

    /// Counts a request of a caller in the minute of `now`, and returns whether it is within the limit.
    ///
    /// # Errors
    /// [`AwsError`] if DynamoDB does not answer.
    pub async fn admit(&self, caller: &str, limit: RateLimit, now: DateTime<Utc>) -> Result<bool, AwsError> {
        let (name, minute) = (limit.as_str(), now.timestamp().div_euclid(60));
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(format!("requests:{name}:{caller}:{minute}")))
            .update_expression("ADD requests :one SET expires_at = :expires_at")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":expires_at", expires_at(now + COUNT_RETENTION))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| AwsError::new("UpdateItem", error.into_service_error()))?;
        let counted = answer.attributes().and_then(|item| item.get("requests")?.as_n().ok()?.parse::<u32>().ok());
        Ok(counted.is_none_or(|counted| counted <= self.limits.per_minute(limit)))
    }

    /// Records a refused request: reason, source, time, and a digest to compare with the sender's own log; never the
    /// body. A failure is only logged; the request stays refused.
    pub async fn record_refusal(&self, reason: &str, source: &str, body: &[u8]) {
        let now = Utc::now();
        // `RequestsRefusedMetric` in the template counts `refused` by its value.
        tracing::warn!(refused = reason, refusal.source = source, "request refused");
        let text = |value: String| AttributeValue::S(value);
        let item = HashMap::from([
            ("id".to_owned(), text(Uuid::now_v7().to_string())),
            ("reason".to_owned(), text(reason.to_owned())),
            ("source".to_owned(), text(source.chars().take(SOURCE_LENGTH_MAX).collect())),
            ("digest".to_owned(), text(hex::encode(Sha256::digest(body)))),
            ("rejected_at".to_owned(), text(now.to_rfc3339())),
            ("expires_at".to_owned(), expires_at(now + REFUSAL_RETENTION)),
        ]);
        if let Err(error) = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await {
            tracing::error!(error = %Chain(&error.into_service_error()), "refusal was not recorded");
        }
    }

    /// Counts a request of a caller.
    ///
    /// # Errors
    /// 429 if it is over the limit. A caller that cannot be counted is not refused for it.
    pub async fn count(&self, caller: &str, limit: RateLimit) -> Result<(), Problem> {
        let now = Utc::now();
        match self.admit(caller, limit, now).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let retry_after_seconds = MINUTE_SECONDS.saturating_sub(now.second());
                Err(Problem::too_many_requests(self.limits.per_minute(limit), retry_after_seconds))
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "request was not counted");
                Ok(())
            }
        }
    }
}

fn expires_at(time: DateTime<Utc>) -> AttributeValue {
    AttributeValue::N(time.timestamp().to_string())
}

/// Watches a request: records it if it is refused, and passes the guard on to the check of permissions, which counts it.
/// Gateways' webhooks always pass: their function has records of its own, and gateways cannot be asked to wait. Each
/// request has one correlation id from here on, and one log line with its response. A layer for
/// [`axum::middleware::from_fn_with_state`].
pub async fn watch(State(guard): State<Arc<RequestGuard>>, mut request: Request, next: Next) -> Response {
    let correlation_id = correlation::correlation_id(request.headers());
    if let Ok(value) = HeaderValue::from_str(&correlation_id) {
        request.headers_mut().insert(correlation::HEADER, value);
    }
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let method = request.method().clone();
    let trace = TraceContext::derive(&correlation_id, Uuid::nil());
    let parent = trace::parent(request.headers(), &trace);
    let span = spans::begin(Kind::Server, parent.unwrap_or(trace), parent.is_some());
    let response = admitted(&guard, request, next).await;
    let (trace_id, status) = (trace.trace_id(), response.status().as_u16());
    let failure = response.status().is_server_error().then_some("it was not answered");
    let attributes = vec![KeyValue::new("http.response.status_code", i64::from(status))];
    spans::end(span, format!("{method} {route}"), failure, attributes);
    spans::flush().await;
    tracing::info!(http.method = %method, http.route = route, http.status = status, correlation_id, trace_id, "answered");
    response
}

async fn admitted(guard: &Arc<RequestGuard>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/webhooks/") {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &()).await.ok().map(|caller| caller.name);
    let is_unknown = parts.extensions.get::<MatchedPath>().is_none();
    if let Some(caller) = caller.as_deref().filter(|_| is_unknown)
        && let Err(problem) = guard.count(caller, RateLimit::Api).await
    {
        return problem.into_response();
    }
    parts.extensions.insert(Arc::clone(guard));
    let source = caller.as_deref().unwrap_or("nobody");
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        guard.record_refusal("too_large", source, &[]).await;
        return Problem::too_large(BODY_BYTES_MAX).into_response();
    };
    let is_question = parts.method == Method::GET;
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if let Some(reason) = refusal(&response, is_question) {
        guard.record_refusal(&reason, source, &body).await;
    }
    response
}

/// Why a request was refused on its own merits. An unavailable dependency or another running request does not count as
/// a refusal; nor does a 404 to a read.
fn refusal(response: &Response, is_question: bool) -> Option<String> {
    let is_refused = match response.status() {
        StatusCode::NOT_FOUND => !is_question,
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => true,
        _ => false,
    };
    let code = response.extensions().get::<ProblemCode>().map_or("refused", |code| code.0.as_str());
    is_refused.then(|| code.replace('-', "_"))
}
