//! Settings of the notification function.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The notification function's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    /// The verified address that e-mails come from.
    pub sender: String,
    /// The sender's name in messages.
    pub seller_name: String,
    /// The configuration set through which Amazon SES reports on e-mails.
    pub configuration_set: String,
    /// The documents bucket, which has the receipts.
    pub documents_bucket: String,
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
        let sender = settings.required("EMAIL_SENDER");
        let seller_name = settings.required("SELLER_NAME");
        let configuration_set = settings.required("EMAIL_CONFIGURATION_SET");
        let documents_bucket = settings.required("DOCUMENTS_BUCKET");
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        settings.finish_with(database).map(|database| Self {
            database,
            sender,
            seller_name,
            configuration_set,
            documents_bucket,
            deliveries_table,
            dead_letter_queue_url,
        })
    }
}
