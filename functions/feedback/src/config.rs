//! Settings of the feedback function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The feedback function's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    /// The table of notification deliveries.
    pub deliveries_table: String,
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
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        settings.finish_with(database).map(|database| Self { database, deliveries_table, dead_letter_queue_url })
    }
}
