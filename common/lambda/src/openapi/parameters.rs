//! Parameters in paths, queries and headers.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::examples;
use super::schema::{Shape, matching, refer, words};
use crate::{correlation, idempotency_key};

/// Names a set of parameters: a type for `#[utoipa::path(params(…))]`.
#[macro_export]
macro_rules! parameters {
    ($(#[$doc:meta])* $visibility:vis $name:ident => [$($parameter:expr),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visibility enum $name {}

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$($parameter),+]
            }
        }
    };
}

fn parameter(name: &str, place: ParameterIn, required: Required, shape: Shape, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(shape))
        .build()
}

/// A path parameter.
#[must_use]
pub fn in_path(name: &str, shape: impl Into<Shape>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Path, Required::True, shape.into(), description)
}

/// An optional query parameter.
#[must_use]
pub fn in_query(name: &str, shape: impl Into<Shape>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, Required::False, shape.into(), description)
}

/// A required header.
#[must_use]
pub fn in_header(name: &str, shape: impl Into<Shape>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Header, Required::True, shape.into(), description)
}

parameters! {
    pub PaymentPath => [in_path("transaction_id", refer("TransactionId"), "The payment, by any of its transaction ids.")]
}

parameters! {
    pub CasePath => [in_path("id", refer("CaseId"), "The case.")]
}

parameters! {
    /// The headers of a request that changes something.
    pub ChangeHeaders => [
        in_header(
            idempotency_key::NAME,
            matching(idempotency_key::pattern(), "With or without the quotes of a structured field.")
                .examples([examples::IDEMPOTENCY_KEY]),
            "One key per intended change, kept for retries: for 30 days the same key and request have one effect and one response.",
        ),
        parameter(
            correlation::HEADER,
            ParameterIn::Header,
            Required::False,
            words("1 to 64 letters, digits, hyphens, points and underscores; anything else is ignored.").into(),
            "The caller's correlation id, for logs, audit records and events.",
        ),
    ]
}
