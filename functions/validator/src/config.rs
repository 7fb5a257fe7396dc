//! Settings of the validator.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// What the validator needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// The idempotency table.
    pub idempotency_table: String,
    /// The table of refusals.
    pub rejections_table: String,
    /// Where commands go.
    pub payments_queue_url: String,
    /// Where authentic messages go that nobody understands.
    pub dead_letter_queue_url: String,
    /// Stripe's signing secrets in Secrets Manager, separated by white space while they rotate.
    pub stripe_webhook_secret_arn: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let idempotency_table = settings.required("IDEMPOTENCY_TABLE");
        let rejections_table = settings.required("REJECTIONS_TABLE");
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        let stripe_webhook_secret_arn = settings.required("STRIPE_WEBHOOK_SECRET_ARN");
        settings.finish_with(database).map(|database| Self {
            database,
            idempotency_table,
            rejections_table,
            payments_queue_url,
            dead_letter_queue_url,
            stripe_webhook_secret_arn,
        })
    }
}
