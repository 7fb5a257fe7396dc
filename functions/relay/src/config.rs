//! Settings of the relay.

use std::collections::HashMap;

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The relay's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    /// The events topic.
    pub topic_arn: String,
    /// Each provider's command queue, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
    /// The processor's queue.
    pub payments_queue_url: String,
    /// The table of webhook deliveries.
    pub deliveries_table: String,
    /// The queue of due deliveries.
    pub delivery_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let topic_arn = settings.required("INVOICE_EVENTS_TOPIC_ARN");
        let gateway_queue_urls = settings.of_providers(quittance_providers::names(), "GATEWAY_QUEUE_URL");
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let deliveries_table = settings.required("DELIVERIES_TABLE");
        let delivery_queue_url = settings.required("DELIVERY_QUEUE_URL");
        settings.finish_with(database).map(|database| Self {
            database,
            topic_arn,
            gateway_queue_urls,
            payments_queue_url,
            deliveries_table,
            delivery_queue_url,
        })
    }
}
