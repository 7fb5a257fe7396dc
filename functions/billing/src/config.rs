//! Settings of billing.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// What billing needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// Where events are published.
    pub topic_arn: String,
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
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let topic_arn = settings.required("INVOICE_EVENTS_TOPIC_ARN");
        let accepted_table = settings.required("ACCEPTED_TABLE");
        let uploads_bucket = settings.required("UPLOADS_BUCKET");
        let documents_bucket = settings.required("DOCUMENTS_BUCKET");
        let door_table = settings.required("DOOR_TABLE");
        let caller_requests_per_minute_max = settings.number("CALLER_REQUESTS_PER_MINUTE_MAX");
        settings.finish_with(database).map(|database| Self {
            database,
            topic_arn,
            accepted_table,
            uploads_bucket,
            documents_bucket,
            door_table,
            caller_requests_per_minute_max,
        })
    }
}
