//! Settings of the delivery function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_outgoing::Targets;
use quittance_store::DatabaseSettings;

/// The delivery function's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    pub deliveries_table: String,
    /// The queue of due deliveries.
    pub delivery_queue_url: String,
    pub dead_letter_queue_url: String,
    /// The prefix of the names of signing secrets.
    pub signing_secrets_folder: String,
    /// The addresses that webhooks may be sent to.
    pub targets: Targets,
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
