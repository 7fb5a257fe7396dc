//! The HTTP function for payments: authorises callers, and makes commands durable before it responds.
//!
//! In: `POST /v1/payments` (claims), `POST /v1/payments/{transaction_id}/confirmation` (evidence of a trusted machine),
//! `POST /webhooks/{provider}` (gateways), evidence by hand, and staff decisions: refunds, cases, merging, unapplying.
//! Out: commands in `PaymentsQueue`, in groups of one transaction; requests for details in the gateways' queues; a
//! small record of each refusal. May fail: SQS, DynamoDB, and for claims and decisions the database; the caller gets a
//! 5xx and retries with the same key. A webhook needs no database, and gets a 2xx only after SQS has stored it; an
//! authentic one that cannot be interpreted is parked in the validator's own dead-letter queue.

pub mod api;
pub mod bodies;
mod by_hand;
pub mod commands;
pub mod config;
pub mod decisions;
pub mod once;
pub mod signing_secrets;
pub mod values;
pub mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::caller::Permission;
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::openapi;
use quittance_lambda::openapi::operation::open;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::permit::requires;
use quittance_lambda::problem::unknown_route;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::surroundings::{Origins, surround};
use quittance_store::Database;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bodies::Accepted;
use crate::signing_secrets::GatewaySecrets;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "validator";

/// The validator's dependencies.
#[derive(Debug)]
pub struct Validator {
    /// The database, as the validator's own role: clients of invoices, existing payments and cases.
    pub database: Database,
    /// Responses by idempotency key.
    pub idempotency: IdempotencyTable,
    /// The processor's queue.
    pub payments_queue: CommandQueue,
    /// The gateways' command queues, for details that messages left out.
    pub gateway_queues: GatewayQueues,
    /// The dead-letter queue for authentic messages that cannot be interpreted.
    pub dead_letters: DeadLetterQueue,
    /// Rate limits, and records of refused requests.
    pub guard: Arc<RequestGuard>,
    /// The origins whose pages may call the API from a browser.
    pub origins: Origins,
    /// The gateways' signing secrets.
    pub signing_secrets: GatewaySecrets,
    /// Our account at each gateway that also sends other companies' events.
    pub accounts: HashMap<&'static str, String>,
}

/// The routes.
pub fn router(validator: Arc<Validator>) -> Router {
    let (routes, _) = routes().split_for_parts();
    let routes = routes.fallback(unknown_route);
    surround(routes.with_state(Arc::clone(&validator)), &validator.guard, &validator.origins)
}

/// The OpenAPI description of the routes.
#[must_use]
pub fn description() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Arc<Validator>> {
    use Permission::{ClaimPayments, ConfirmPayments, DecideCases, RefundPayments};
    OpenApiRouter::with_openapi(openapi::document_with::<Accepted>())
        .routes(requires(&[ClaimPayments], routes!(api::claim)))
        .routes(requires(&[ConfirmPayments], routes!(api::confirm)))
        .routes(requires(&[DecideCases], routes!(by_hand::enter)))
        .routes(requires(&[RefundPayments], routes!(decisions::refund)))
        .routes(requires(&[DecideCases], routes!(decisions::merge)))
        .routes(requires(&[DecideCases], routes!(decisions::unmatch)))
        .routes(requires(&[DecideCases], routes!(decisions::approve)))
        .routes(requires(&[DecideCases], routes!(decisions::apply)))
        .routes(requires(&[DecideCases], routes!(decisions::refund_case)))
        .routes(requires(&[DecideCases], routes!(decisions::classify)))
        .routes(requires(&[DecideCases], routes!(decisions::dismiss)))
        .routes(open(routes!(webhooks::receive)))
}
