//! Retries of commands that were not carried out: after growing, random pauses ("full jitter"), so that commands
//! affected by one outage are not all retried at once.

use std::collections::HashMap;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use quittance_domain::error::Chain;
use quittance_lambda::command_queue::CommandQueue;

/// The maximum pause after the first failure; it doubles with each.
const FIRST_PAUSE_SECONDS: i32 = 60;

/// The maximum of all pauses: a gateway's recovery should be noticed within the hour.
const PAUSE_SECONDS_MAX: i32 = 3_600;

/// The data needed to delay the messages of a batch: receipt handle and receive count, by message id.
pub(crate) struct MessageReceipts(HashMap<String, (String, u32)>);

impl MessageReceipts {
    pub(crate) fn from_event(event: &SqsEvent) -> Self {
        let receipt = |message: &aws_lambda_events::event::sqs::SqsMessage| {
            let count = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
            Some((message.message_id.clone()?, (message.receipt_handle.clone()?, count.unwrap_or(1))))
        };
        Self(event.records.iter().filter_map(receipt).collect())
    }

    /// Has failed messages redelivered after a random pause. If that fails, the queue's visibility timeout applies.
    pub(crate) async fn space_out(&self, queue: &CommandQueue, response: &SqsBatchResponse) {
        for failure in &response.batch_item_failures {
            let Some((handle, receives)) = self.0.get(&failure.item_identifier) else { continue };
            let seconds = fastrand::i32(0..=longest_pause(*receives));
            if let Err(error) = queue.redeliver_after(handle, seconds).await {
                tracing::warn!(
                    message.id = failure.item_identifier,
                    error = %Chain(&error),
                    "message will be redelivered after the visibility timeout"
                );
            }
        }
    }
}

/// The maximum pause after so many receives, in seconds.
fn longest_pause(receives: u32) -> i32 {
    let doubled =
        2_i32.checked_pow(receives.saturating_sub(1)).and_then(|times| FIRST_PAUSE_SECONDS.checked_mul(times));
    doubled.unwrap_or(PAUSE_SECONDS_MAX).min(PAUSE_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses = [1, 2, 3, 6, 7, 300, u32::MAX].map(longest_pause);
        assert_eq!(pauses, [60, 120, 240, 1_920, 3_600, 3_600, 3_600]);
    }
}
