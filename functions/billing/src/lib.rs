//! The door for documents: clients, invoices, uploads; for reading what became of payments and cases; for saying who is
//! told of events; and for the whole API's description.
//!
//! In: HTTP. Out: rows, audit records and outbox rows in one transaction, then events on `InvoiceEventsTopic`;
//! presigned URLs for uploads; signing secrets in Secrets Manager. May fail: the database, AWS (503). Who retries: the caller.

mod books;
mod cases;
pub mod clients;
pub mod config;
mod credit_notes;
pub mod docs;
mod documents;
pub mod idempotent_change;
pub mod invoices;
mod page;
pub mod payments;
mod preferences;
mod receipts;
mod statement;
mod timeline;
mod unanswered;
pub mod uploads;
pub mod webhook_endpoints;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use quittance_documents::{Press, Seller};
use quittance_domain::calendar::day_in;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::caller::Permission;
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::openapi;
use quittance_lambda::openapi::operation::{asks, open};
use quittance_lambda::problem::{Problem, as_problem};
use quittance_lambda::publisher::Publisher;
use quittance_lambda::request_guard::{self, RequestGuard};
use quittance_store::{Database, StoreError};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::webhook_endpoints::WebhookAdministration;

/// What billing works with.
#[derive(Debug)]
pub struct Billing {
    /// The database, as billing's own role.
    pub database: Database,
    /// The events topic.
    pub publisher: Publisher,
    /// The processor's queue.
    pub payments_queue: CommandQueue,
    /// Who asks how often, and what was refused.
    pub door: Arc<RequestGuard>,
    /// What the validator has accepted.
    pub accepted: IdempotencyTable,
    /// Signs URLs for uploads.
    pub s3: aws_sdk_s3::Client,
    /// Where uploads go.
    pub uploads_bucket: String,
    /// Where receipts lie.
    pub documents_bucket: String,
    /// Who is told of events.
    pub webhooks: WebhookAdministration,
    /// Sets documents.
    pub press: Press,
    /// Who sells, at the head of documents.
    pub seller: Seller,
    /// The seller's time zone: documents and books go by its days.
    pub zone: Tz,
}

impl Billing {
    /// The day that it is where the seller is.
    pub(crate) fn today(&self) -> NaiveDate {
        day_in(self.zone, Utc::now())
    }
}

/// The routes.
pub fn router(billing: Arc<Billing>) -> Router {
    let (routes, _) = routes().split_for_parts();
    let routes = routes.fallback(unanswered::answer).method_not_allowed_fallback(unanswered::answer);
    routes
        .layer(map_response(as_problem))
        .layer(from_fn_with_state(Arc::clone(&billing.door), request_guard::watch))
        .with_state(billing)
}

/// What the routes say of themselves.
#[must_use]
pub fn description() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Arc<Billing>> {
    use Permission::{
        CorrectBooks, ManageWebhooks, OperateWebhooks, Read, ReadBooks, ReadCases, UploadConfirmations,
        UploadStatements, WriteInvoices, WritePreferences,
    };
    OpenApiRouter::with_openapi(openapi::document())
        .routes(open(routes!(docs::describe)))
        .routes(open(routes!(docs::page)))
        .routes(open(routes!(docs::file)))
        .routes(asks(&[WriteInvoices], routes!(clients::create)))
        .routes(asks(&[WriteInvoices], routes!(invoices::create)))
        .routes(asks(&[Read], routes!(invoices::read)))
        .routes(asks(&[Read], routes!(documents::invoice)))
        .routes(asks(&[WriteInvoices], routes!(invoices::send)))
        .routes(asks(&[WriteInvoices], routes!(invoices::void)))
        .routes(asks(&[WriteInvoices], routes!(credit_notes::create)))
        .routes(asks(&[Read], routes!(credit_notes::list)))
        .routes(asks(&[Read], routes!(documents::credit_note)))
        .routes(asks(&[Read], routes!(timeline::read)))
        .routes(asks(&[ReadCases], routes!(cases::list)))
        .routes(asks(&[ReadCases], routes!(cases::read)))
        .routes(asks(&[Read], routes!(payments::list)))
        .routes(asks(&[Read], routes!(payments::read)))
        .routes(asks(&[Read], routes!(receipts::read)))
        .routes(asks(&[UploadConfirmations, UploadStatements], routes!(uploads::start)))
        .routes(asks(&[Read], routes!(uploads::read)))
        .routes(asks(&[Read], routes!(statement::read)))
        .routes(asks(&[Read], routes!(preferences::read)))
        .routes(asks(&[WritePreferences], routes!(preferences::set)))
        .routes(asks(&[WritePreferences], routes!(preferences::lift)))
        .routes(asks(&[ReadBooks], routes!(books::trial_balance)))
        .routes(asks(&[ReadBooks], routes!(books::transactions)))
        .routes(asks(&[CorrectBooks], routes!(books::corrections::reverse)))
        .routes(asks(&[ReadBooks], routes!(books::proposals::list)))
        .routes(asks(&[CorrectBooks], routes!(books::proposals::approve)))
        .routes(asks(&[CorrectBooks], routes!(books::proposals::dismiss)))
        .routes(asks(&[CorrectBooks], routes!(books::adjustments::record)))
        .routes(asks(&[ReadBooks], routes!(books::ageing)))
        .routes(asks(&[ReadBooks], routes!(books::reconciliation)))
        .routes(asks(&[ReadBooks], routes!(books::journal)))
        .routes(asks(&[ManageWebhooks], routes!(webhook_endpoints::create)))
        .routes(asks(&[OperateWebhooks], routes!(webhook_endpoints::list)))
        .routes(asks(&[ManageWebhooks], routes!(webhook_endpoints::delete)))
        .routes(asks(&[OperateWebhooks], routes!(webhook_endpoints::enable)))
        .routes(asks(&[ManageWebhooks], routes!(webhook_endpoints::rotate)))
        .routes(asks(&[OperateWebhooks], routes!(webhook_endpoints::deliveries::list)))
        .routes(asks(&[OperateWebhooks], routes!(webhook_endpoints::deliveries::replay)))
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
