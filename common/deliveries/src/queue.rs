//! The queue that brings deliveries to whoever makes the attempts. A message only says where to look: the table decides.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use quittance_domain::id::WebhookEndpointId;
use serde::{Deserialize, Serialize};

use crate::item::EventKey;

/// SendMessageBatch takes ten entries.
const BATCH_SIZE_MAX: usize = 10;

/// SQS delays a message no longer.
pub const DELAY_MAX: Duration = Duration::from_secs(15 * 60);

/// A delivery that is due, or will be after the message's delay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DueDelivery<R = WebhookEndpointId> {
    /// To whom.
    pub recipient: R,
    /// What.
    pub event_key: EventKey,
}

/// The queue (standard).
#[derive(Debug, Clone)]
pub struct DeliveryQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl DeliveryQueue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(aws), url }
    }

    /// Sends messages that come after `delay`, at most [`DELAY_MAX`].
    ///
    /// # Errors
    /// A sentence, if one was not taken; what it speaks of is found in the table later.
    pub async fn send(&self, due: &[DueDelivery], delay: Duration) -> Result<(), String> {
        let delay = i32::try_from(delay.min(DELAY_MAX).as_secs()).unwrap_or(0);
        for chunk in due.chunks(BATCH_SIZE_MAX) {
            let entries: Result<Vec<_>, String> =
                chunk.iter().enumerate().map(|(index, due)| entry(index, due, delay)).collect();
            let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries?));
            let answer = request.send().await;
            let answer = answer.map_err(|error| format!("the queue did not answer: {}", error.into_service_error()))?;
            if let Some(failed) = answer.failed().first() {
                return Err(format!("the queue refused a delivery: {}", failed.code()));
            }
        }
        Ok(())
    }
}

fn entry(index: usize, due: &DueDelivery, delay: i32) -> Result<SendMessageBatchRequestEntry, String> {
    let body = serde_json::to_string(due).map_err(|error| error.to_string())?;
    let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).delay_seconds(delay);
    entry.build().map_err(|error| error.to_string())
}
