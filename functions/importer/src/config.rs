//! Settings of the importer.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The importer's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    /// The processor's queue.
    pub payments_queue_url: String,
    /// The queue of S3 notifications.
    pub uploads_queue_url: String,
    pub dead_letter_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let uploads_queue_url = settings.required("UPLOADS_QUEUE_URL");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        let database = settings.finish_with(database)?;
        Ok(Self { database, payments_queue_url, uploads_queue_url, dead_letter_queue_url })
    }
}
