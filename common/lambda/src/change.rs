//! A request that changes something, read from HTTP: who may change what, under which idempotency key.

use std::any::TypeId;
use std::sync::Arc;
use std::{fmt, iter};

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Path, Request};
use axum::response::{IntoResponse, Response};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use http::request::Parts;
use http::{Method, StatusCode};
use quittance_domain::error::DependencyFailure;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{self, Faults};
use crate::caller::{Caller, Reach};
use crate::etag::IfMatch;
use crate::fingerprint::Fingerprint;
use crate::permit::Permit;
use crate::problem::Problem;
use crate::{correlation, etag, idempotency_key};

/// What identifies a change, and who requests it.
#[derive(Debug, Clone)]
pub struct ChangeHead {
    /// Who requests it.
    pub caller: Caller,
    /// The data that the caller may change.
    pub reach: Reach,
    /// The idempotency key.
    pub key: String,
    /// Method, path and body.
    pub fingerprint: Fingerprint,
    /// The version that the caller has seen.
    pub if_match: IfMatch,
    /// Links everything that the request causes.
    pub correlation_id: String,
}

impl ChangeHead {
    /// The request's id, made of the caller and their key: keys belong to their caller.
    #[must_use]
    pub fn request_id(&self) -> String {
        format!("{}:{}", self.caller.name, self.key)
    }
}

/// A requested change with its body: all faults of the body are refused at once.
#[derive(Debug, Clone)]
pub struct ChangeRequest<B> {
    /// Who requests it, under which key.
    pub head: ChangeHead,
    /// The body.
    pub body: B,
}

/// The body of an operation that takes none: JSON that a client sends is ignored.
#[derive(Debug, Clone, Copy)]
pub struct NoBody {}

impl Deserr<Faults> for NoBody {
    fn deserialize_from_value<V: IntoValue>(_: deserr::Value<V>, _: ValuePointerRef<'_>) -> Result<Self, Faults> {
        Ok(Self {})
    }
}

/// The parts that identified a request under its key by scheme 1, from method, route, the parameters of the path, and
/// the body as it was sent.
pub type PartsBefore = fn(&Method, &str, &[(String, String)], &[u8]) -> Vec<Vec<u8>>;

/// An HTTP function whose changes take effect once per caller and idempotency key.
pub trait Changes: Send + Sync {
    /// A change that has begun.
    type Work<'a>
    where
        Self: 'a;

    /// Keys of requests from before scheme 2 are compared by it until they expire.
    const PARTS_BEFORE: PartsBefore;

    /// Begins a change, unless its key was used before.
    ///
    /// # Errors
    /// The first response; 409 while the first request is running, 422 if the key belongs to another request, 503 if
    /// the keys cannot be read.
    fn begin(&self, head: ChangeHead) -> impl Future<Output = Result<Self::Work<'_>, Reply>> + Send;
}

/// Why a handler ends early.
pub enum Reply {
    /// The request is refused or failed; nothing has changed.
    Problem(Problem),
    /// The request was answered before: the first response again.
    Answered(StatusCode, Value),
}

/// Without the first response, which may have secrets and personal data.
impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => formatter.debug_tuple("Problem").field(problem).finish(),
            Self::Answered(status, _) => formatter.debug_tuple("Answered").field(status).finish_non_exhaustive(),
        }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Faults> for Reply {
    fn from(faults: Faults) -> Self {
        Self::Problem(faults.into_problem())
    }
}

impl<E: DependencyFailure> From<E> for Reply {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Answered(status, body) => respond(status, body),
        }
    }
}

/// The response to a read of something that has a `version`, which is its `ETag`.
#[derive(Debug, Clone)]
pub struct Versioned<T>(pub T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        match serde_json::to_value(self.0) {
            Ok(body) => respond(StatusCode::OK, body),
            Err(error) => Problem::dependency_failed(&error).into_response(),
        }
    }
}

/// The response to a change; the version of a resource is its `ETag`.
#[must_use]
pub fn respond(status: StatusCode, body: Value) -> Response {
    (status, etag::render(&body), axum::Json(body)).into_response()
}

impl<B, S> FromRequest<Arc<S>> for ChangeRequest<B>
where
    B: Deserr<Faults> + Send + 'static,
    S: Changes + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<S>) -> Result<Self, Self::Rejection> {
        let (mut parts, stream) = request.into_parts();
        let Permit { caller, reach } = Permit::from_request_parts(&mut parts, state).await?;
        let (route, parameters) = route(&mut parts).await;
        let bytes = Bytes::from_request(Request::new(stream), state).await;
        let bytes = bytes.map_err(|_| Problem::too_large(body::BODY_BYTES_MAX))?;
        let body = match bytes.is_empty() {
            true => body::from_value(Value::Object(Map::new()))
                .map_err(|_| Faults::of("", "the body is missing; send a JSON object").into_problem()),
            false => body::parse(&bytes),
        }?;
        let key = idempotency_key::read(&parts.headers)?;
        let if_match = IfMatch::read(&parts.headers)?;
        let before = (S::PARTS_BEFORE)(&parts.method, &route, &parameters, &bytes);
        let path: Vec<&str> =
            iter::once(route.as_str()).chain(parameters.iter().map(|(_, value)| value.as_str())).collect();
        // A body that is ignored does not identify the request.
        let is_ignored = TypeId::of::<B>() == TypeId::of::<NoBody>();
        let identifying = if is_ignored { &[] } else { bytes.as_ref() };
        let fingerprint = Fingerprint::new(&parts.method, &path, identifying, &before);
        // The body was parsed above, so it is JSON.
        let fingerprint = fingerprint.map_err(|error| Faults::of("", error).into_problem())?;
        let correlation_id = correlation::correlation_id(&parts.headers);
        Ok(Self { head: ChangeHead { caller, reach, key, fingerprint, if_match, correlation_id }, body })
    }
}

/// The route that the request matched, and the decoded parameters of its path.
async fn route(parts: &mut Parts) -> (String, Vec<(String, String)>) {
    let route = MatchedPath::from_request_parts(parts, &()).await;
    let route = route.map_or_else(|_| parts.uri.path().to_owned(), |route| route.as_str().to_owned());
    let parameters = Path::<Vec<(String, String)>>::from_request_parts(parts, &()).await;
    (route, parameters.map(|Path(parameters)| parameters).unwrap_or_default())
}
