//! The door for payments: who may say what, made durable before it is answered.
//!
//! In: `POST /v1/payments` (claims), `POST /v1/payments/{transaction_id}/confirmation` (evidence of a trusted machine),
//! `POST /webhooks/{provider}` (gateways), what finance enters by hand, and what it decides: refunds, cases, merging,
//! unmatching. Out: commands in `PaymentsQueue`, in groups of one transaction; questions in the gateways' queues; a small
//! record of each refusal. May fail: SQS, DynamoDB, and for claims and decisions the database; the caller gets a 5xx and
//! tries again with the same key. A webhook needs no database, and is answered 2xx only after SQS has it; an authentic one that cannot be
//! understood is kept in the validator's own dead-letter queue.

pub mod api;
mod bodies;
mod by_hand;
pub mod commands;
pub mod config;
pub mod decisions;
pub mod once;
pub mod signing_secrets;
pub mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::caller::Permission;
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::openapi;
use quittance_lambda::openapi::operation::{asks, open};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::problem::{as_problem, unknown_route};
use quittance_lambda::request_guard::{self, RequestGuard};
use quittance_store::Database;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bodies::Accepted;
use crate::signing_secrets::GatewaySecrets;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "validator";

/// What the validator works with.
#[derive(Debug)]
pub struct Validator {
    /// The database, as the validator's own role: whose invoice is it, which payment and case are there.
    pub database: Database,
    /// Answers by idempotency key.
    pub idempotency: IdempotencyTable,
    /// Where commands go.
    pub payments_queue: CommandQueue,
    /// Where questions to the gateways go.
    pub gateway_queues: GatewayQueues,
    /// Where authentic messages go that nobody understands.
    pub dead_letters: DeadLetterQueue,
    /// Who asks how often, and what was refused.
    pub door: Arc<RequestGuard>,
    /// The gateways' signing secrets.
    pub signing_secrets: GatewaySecrets,
    /// Our account at each gateway that reports other companies' accounts as well.
    pub accounts: HashMap<&'static str, String>,
}

/// The routes.
pub fn router(validator: Arc<Validator>) -> Router {
    let (routes, _) = routes().split_for_parts();
    routes
        .fallback(unknown_route)
        .layer(map_response(as_problem))
        .layer(from_fn_with_state(Arc::clone(&validator.door), request_guard::watch))
        .with_state(validator)
}

/// What the routes say of themselves.
#[must_use]
pub fn description() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Arc<Validator>> {
    use Permission::{ClaimPayments, ConfirmPayments, DecideCases, RefundPayments};
    OpenApiRouter::with_openapi(openapi::document_with::<Accepted>())
        .routes(asks(&[ClaimPayments], routes!(api::claim)))
        .routes(asks(&[ConfirmPayments], routes!(api::confirm)))
        .routes(asks(&[DecideCases], routes!(by_hand::enter)))
        .routes(asks(&[RefundPayments], routes!(decisions::refund)))
        .routes(asks(&[DecideCases], routes!(decisions::merge)))
        .routes(asks(&[DecideCases], routes!(decisions::unmatch)))
        .routes(asks(&[DecideCases], routes!(decisions::approve)))
        .routes(asks(&[DecideCases], routes!(decisions::apply)))
        .routes(asks(&[DecideCases], routes!(decisions::refund_case)))
        .routes(asks(&[DecideCases], routes!(decisions::classify)))
        .routes(asks(&[DecideCases], routes!(decisions::dismiss)))
        .routes(open(routes!(webhooks::receive)))
}
