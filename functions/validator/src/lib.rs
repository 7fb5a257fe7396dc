//! The door for payments: who may say what, made durable before it is answered.
//!
//! In: `POST /v1/payments` (claims), `POST /v1/payments/{transaction_id}/confirmation` (evidence of a trusted machine),
//! `POST /webhooks/{provider}` (gateways), and what finance decides: refunds, cases, merging. Out: commands in
//! `PaymentsQueue`, in groups of one transaction; questions in the gateways' queues; a small record of each refusal. May fail: SQS, DynamoDB, and for claims and decisions the database; the caller gets a 5xx and tries
//! again with the same key. A webhook needs no database, and is answered 2xx only after SQS has it; an authentic one
//! that cannot be understood is kept in the validator's own dead-letter queue.

pub mod api;
pub mod commands;
pub mod config;
pub mod decisions;
mod door;
pub mod once;
pub mod rejections;
pub mod signing_secrets;
pub mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::post;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::problem::{as_problem, unknown_route};
use quittance_store::Database;

use crate::rejections::Rejections;
use crate::signing_secrets::SigningSecrets;

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
    /// What was refused.
    pub rejections: Rejections,
    /// How many requests a caller has in a minute.
    pub caller_requests_per_minute_max: u32,
    /// The gateways' signing secrets.
    pub signing_secrets: SigningSecrets,
}

/// The routes.
pub fn router(validator: Arc<Validator>) -> Router {
    Router::new()
        .route("/v1/payments", post(api::claim))
        .route("/v1/payments/{transaction_id}/confirmation", post(api::confirm))
        .route("/v1/payments/{transaction_id}/refunds", post(decisions::refund))
        .route("/v1/payments/{transaction_id}/merge", post(decisions::merge))
        .route("/v1/cases/{id}/apply", post(decisions::apply))
        .route("/v1/cases/{id}/refund", post(decisions::refund_case))
        .route("/v1/cases/{id}/dismiss", post(decisions::dismiss))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .fallback(unknown_route)
        .layer(map_response(as_problem))
        .layer(from_fn_with_state(Arc::clone(&validator), door::watch))
        .with_state(validator)
}
