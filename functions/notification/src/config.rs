//! Settings of the notification function.

use quittance_lambda::settings::{Settings, SettingsError};

/// What the notification function needs to know.
#[derive(Debug)]
pub struct Config {
    /// The verified address that e-mails come from.
    pub sender: String,
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
            sender: settings.required("EMAIL_SENDER"),
            idempotency_table: settings.required("IDEMPOTENCY_TABLE"),
            dead_letter_queue_url: settings.required("DEAD_LETTER_QUEUE_URL"),
        };
        settings.finish().map(|()| config)
    }
}
