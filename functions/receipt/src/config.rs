//! Settings of the receipt function.

use quittance_documents::Seller;
use quittance_lambda::settings::{Settings, SettingsError};

/// The receipt function's settings.
#[derive(Debug)]
pub struct Config {
    /// The documents bucket, which stores the PDFs.
    pub documents_bucket: String,
    /// The events topic, for `receipt.issued`.
    pub topic_arn: String,
    pub idempotency_table: String,
    pub dead_letter_queue_url: String,
    /// The seller, who was paid.
    pub seller: Seller,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let config = Self {
            documents_bucket: settings.required("DOCUMENTS_BUCKET"),
            topic_arn: settings.required("INVOICE_EVENTS_TOPIC_ARN"),
            idempotency_table: settings.required("IDEMPOTENCY_TABLE"),
            dead_letter_queue_url: settings.required("DEAD_LETTER_QUEUE_URL"),
            seller: Seller::of_settings(
                settings.required("SELLER_NAME"),
                &settings.required("SELLER_ADDRESS"),
                settings.required("SELLER_TAX_ID"),
            ),
        };
        settings.finish().map(|()| config)
    }
}
