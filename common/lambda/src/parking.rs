//! Parks messages in a dead-letter queue with their reason.

use aws_config::SdkConfig;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::MessageAttributeValue;

use crate::aws_error::AwsError;
use crate::batch::attempts::DeliveryAttempts;
use crate::batch::{PermanentFailure, Record};
use crate::metrics;

/// SQS refuses empty attributes, and counts attributes towards the message's size.
const REASON_LENGTH_MAX: usize = 1_000;

/// The maximum stored size of a body: with its attributes it stays below the 256 KiB that every queue accepts.
const BODY_BYTES_MAX: usize = 240 * 1024;

/// SQS refuses a message without a body.
const EMPTY_BODY: &str = "(the body is empty)";

/// Why a message was not parked.
#[derive(Debug, thiserror::Error)]
pub enum ParkError {
    /// SQS refused the call or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// An attribute is incomplete.
    #[error("the message attribute is incomplete")]
    Attribute(#[source] BuildError),
}

/// A function's own dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: aws_sdk_sqs::Client,
    url: String,
    attempts: DeliveryAttempts,
}

impl DeadLetterQueue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(aws), url, attempts: DeliveryAttempts::default() }
    }

    /// The attempts of this process at messages that may be parked here.
    #[must_use]
    pub const fn attempts(&self) -> &DeliveryAttempts {
        &self.attempts
    }

    /// Stores the message unchanged, in its group, with code, reason and its first SQS id as attributes.
    ///
    /// # Errors
    /// [`ParkError`] if the queue did not accept it; the message must then not be acknowledged.
    pub async fn park(&self, record: &Record, refusal: &PermanentFailure) -> Result<(), ParkError> {
        let body = storable(&record.body);
        let reason = match is_cut(&record.body, &body) {
            true => format!("only the beginning of its {} bytes is kept; {}", record.body.len(), refusal.reason),
            false => refusal.reason.clone(),
        };
        let reason: String = reason.chars().take(REASON_LENGTH_MAX).collect();
        let request = self.client.send_message();
        // Only FIFO queues have groups and deduplication.
        let request = if self.url.ends_with(".fifo") {
            request.message_group_id(&record.group_id).message_deduplication_id(&record.message_id)
        } else {
            request
        };
        request
            .queue_url(&self.url)
            .message_body(body)
            .message_attributes("code", text(refusal.code)?)
            .message_attributes("reason", text(if reason.is_empty() { "none given" } else { &reason })?)
            .message_attributes("source_message_id", text(&record.message_id)?)
            .send()
            .await
            .map_err(|error| AwsError::new("SendMessage to the dead-letter queue", error.into_service_error()))?;
        metrics::MESSAGES_PARKED.record([refusal.code], 1);
        Ok(())
    }
}

/// The body in a form that SQS accepts: not empty, without characters that XML 1.0 does not allow, and not too long. A
/// message that no queue would accept must still be parked, or its sender would send it for ever.
fn storable(body: &str) -> String {
    if body.is_empty() {
        return EMPTY_BODY.to_owned();
    }
    let is_allowed = |letter: char| {
        matches!(letter, '\t' | '\n' | '\r') || letter >= ' ' && !matches!(letter, '\u{FFFE}' | '\u{FFFF}')
    };
    let mut stored = String::with_capacity(body.len().min(BODY_BYTES_MAX));
    for letter in body.chars().map(|letter| if is_allowed(letter) { letter } else { char::REPLACEMENT_CHARACTER }) {
        if stored.len() + letter.len_utf8() > BODY_BYTES_MAX {
            break;
        }
        stored.push(letter);
    }
    stored
}

/// Whether the body was shortened. Compares characters, as a replaced one may take more bytes.
fn is_cut(body: &str, stored: &str) -> bool {
    stored.chars().count() < body.chars().count()
}

fn text(value: &str) -> Result<MessageAttributeValue, ParkError> {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().map_err(ParkError::Attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_sqs_would_refuse_is_stored_as_far_as_it_can_be() {
        assert_eq!(storable(""), EMPTY_BODY);
        assert_eq!(storable("{\"a\":\t1}\r\n"), "{\"a\":\t1}\r\n");
        assert_eq!(storable("a\0b\u{1b}c\u{FFFF}d"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}d");
        let long = storable(&"ä".repeat(BODY_BYTES_MAX));
        assert_eq!(long.len(), BODY_BYTES_MAX, "cut between two letters");
        assert!(is_cut(&"ä".repeat(BODY_BYTES_MAX), &long) && !is_cut("", EMPTY_BODY) && !is_cut("a\0b", "a\u{FFFD}b"));
        let replaced = "\0".repeat(BODY_BYTES_MAX);
        assert!(is_cut(&replaced, &storable(&replaced)), "what replaces a character is longer than it");
    }
}
