//! Putting a message into a dead-letter queue with the reason why.

use aws_config::SdkConfig;
use aws_sdk_sqs::types::MessageAttributeValue;

use crate::batch::{Record, Refusal};
use crate::metrics;

/// SQS refuses attributes without text and counts them into the message's size.
const REASON_LENGTH_MAX: usize = 1_000;

/// A function's own dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl DeadLetterQueue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(aws), url }
    }

    /// Stores the message as it came, in its group, with code, reason and its first SQS id as attributes.
    ///
    /// # Errors
    /// A sentence, if the queue did not take it; the message must then not be acknowledged.
    pub async fn park(&self, record: &Record, refusal: &Refusal) -> Result<(), String> {
        let reason: String = refusal.reason.chars().take(REASON_LENGTH_MAX).collect();
        let request = self.client.send_message();
        // Only FIFO queues know groups and deduplication.
        let request = if self.url.ends_with(".fifo") {
            request.message_group_id(&record.group_id).message_deduplication_id(&record.message_id)
        } else {
            request
        };
        request
            .queue_url(&self.url)
            .message_body(&record.body)
            .message_attributes("code", text(refusal.code)?)
            .message_attributes("reason", text(if reason.is_empty() { "none given" } else { &reason })?)
            .message_attributes("source_message_id", text(&record.message_id)?)
            .send()
            .await
            .map_err(|error| format!("the dead-letter queue did not take it: {}", error.into_service_error()))?;
        metrics::MESSAGES_PARKED.record([refusal.code], 1);
        Ok(())
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, String> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|error| format!("no message attribute: {error}"))
}
