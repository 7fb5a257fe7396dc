//! The HTTP function for documents: clients, invoices and uploads; for the status of payments and cases; for webhook
//! endpoints; and for the API's description.
//!
//! In: HTTP. Out: rows, audit records and outbox rows in one transaction, then events on `InvoiceEventsTopic`;
//! presigned URLs for uploads; signing secrets in Secrets Manager. May fail: the database, AWS (503). Retries: the
//! caller.

pub mod books;
mod cases;
pub mod clients;
pub mod config;
pub mod credit_notes;
pub mod docs;
mod documents;
pub mod idempotent_change;
pub mod invoices;
mod parts_before;
pub mod payments;
mod preferences;
mod receipts;
mod statement;
mod timeline;
mod translated_language;
mod unanswered;
pub mod uploads;
pub mod webhook_endpoints;

use std::sync::Arc;

use axum::Router;
use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use quittance_documents::{Press, Seller};
use quittance_domain::calendar::day_in;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::caller::Permission;
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::openapi;
use quittance_lambda::openapi::operation::open;
use quittance_lambda::permit::requires;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::surroundings::{Origins, surround};
use quittance_store::Database;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::webhook_endpoints::WebhookAdministration;

/// Billing's dependencies.
#[derive(Debug)]
pub struct Billing {
    /// The database, as billing's own role.
    pub database: Database,
    /// The events topic.
    pub publisher: Publisher,
    /// The processor's queue.
    pub payments_queue: CommandQueue,
    /// Rate limits, and records of refused requests.
    pub guard: Arc<RequestGuard>,
    /// The origins whose pages may call the API from a browser.
    pub origins: Origins,
    /// The payments that the validator has accepted.
    pub accepted: IdempotencyTable,
    /// Signs URLs for uploads.
    pub s3: aws_sdk_s3::Client,
    pub uploads_bucket: String,
    /// The documents bucket, which has the receipts.
    pub documents_bucket: String,
    /// Webhook endpoints, their secrets and deliveries.
    pub webhooks: WebhookAdministration,
    /// Renders documents.
    pub press: Press,
    /// The seller, for the head of documents.
    pub seller: Seller,
    /// The seller's time zone, which determines the dates of documents and the accounting dates.
    pub zone: Tz,
}

impl Billing {
    /// The current day in the seller's time zone.
    pub(crate) fn today(&self) -> NaiveDate {
        day_in(self.zone, Utc::now())
    }
}

/// The routes.
pub fn router(billing: Arc<Billing>) -> Router {
    let (routes, _) = routes().split_for_parts();
    let routes = routes.fallback(unanswered::answer).method_not_allowed_fallback(unanswered::answer);
    surround(routes.with_state(Arc::clone(&billing)), &billing.guard, &billing.origins)
}

/// The OpenAPI description of the routes.
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
        .routes(requires(&[WriteInvoices], routes!(clients::create)))
        .routes(requires(&[Read], routes!(clients::list)))
        .routes(requires(&[Read], routes!(clients::read)))
        .routes(requires(&[WriteInvoices], routes!(clients::change)))
        .routes(requires(&[WriteInvoices], routes!(clients::delete)))
        .routes(requires(&[WriteInvoices], routes!(invoices::create)))
        .routes(requires(&[Read], routes!(invoices::read)))
        .routes(requires(&[Read], routes!(documents::invoice)))
        .routes(requires(&[WriteInvoices], routes!(invoices::send)))
        .routes(requires(&[WriteInvoices], routes!(invoices::void)))
        .routes(requires(&[WriteInvoices], routes!(credit_notes::create)))
        .routes(requires(&[Read], routes!(credit_notes::list)))
        .routes(requires(&[Read], routes!(documents::credit_note)))
        .routes(requires(&[Read], routes!(timeline::read)))
        .routes(requires(&[ReadCases], routes!(cases::list)))
        .routes(requires(&[ReadCases], routes!(cases::read)))
        .routes(requires(&[Read], routes!(payments::list)))
        .routes(requires(&[Read], routes!(payments::read)))
        .routes(requires(&[Read], routes!(receipts::read)))
        .routes(requires(&[UploadConfirmations, UploadStatements], routes!(uploads::start)))
        .routes(requires(&[Read], routes!(uploads::read)))
        .routes(requires(&[Read], routes!(statement::read)))
        .routes(requires(&[Read], routes!(preferences::read)))
        .routes(requires(&[WritePreferences], routes!(preferences::set)))
        .routes(requires(&[WritePreferences], routes!(preferences::lift)))
        .routes(requires(&[ReadBooks], routes!(books::trial_balance)))
        .routes(requires(&[ReadBooks], routes!(books::transactions)))
        .routes(requires(&[CorrectBooks], routes!(books::corrections::reverse)))
        .routes(requires(&[ReadBooks], routes!(books::proposals::list)))
        .routes(requires(&[CorrectBooks], routes!(books::proposals::approve)))
        .routes(requires(&[CorrectBooks], routes!(books::proposals::dismiss)))
        .routes(requires(&[CorrectBooks], routes!(books::adjustments::record)))
        .routes(requires(&[ReadBooks], routes!(books::ageing)))
        .routes(requires(&[ReadBooks], routes!(books::reconciliation)))
        .routes(requires(&[ReadBooks], routes!(books::journal)))
        .routes(requires(&[ManageWebhooks], routes!(webhook_endpoints::create)))
        .routes(requires(&[OperateWebhooks], routes!(webhook_endpoints::list)))
        .routes(requires(&[ManageWebhooks], routes!(webhook_endpoints::delete)))
        .routes(requires(&[OperateWebhooks], routes!(webhook_endpoints::enable)))
        .routes(requires(&[ManageWebhooks], routes!(webhook_endpoints::rotate)))
        .routes(requires(&[OperateWebhooks], routes!(webhook_endpoints::deliveries::list)))
        .routes(requires(&[OperateWebhooks], routes!(webhook_endpoints::deliveries::replay)))
}
