//! Settings of the webhook function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The webhook function's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    pub deliveries_table: String,
    /// The queue of due deliveries.
    pub delivery_queue_url: String,
    pub dead_letter_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let delivery_queue_url = settings.required("DELIVERY_QUEUE_URL");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        settings.finish_with(database).map(|database| Self {
            database,
            deliveries_table,
            delivery_queue_url,
            dead_letter_queue_url,
        })
    }
}
