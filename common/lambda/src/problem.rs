//! Errors of the HTTP API: RFC 9457 problem details.

use std::error::Error;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use quittance_domain::error::{Chain, DependencyFailure};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of errors.
pub const PROBLEM_JSON: &str = "application/problem+json";
const TYPE_PREFIX: &str = "urn:quittance:problem:";

/// The short code of a problem, for metrics; an extension of its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemCode(pub String);

/// A problem with one member of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON Pointer (RFC 6901) to the member, or the name of a header or parameter.
    pub pointer: String,
    /// What is wrong, and what would be valid.
    pub detail: String,
}

/// What went wrong, for which id, and what to do (RFC 9457). A 4xx has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem.
    #[schema(pattern = "^urn:quittance:problem:[a-z-]+$")]
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The details of this problem, for people.
    detail: String,
    /// All problems of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of the kind `code`, which is part of its `type`.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("{TYPE_PREFIX}{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// The request has these problems; nothing of it was carried out.
    #[must_use]
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = "nothing was changed; correct what `errors` lists and send the request again";
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid", detail) }
    }

    /// The resource does not exist or is another client's: the response is the same.
    #[must_use]
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        let detail = format!("there is no {what} {id} that you may see");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// A gateway's message failed verification.
    #[must_use]
    pub fn unauthentic(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthentic-webhook", "The webhook is not authentic", detail)
    }

    /// The caller is authenticated but lacks the permission.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// The resource's state does not allow this.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Not possible in this state", detail)
    }

    /// The body is larger than the endpoint accepts.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = format!("a body has at most {bytes_max} bytes; send less, or upload a file");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// The caller sends too many requests.
    #[must_use]
    pub fn too_many_requests(requests_max: u32, retry_after_seconds: u32) -> Self {
        let detail = format!("nothing was changed; a caller has at most {requests_max} requests a minute here");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail)
            .retry_after(retry_after_seconds)
    }

    /// A dependency of the request is unavailable.
    #[must_use]
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        let detail = "it is not known whether the request took effect: repeat it with the same Idempotency-Key; without a key, check whether it took effect first";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail)
            .retry_after(retry_after_seconds)
    }

    /// The same, and logs the failure, which is not for the caller.
    #[must_use]
    pub fn dependency_failed(error: &dyn Error) -> Self {
        tracing::error!(error = %Chain(error), "a dependency failed");
        Self::unavailable(2)
    }

    /// With a `Retry-After` header.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        self.retry_after_seconds.is_some()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl<E: DependencyFailure> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::dependency_failed(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after_seconds);
        let kind = self.r#type.strip_prefix(TYPE_PREFIX).map(|code| ProblemCode(code.to_owned()));
        let mut response = (status, Json(self)).into_response();
        if let Some(kind) = kind {
            response.extensions_mut().insert(kind);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Gives errors of the router itself (a method that a path does not have, a path that is not UTF-8) the format of all
/// others. A layer for [`axum::middleware::map_response`].
pub async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_shaped = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if is_shaped || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let detail = "nothing was changed; see the method and the path in the API's description";
    Problem::new(status, "refused", "The request cannot be handled", detail).into_response()
}

/// The response for a path without a route.
pub async fn unknown_route(request: axum::extract::Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let hint = if path.contains("//") { ": the path has an empty segment (`//`)" } else { "" };
    let detail = format!("there is no route {method} {path}{hint}");
    Problem::new(StatusCode::NOT_FOUND, "unknown-route", "No such route", detail)
}
