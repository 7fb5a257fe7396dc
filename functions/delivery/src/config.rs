//! Settings of the delivery function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_outgoing::Targets;
use quittance_store::DatabaseSettings;

/// What the delivery function needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// The deliveries' table.
    pub deliveries_table: String,
    /// Where messages that speak of deliveries go.
    pub delivery_queue_url: String,
    /// Where messages that cannot succeed are parked.
    pub dead_letter_queue_url: String,
    /// What the names of signing secrets begin with.
    pub signing_secrets_folder: String,
    /// Where calls may go.
    pub targets: Targets,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let delivery_queue_url = settings.required("DELIVERY_QUEUE_URL");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        let signing_secrets_folder = settings.required("SIGNING_SECRETS_FOLDER");
        let targets = settings.group(|settings| settings.required("WEBHOOK_TARGETS").parse::<Targets>());
        settings.finish_with(database.zip(targets)).map(|(database, targets)| Self {
            database,
            deliveries_table,
            delivery_queue_url,
            dead_letter_queue_url,
            signing_secrets_folder,
            targets,
        })
    }
}
