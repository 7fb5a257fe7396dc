//! Settings of the gateway function.

use std::collections::HashMap;

use quittance_lambda::settings::{Settings, SettingsError};

/// The gateway function's settings.
#[derive(Debug)]
pub struct Config {
    /// The processor's queue, for evidence.
    pub payments_queue_url: String,
    pub idempotency_table: String,
    /// Each provider's dead-letter queue, from `<PROVIDER>_DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_urls: HashMap<&'static str, String>,
    /// Each provider's command queue, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
    /// Each provider's credentials (`{"key": …, "account": …}` in Secrets Manager), from `<PROVIDER>_API_SECRET_ARN`.
    pub api_secret_arns: HashMap<&'static str, String>,
    /// Overrides of the URLs in the providers' modules, from `<PROVIDER>_API_URL`.
    pub api_urls: HashMap<&'static str, String>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing.
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
