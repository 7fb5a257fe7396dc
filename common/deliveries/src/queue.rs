//! The queue of due deliveries. A message only names the record: the table decides.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use quittance_domain::error::DependencyFailure;
use quittance_domain::id::WebhookEndpointId;
use serde::{Deserialize, Serialize};

use crate::item::EventKey;

/// The maximum number of entries of SendMessageBatch.
const BATCH_SIZE_MAX: usize = 10;

/// The maximum delay of an SQS message.
pub const DELAY_MAX: Duration = Duration::from_secs(15 * 60);

/// A delivery that is due, or will be after the message's delay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DueDelivery<R = WebhookEndpointId> {
    pub recipient: R,
    pub event_key: EventKey,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryQueueError {
    /// SQS refused the call or did not answer.
    #[error("SendMessageBatch failed")]
    Call(#[source] Box<SendMessageBatchError>),
    /// SQS rejected one of the messages.
    #[error("SQS rejected a delivery ({code})")]
    Rejected {
        /// The code that SQS gives.
        code: String,
    },
    /// The delivery cannot be serialised.
    #[error("the delivery cannot be serialised")]
    Json(#[from] serde_json::Error),
    /// The entry of the call is incomplete.
    #[error("the entry of SendMessageBatch is incomplete")]
    Entry(#[source] BuildError),
}

impl DependencyFailure for DeliveryQueueError {}

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

    /// Sends messages with a delay of up to [`DELAY_MAX`].
    ///
    /// # Errors
    /// [`DeliveryQueueError`] if a message was not accepted; the relay finds its delivery in the table later.
    pub async fn send(&self, due: &[DueDelivery], delay: Duration) -> Result<(), DeliveryQueueError> {
        let delay = i32::try_from(delay.min(DELAY_MAX).as_secs()).unwrap_or(0);
        for chunk in due.chunks(BATCH_SIZE_MAX) {
            let entries: Result<Vec<_>, DeliveryQueueError> =
                chunk.iter().enumerate().map(|(index, due)| entry(index, due, delay)).collect();
            let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries?));
            let answer = request.send().await;
            let answer = answer.map_err(|error| DeliveryQueueError::Call(Box::new(error.into_service_error())))?;
            if let Some(failed) = answer.failed().first() {
                return Err(DeliveryQueueError::Rejected { code: failed.code().to_owned() });
            }
        }
        Ok(())
    }
}

fn entry(index: usize, due: &DueDelivery, delay: i32) -> Result<SendMessageBatchRequestEntry, DeliveryQueueError> {
    let body = serde_json::to_string(due)?;
    let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).delay_seconds(delay);
    entry.build().map_err(DeliveryQueueError::Entry)
}
