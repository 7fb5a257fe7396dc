//! The error responses that all HTTP functions share.

use std::collections::BTreeMap;

use quittance_domain::id::{ClientId, InvoiceId, WebhookEndpointId};
use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::body::BODY_BYTES_MAX;
use crate::openapi::examples;
use crate::problem::{FieldProblem, PROBLEM_JSON, Problem};
use crate::{etag, idempotency_key};

/// An error response that many operations share: its status, its name in the document, and its meaning.
#[derive(Debug, Clone, Copy)]
pub struct ProblemResponse {
    /// The HTTP status.
    pub status: &'static str,
    name: &'static str,
    description: &'static str,
    speaker: Speaker,
}

/// The origin of an error response.
#[derive(Debug, Clone, Copy)]
enum Speaker {
    /// A function, with this problem.
    Function(fn() -> Problem),
    /// API Gateway, before any function is called.
    Gateway,
    /// Either of them: a function with this problem.
    Both(fn() -> Problem),
}

const fn refusal(
    status: &'static str,
    name: &'static str,
    speaker: Speaker,
    description: &'static str,
) -> ProblemResponse {
    ProblemResponse { status, name, description, speaker }
}

/// The request is malformed.
pub const INVALID: ProblemResponse = refusal(
    "400",
    "Invalid",
    Speaker::Function(|| {
        let detail = "must have 1 to 500 characters".to_owned();
        Problem::invalid(vec![FieldProblem { pointer: "/reason".to_owned(), detail }])
    }),
    "The request is invalid; `errors` lists all problems.",
);
/// The token is missing or invalid.
pub const UNAUTHENTICATED: ProblemResponse =
    refusal("401", "Unauthenticated", Speaker::Gateway, "The token is missing or invalid; returned by API Gateway.");
/// The caller lacks the permission.
pub const FORBIDDEN: ProblemResponse = refusal(
    "403",
    "Forbidden",
    Speaker::Function(|| Problem::forbidden("machine:bff lacks the permission for this")),
    "The caller lacks the permission.",
);
/// The resource does not exist.
pub const NOT_FOUND: ProblemResponse = refusal(
    "404",
    "NotFound",
    Speaker::Function(|| Problem::not_found("invoice", InvoiceId::EXAMPLE)),
    "The resource does not exist or belongs to another client.",
);
/// The resource has another version.
const CHANGED_MEANWHILE: ProblemResponse = refusal(
    "412",
    "ChangedMeanwhile",
    Speaker::Function(changed_meanwhile),
    "The resource has another version than `If-Match` names.",
);
/// The body is too large.
pub const TOO_LARGE: ProblemResponse = refusal(
    "413",
    "TooLarge",
    Speaker::Function(|| Problem::too_large(BODY_BYTES_MAX)),
    "The body is larger than the limit.",
);
/// The key belongs to another request.
pub const KEY_REUSED: ProblemResponse = refusal(
    "422",
    "KeyReused",
    Speaker::Function(|| idempotency_key::used_otherwise(examples::IDEMPOTENCY_KEY)),
    "The Idempotency-Key belongs to another request.",
);
/// There are too many requests.
pub const TOO_MANY: ProblemResponse = refusal(
    "429",
    "TooMany",
    Speaker::Both(|| Problem::too_many_requests(3_000, 30)),
    "Too many requests of all callers (returned by API Gateway) or of this one.",
);
/// A dependency is unavailable.
pub const UNAVAILABLE: ProblemResponse =
    refusal("503", "Unavailable", Speaker::Function(|| Problem::unavailable(2)), "A dependency is unavailable.");
/// The first request with the key still runs.
pub const KEY_IN_USE: ProblemResponse = refusal(
    "409",
    "KeyInUse",
    Speaker::Function(|| idempotency_key::still_running(examples::IDEMPOTENCY_KEY)),
    "The first request with this Idempotency-Key is still running.",
);
const UNAUTHENTIC: ProblemResponse = refusal(
    "401",
    "Unauthentic",
    Speaker::Function(|| Problem::unauthentic("the signature does not match the body; nothing was stored")),
    "The signature is missing, wrong or too old; nothing was stored.",
);
const CONFLICT: ProblemResponse = refusal(
    "409",
    "Conflict",
    Speaker::Function(|| Problem::conflict(format!("invoice {}: it is paid", InvoiceId::EXAMPLE))),
    "The state of the invoice does not allow this.",
);

const CLIENT_CONFLICT: ProblemResponse = refusal(
    "409",
    "ClientConflict",
    Speaker::Function(|| Problem::conflict(format!("client {} owes INV-2026-000042", ClientId::EXAMPLE))),
    "Another active client has the e-mail address, or the client is deleted, owes something or has credit.",
);

const ENDPOINT_CONFLICT: ProblemResponse = refusal(
    "409",
    "EndpointConflict",
    Speaker::Function(|| {
        Problem::conflict(format!("webhook endpoint {} is disabled; enable it first", WebhookEndpointId::EXAMPLE))
    }),
    "The state of the endpoint does not allow this, or the maximum number of endpoints is reached.",
);

const ALL: [ProblemResponse; 14] = [
    INVALID,
    UNAUTHENTICATED,
    UNAUTHENTIC,
    FORBIDDEN,
    NOT_FOUND,
    CONFLICT,
    CLIENT_CONFLICT,
    ENDPOINT_CONFLICT,
    KEY_IN_USE,
    CHANGED_MEANWHILE,
    TOO_LARGE,
    KEY_REUSED,
    TOO_MANY,
    UNAVAILABLE,
];

impl ProblemResponse {
    /// The reference to its definition in the document.
    #[must_use]
    pub fn reference(self) -> RefOr<Response> {
        Ref::from_response_name(self.name).into()
    }

    fn response(self) -> Response {
        let response = ResponseBuilder::new().description(self.description);
        let plain = || ContentBuilder::new().schema(Some(GatewayRefusal::schema())).build();
        let (speak, response) = match self.speaker {
            Speaker::Gateway => return response.content("application/json", plain()).build(),
            Speaker::Both(speak) => (speak, response.content("application/json", plain())),
            Speaker::Function(speak) => (speak, response),
        };
        let problem = speak();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .example(Some(json!(problem)))
            .build();
        let response = response.content(PROBLEM_JSON, content);
        let response = if problem.is_passing() { response.header("Retry-After", retry_after()) } else { response };
        response.build()
    }
}

/// The response of API Gateway.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "API Gateway writes it")]
struct GatewayRefusal {
    /// The error in a word or two.
    message: String,
}

fn changed_meanwhile() -> Problem {
    etag::changed_meanwhile(&format!("client {}", ClientId::EXAMPLE), 3)
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(3600));
    let about = "The seconds to wait before the request is repeated.";
    HeaderBuilder::new().schema(Some(seconds)).description(Some(about)).build()
}

/// All of these responses, for the document's `components`.
pub(super) fn components() -> impl Iterator<Item = (String, RefOr<Response>)> {
    ALL.into_iter().map(|refusal| (refusal.name.to_owned(), refusal.response().into()))
}

macro_rules! refuses {
    ($(#[$doc:meta])* $name:ident => [$($refusal:ident),+]) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($refusal.status.to_owned(), $refusal.reference())),+].into()
            }
        }
    };
}

refuses! {
    /// 409: an invoice's state does not allow it.
    Conflict => [CONFLICT]
}

refuses! {
    /// 409: a client's state does not allow it, or its e-mail address is another's.
    ClientConflict => [CLIENT_CONFLICT]
}

refuses! {
    /// 409: a webhook endpoint's state does not allow it.
    EndpointConflict => [ENDPOINT_CONFLICT]
}

refuses! {
    /// 412: the resource has changed since it was read.
    ChangedMeanwhile => [CHANGED_MEANWHILE]
}

refuses! {
    /// 404: something that the body names does not exist.
    UnknownInBody => [NOT_FOUND]
}

refuses! {
    /// 401 of an endpoint that verifies signatures, and 503 if that is not possible.
    Unauthentic => [UNAUTHENTIC, UNAVAILABLE]
}
