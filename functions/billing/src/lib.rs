//! The door for documents: clients, invoices, uploads; and for reading what became of payments and cases.
//!
//! In: HTTP. Out: rows, audit records and outbox rows in one transaction, then events on `InvoiceEventsTopic`;
//! presigned URLs for uploads. May fail: the database (503). Who retries: the caller.

mod cases;
pub mod clients;
pub mod config;
pub mod invoices;
mod page;
pub mod payments;
mod timeline;
pub mod uploads;
pub mod work;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, post};
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::problem::{Problem, as_problem, unknown_route};
use quittance_lambda::publisher::Publisher;
use quittance_store::{Database, StoreError};

/// What billing works with.
#[derive(Debug)]
pub struct Billing {
    /// The database, as billing's own role.
    pub database: Database,
    /// The events topic.
    pub publisher: Publisher,
    /// What the validator has accepted.
    pub accepted: IdempotencyTable,
    /// Signs URLs for uploads.
    pub s3: aws_sdk_s3::Client,
    /// Where uploads go.
    pub uploads_bucket: String,
}

/// The routes.
pub fn router(billing: Arc<Billing>) -> Router {
    Router::new()
        .route("/v1/clients", post(clients::create))
        .route("/v1/invoices", post(invoices::create))
        .route("/v1/invoices/{id}", get(invoices::read))
        .route("/v1/invoices/{id}/send", post(invoices::send))
        .route("/v1/invoices/{id}/void", post(invoices::void))
        .route("/v1/invoices/{id}/timeline", get(timeline::read))
        .route("/v1/cases", get(cases::list))
        .route("/v1/cases/{id}", get(cases::read))
        .route("/v1/payments", get(payments::list))
        .route("/v1/payments/{transaction_id}", get(payments::read))
        .route("/v1/uploads", post(uploads::start))
        .route("/v1/uploads/{id}", get(uploads::read))
        .fallback(unknown_route)
        .layer(map_response(as_problem))
        .with_state(billing)
}

/// The database failed: logged here, told to the caller without details.
pub(crate) fn unavailable(error: StoreError) -> Problem {
    tracing::error!(error = %error, "the database failed");
    Problem::unavailable(2)
}

/// Reads an id from a path; a text that is no id names nothing.
pub(crate) fn path_id<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what, text.chars().take(60).collect::<String>()))
}
