//! What every request of the API goes through: no caller asks too often, and what is refused leaves a record.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{Timelike, Utc};
use http::StatusCode;
use quittance_lambda::caller::Caller;
use quittance_lambda::problem::{Problem, ProblemCode};

use crate::Validator;

/// More than any request of the API; each body has a smaller limit of its own.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A request that comes again after this may be in another minute.
const MINUTE_SECONDS: u32 = 60;

/// Lets a request through unless its caller asks too often, and keeps a record of it if it is refused. Gateways'
/// webhooks are let through: their door has records of its own, and they cannot be asked to wait.
pub(crate) async fn watch(State(validator): State<Arc<Validator>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/webhooks/") {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &()).await.ok().map(|caller| caller.name);
    if let Some(problem) = over_the_limit(&validator, caller.as_deref()).await {
        return problem.into_response();
    }
    let source = caller.as_deref().unwrap_or("nobody");
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        validator.rejections.note("too_large", source, &Bytes::new()).await;
        return Problem::too_large(BODY_BYTES_MAX).into_response();
    };
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if let Some(reason) = refusal(&response) {
        validator.rejections.note(&reason, source, &body).await;
    }
    response
}

async fn over_the_limit(validator: &Validator, caller: Option<&str>) -> Option<Problem> {
    let (requests_max, now) = (validator.caller_requests_per_minute_max, Utc::now());
    match validator.idempotency.admit(caller?, now, requests_max).await {
        Ok(true) => None,
        Ok(false) => Some(Problem::too_many_requests(requests_max, MINUTE_SECONDS.saturating_sub(now.second()))),
        // Who cannot be counted is not turned away for it.
        Err(error) => {
            tracing::warn!(error = %error, "a request is not counted");
            None
        }
    }
}

/// Why a request was refused for what it is; that something is away or another request is running is no refusal.
fn refusal(response: &Response) -> Option<String> {
    let is_refused = [
        StatusCode::BAD_REQUEST,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    let code = response.extensions().get::<ProblemCode>().map_or("refused", |code| code.0.as_str());
    is_refused.contains(&response.status()).then(|| code.replace('-', "_"))
}
