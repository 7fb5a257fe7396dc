//! Settings of the processor.

use std::collections::HashMap;

use chrono_tz::Tz;
use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// The processor's settings.
#[derive(Debug)]
pub struct Config {
    /// Where the database is.
    pub database: DatabaseSettings,
    /// Where events are published.
    pub topic_arn: String,
    /// Where messages that cannot succeed are parked.
    pub dead_letter_queue_url: String,
    /// Where commands to each payment gateway go, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
    /// The seller's time zone.
    pub zone: Tz,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let topic_arn = settings.required("INVOICE_EVENTS_TOPIC_ARN");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        let gateway_queue_urls = settings.of_providers(quittance_providers::names(), "GATEWAY_QUEUE_URL");
        let zone = settings.seller_time_zone();
        let config = |(database, zone)| Self { database, topic_arn, dead_letter_queue_url, gateway_queue_urls, zone };
        settings.finish_with(database.zip(zone)).map(config)
    }
}
