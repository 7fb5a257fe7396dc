//! Sending commands to the payments queue.

use aws_config::SdkConfig;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use quittance_domain::command::PaymentCommand;
use sha2::{Digest, Sha256};

use crate::envelope::CloudEvent;

/// SendMessageBatch takes ten entries.
const BATCH_SIZE_MAX: usize = 10;

/// The payments queue (FIFO).
#[derive(Debug, Clone)]
pub struct CommandQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl CommandQueue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(aws), url }
    }

    /// Sends commands, each into the group of its transaction. All are durable when this returns.
    ///
    /// # Errors
    /// A sentence, if one was not taken. Some may have been: sending all of them again is safe.
    pub async fn send(&self, commands: &[CloudEvent<PaymentCommand>]) -> Result<(), String> {
        for chunk in commands.chunks(BATCH_SIZE_MAX) {
            let entries: Result<Vec<_>, String> = chunk.iter().enumerate().map(entry).collect();
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries?))
                .send()
                .await
                .map_err(|error| format!("the payments queue did not answer: {}", error.into_service_error()))?;
            if let Some(failed) = answer.failed().first() {
                return Err(format!("the payments queue refused a command: {}", failed.code()));
            }
        }
        Ok(())
    }
}

fn entry((index, command): (usize, &CloudEvent<PaymentCommand>)) -> Result<SendMessageBatchRequestEntry, String> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(command.to_json().map_err(|error| error.to_string())?)
        .message_group_id(command.payload.transaction_id().as_str())
        // A convenience of five minutes: the database is the guard.
        .message_deduplication_id(hex::encode(Sha256::digest(command.payload.name())))
        .build()
        .map_err(|error| error.to_string())
}
