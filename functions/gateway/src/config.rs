//! Settings of the gateway function.

use std::collections::HashMap;

use quittance_lambda::settings::{Settings, SettingsError};

/// What the gateway function needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where evidence goes.
    pub payments_queue_url: String,
    /// The idempotency table.
    pub idempotency_table: String,
    /// Where each provider's messages that cannot succeed are parked, from `<PROVIDER>_DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_urls: HashMap<&'static str, String>,
    /// Where the commands to each provider come from, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
    /// What lets us in at each provider (`{"key": …, "account": …}` in Secrets Manager), from `<PROVIDER>_API_SECRET_ARN`.
    pub api_secret_arns: HashMap<&'static str, String>,
    /// Where a provider's API is, if not where its module says, from `<PROVIDER>_API_URL`.
    pub api_urls: HashMap<&'static str, String>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let config = Self {
            payments_queue_url: settings.required("PAYMENTS_QUEUE_URL"),
            idempotency_table: settings.required("IDEMPOTENCY_TABLE"),
            dead_letter_queue_urls: settings.of_providers(quittance_providers::names(), "DEAD_LETTER_QUEUE_URL"),
            gateway_queue_urls: settings.of_providers(quittance_providers::names(), "GATEWAY_QUEUE_URL"),
            api_secret_arns: settings.of_providers(quittance_providers::names(), "API_SECRET_ARN"),
            api_urls: settings.of_providers(quittance_providers::names(), "API_URL"),
        };
        settings.finish().map(|()| config)
    }
}
