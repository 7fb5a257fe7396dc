//! Settings of the feedback function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// What the feedback function needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// The notifications' table of deliveries.
    pub deliveries_table: String,
    /// Where messages that cannot succeed are parked.
    pub dead_letter_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        settings.finish_with(database).map(|database| Self { database, deliveries_table, dead_letter_queue_url })
    }
}
