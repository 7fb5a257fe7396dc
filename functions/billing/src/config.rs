//! Settings of billing.

use chrono_tz::Tz;
use quittance_documents::Seller;
use quittance_lambda::settings::{Settings, SettingsError};
use quittance_outgoing::Targets;
use quittance_store::DatabaseSettings;

/// What billing needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// Where events are published.
    pub topic_arn: String,
    /// Where commands to the processor go.
    pub payments_queue_url: String,
    /// The validator's idempotency table, which notes what was accepted.
    pub accepted_table: String,
    /// Where uploads go.
    pub uploads_bucket: String,
    /// Where receipts lie.
    pub documents_bucket: String,
    /// The table of the doors.
    pub door_table: String,
    /// How many requests a caller has in a minute.
    pub caller_requests_per_minute_max: u32,
    /// The webhooks' table of deliveries.
    pub deliveries_table: String,
    /// Where messages that speak of deliveries go.
    pub delivery_queue_url: String,
    /// What the names of signing secrets begin with.
    pub signing_secrets_folder: String,
    /// Where webhooks may go.
    pub targets: Targets,
    /// Who sells, at the head of documents.
    pub seller: Seller,
    /// The seller's time zone.
    pub zone: Tz,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let topic_arn = settings.required("INVOICE_EVENTS_TOPIC_ARN");
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let accepted_table = settings.required("ACCEPTED_TABLE");
        let uploads_bucket = settings.required("UPLOADS_BUCKET");
        let documents_bucket = settings.required("DOCUMENTS_BUCKET");
        let door_table = settings.required("DOOR_TABLE");
        let caller_requests_per_minute_max = settings.number("CALLER_REQUESTS_PER_MINUTE_MAX");
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
        settings.finish_with(database.zip(targets).zip(zone)).map(|((database, targets), zone)| Self {
            database,
            topic_arn,
            payments_queue_url,
            accepted_table,
            uploads_bucket,
            documents_bucket,
            door_table,
            caller_requests_per_minute_max,
            deliveries_table,
            delivery_queue_url,
            signing_secrets_folder,
            targets,
            seller,
            zone,
        })
    }
}
