//! Settings of billing.

use chrono_tz::Tz;
use quittance_documents::Seller;
use quittance_lambda::rate_limits::RateLimits;
use quittance_lambda::settings::{Settings, SettingsError};
use quittance_lambda::surroundings::Origins;
use quittance_outgoing::Targets;
use quittance_store::DatabaseSettings;

/// Billing's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    /// The events topic.
    pub topic_arn: String,
    /// The processor's queue.
    pub payments_queue_url: String,
    /// The validator's idempotency table, which has the accepted payments.
    pub accepted_table: String,
    pub uploads_bucket: String,
    /// The documents bucket, which has the receipts.
    pub documents_bucket: String,
    pub request_guard_table: String,
    /// The number of requests that a caller has per minute.
    pub rate_limits: RateLimits,
    /// The origins whose pages may call the API from a browser.
    pub origins: Origins,
    /// The table of webhook deliveries.
    pub deliveries_table: String,
    /// The queue of due deliveries.
    pub delivery_queue_url: String,
    /// The prefix of the names of signing secrets.
    pub signing_secrets_folder: String,
    /// The addresses that webhooks may be sent to.
    pub targets: Targets,
    /// The seller, for the head of documents.
    pub seller: Seller,
    /// The seller's time zone.
    pub zone: Tz,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let topic_arn = settings.required("INVOICE_EVENTS_TOPIC_ARN");
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let accepted_table = settings.required("ACCEPTED_TABLE");
        let uploads_bucket = settings.required("UPLOADS_BUCKET");
        let documents_bucket = settings.required("DOCUMENTS_BUCKET");
        let request_guard_table = settings.required("REQUEST_GUARD_TABLE");
        let rate_limits = RateLimits::read(&mut settings);
        let origins = Origins::read(&mut settings);
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let delivery_queue_url = settings.required("DELIVERY_QUEUE_URL");
        let signing_secrets_folder = settings.required("SIGNING_SECRETS_FOLDER");
        let seller = Seller::of_settings(
            settings.required("SELLER_NAME"),
            &settings.required("SELLER_ADDRESS"),
            settings.required("SELLER_TAX_ID"),
        );
        let targets = settings.group(|settings| settings.required("WEBHOOK_TARGETS").parse::<Targets>());
        let zone = settings.seller_time_zone();
        settings.finish_with(database.zip(targets).zip(zone.zip(origins))).map(
            |((database, targets), (zone, origins))| Self {
                database,
                topic_arn,
                payments_queue_url,
                accepted_table,
                uploads_bucket,
                documents_bucket,
                request_guard_table,
                rate_limits,
                origins,
                deliveries_table,
                delivery_queue_url,
                signing_secrets_folder,
                targets,
                seller,
                zone,
            },
        )
    }
}
