//! Settings of the relay.

use std::collections::HashMap;

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// What the relay needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// Where events are published.
    pub topic_arn: String,
    /// Where commands to each payment gateway go, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
    /// Where commands to the processor go.
    pub payments_queue_url: String,
    /// The webhooks' table of deliveries.
    pub deliveries_table: String,
    /// Where messages that speak of deliveries go.
    pub delivery_queue_url: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
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
