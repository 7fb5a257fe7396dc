//! Settings of the validator.

use std::collections::HashMap;

use quittance_lambda::rate_limits::RateLimits;
use quittance_lambda::settings::{Settings, SettingsError};
use quittance_lambda::surroundings::Origins;
use quittance_store::DatabaseSettings;

/// The validator's settings.
#[derive(Debug)]
pub struct Config {
    pub database: DatabaseSettings,
    pub idempotency_table: String,
    pub request_guard_table: String,
    /// The processor's queue.
    pub payments_queue_url: String,
    /// The dead-letter queue for authentic messages that cannot be interpreted.
    pub dead_letter_queue_url: String,
    /// The number of requests that a caller has per minute.
    pub rate_limits: RateLimits,
    /// The origins whose pages may call the API from a browser.
    pub origins: Origins,
    /// Each gateway's signing secrets in Secrets Manager, from `<PROVIDER>_WEBHOOK_SECRET_ARN`. Messages of a gateway
    /// without one are refused.
    pub webhook_secret_arns: HashMap<&'static str, String>,
    /// Our account at each gateway that sends other companies' events to the same endpoint, from `<PROVIDER>_ACCOUNT`.
    pub accounts: HashMap<&'static str, String>,
    /// Each provider's command queue, from `<PROVIDER>_GATEWAY_QUEUE_URL`.
    pub gateway_queue_urls: HashMap<&'static str, String>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let idempotency_table = settings.required("IDEMPOTENCY_TABLE");
        let request_guard_table = settings.required("REQUEST_GUARD_TABLE");
        let payments_queue_url = settings.required("PAYMENTS_QUEUE_URL");
        let dead_letter_queue_url = settings.required("DEAD_LETTER_QUEUE_URL");
        let rate_limits = RateLimits::read(&mut settings);
        let origins = Origins::read(&mut settings);
        let webhook_secret_arns = settings.of_providers(quittance_providers::names(), "WEBHOOK_SECRET_ARN");
        let accounts = settings.of_providers(quittance_providers::names(), "ACCOUNT");
        let gateway_queue_urls = settings.of_providers(quittance_providers::names(), "GATEWAY_QUEUE_URL");
        settings.finish_with(database.zip(origins)).map(|(database, origins)| Self {
            database,
            idempotency_table,
            request_guard_table,
            payments_queue_url,
            dead_letter_queue_url,
            rate_limits,
            origins,
            webhook_secret_arns,
            accounts,
            gateway_queue_urls,
        })
    }
}
