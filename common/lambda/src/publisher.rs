//! Publishes events to the topic, in batches.

use aws_config::SdkConfig;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use quittance_domain::error::Chain;
use quittance_domain::event::EventMessage;
use uuid::Uuid;

use crate::spans;

/// The maximum number of entries of PublishBatch; ten of 20 kB stay below its 256 KiB.
const BATCH_SIZE_MAX: usize = 10;

/// The events topic (FIFO).
#[derive(Debug, Clone)]
pub struct Publisher {
    client: aws_sdk_sns::Client,
    topic_arn: String,
}

/// The outcome of publishing; messages in neither list were not sent and stay for the next attempt.
#[derive(Debug, Default)]
pub struct Published {
    /// Accepted by the topic or queue.
    pub published: Vec<Uuid>,
    /// Refused: they will never be accepted as they are.
    pub refused: Vec<(Uuid, String)>,
    /// Other errors.
    pub failures: Vec<String>,
    /// Providers whose queue did not accept messages.
    pub providers_away: Vec<String>,
}

impl Published {
    /// Records the messages that were accepted. Messages that are not named were not accepted.
    pub(crate) fn took<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        self.published.extend(ids.filter_map(|id| id.parse::<Uuid>().ok()));
    }

    /// Records a message that was not accepted, temporarily or permanently.
    pub(crate) fn did_not_take(&mut self, id: &str, code: &str, message: Option<&str>, is_senders_fault: bool) {
        let reason = format!("{code}: {}", message.unwrap_or("no reason given"));
        match id.parse() {
            // Throttling counts as the sender's fault, but is not the message's.
            Ok(id) if is_senders_fault && !code.contains("Throttl") => self.refused.push((id, reason)),
            _ => self.failures.push(reason),
        }
    }
}

impl Publisher {
    /// The topic.
    #[must_use]
    pub fn new(aws: &SdkConfig, topic_arn: String) -> Self {
        Self { client: aws_sdk_sns::Client::new(aws), topic_arn }
    }

    /// Publishes messages in their order. Never fails as a whole: what is not published is published later.
    pub async fn publish(&self, messages: &[EventMessage]) -> Published {
        let mut result = Published::default();
        for chunk in messages.chunks(BATCH_SIZE_MAX) {
            self.publish_chunk(chunk, &mut result).await;
            if !result.failures.is_empty() {
                // Later messages would overtake the one that failed.
                break;
            }
        }
        for failure in &result.failures {
            tracing::warn!(failure, "events not yet published");
        }
        spans::published(messages, &result.published);
        result
    }

    async fn publish_chunk(&self, messages: &[EventMessage], result: &mut Published) {
        let entries: Result<Vec<_>, _> = messages.iter().map(entry).collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return result.failures.push(Chain(&error).to_string()),
        };
        let answer = self
            .client
            .publish_batch()
            .topic_arn(&self.topic_arn)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                result.took(answer.successful().iter().filter_map(|entry| entry.id()));
                for failed in answer.failed() {
                    result.did_not_take(failed.id(), failed.code(), failed.message(), failed.sender_fault());
                }
            }
            Err(error) => result.failures.push(Chain(&error.into_service_error()).to_string()),
        }
    }
}

fn entry(message: &EventMessage) -> Result<PublishBatchRequestEntry, aws_sdk_sns::error::BuildError> {
    let event_type = MessageAttributeValue::builder().data_type("String").string_value(&message.event_type).build()?;
    PublishBatchRequestEntry::builder()
        .id(message.id.to_string())
        .message(&message.body)
        .message_group_id(&message.group_id)
        .message_deduplication_id(message.id.to_string())
        .message_attributes("type", event_type)
        .build()
}
