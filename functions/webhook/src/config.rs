//! Settings of the webhook function.

use quittance_lambda::settings::{Settings, SettingsError};

/// What the webhook function needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where events are posted.
    pub endpoint_url: String,
    /// The signing secret in Secrets Manager.
    pub signing_secret_arn: String,
    /// The idempotency table.
    pub idempotency_table: String,
    /// Where messages that cannot succeed are parked.
    pub dead_letter_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let config = Self {
            endpoint_url: settings.required("WEBHOOK_URL"),
            signing_secret_arn: settings.required("SIGNING_SECRET_ARN"),
            idempotency_table: settings.required("IDEMPOTENCY_TABLE"),
            dead_letter_queue_url: settings.required("DEAD_LETTER_QUEUE_URL"),
        };
        settings.finish().map(|()| config)
    }
}
