//! Sends commands to their queues.

use std::collections::{BTreeMap, HashMap};

use aws_config::SdkConfig;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_domain::error::Chain;
use quittance_domain::event::EventMessage;
use sha2::{Digest, Sha256};

use crate::aws_error::AwsError;
use crate::envelope::{CloudEvent, Payload};
use crate::publisher::Published;
use crate::spans;

/// The maximum number of entries of SendMessageBatch.
pub const BATCH_SIZE_MAX: usize = 10;

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQS refused the call or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// SQS rejected one of the commands.
    #[error("SQS rejected a command ({code})")]
    Rejected {
        /// The code that SQS gives.
        code: String,
    },
    /// The command cannot be serialised.
    #[error("the command cannot be serialised")]
    Json(#[from] serde_json::Error),
    /// The entry of the call is incomplete.
    #[error("the entry of SendMessageBatch is incomplete")]
    Entry(#[source] BuildError),
    /// The provider has no queue.
    #[error("there is no gateway of the provider `{0}` here")]
    NoGateway(String),
}

/// A command that is sent through a FIFO queue.
pub trait QueuedCommand: Payload {
    /// The message group; commands of one group keep their order.
    fn group(&self) -> &str;
    /// The command's own id, the same for every delivery: SQS deduplicates by it for five minutes as a convenience; the
    /// database guarantees it.
    fn name(&self) -> String;
}

impl QueuedCommand for PaymentCommand {
    fn group(&self) -> &str {
        self.transaction_id().as_str()
    }

    fn name(&self) -> String {
        self.name()
    }
}

impl QueuedCommand for GatewayCommand {
    fn group(&self) -> &str {
        self.subject()
    }

    fn name(&self) -> String {
        self.name()
    }
}

/// A queue of commands (FIFO).
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

    /// Sends commands, each in its own group. All are durable when this returns.
    ///
    /// # Errors
    /// [`QueueError`] if a command was not accepted. Others may have been: sending all of them again is safe.
    pub async fn send<T: QueuedCommand>(&self, commands: &[CloudEvent<T>]) -> Result<(), QueueError> {
        for chunk in commands.chunks(BATCH_SIZE_MAX) {
            let entries: Result<Vec<_>, QueueError> = chunk.iter().enumerate().map(command_entry).collect();
            if let Some(failed) = self.send_batch(entries?).await?.failed().first() {
                return Err(QueueError::Rejected { code: failed.code().to_owned() });
            }
            for command in chunk {
                if let Some(Ok(trace)) = command.traceparent.as_deref().map(str::parse) {
                    spans::sent(command.payload.type_name(), trace);
                }
            }
        }
        Ok(())
    }

    async fn send_batch(
        &self,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<SendMessageBatchOutput, QueueError> {
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        request.send().await.map_err(|error| AwsError::new("SendMessageBatch", error.into_service_error()).into())
    }
}

impl CommandQueue {
    /// Sends commands from the outbox. Never fails as a whole: what is not sent is sent later.
    pub async fn publish(&self, messages: &[EventMessage]) -> Published {
        let mut result = Published::default();
        for chunk in messages.chunks(BATCH_SIZE_MAX) {
            publish_chunk(self, &chunk.iter().collect::<Vec<_>>(), &mut result).await;
        }
        for failure in &result.failures {
            tracing::warn!(failure, "commands not yet sent");
        }
        spans::published(messages, &result.published);
        result
    }

    /// Has a received message redelivered after so many seconds, instead of after the queue's visibility timeout.
    ///
    /// # Errors
    /// [`AwsError`] if SQS refuses or does not answer; the message is then redelivered after the visibility timeout.
    pub async fn redeliver_after(&self, receipt_handle: &str, seconds: i32) -> Result<(), AwsError> {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        let answer = request.visibility_timeout(seconds).send().await;
        answer.map(drop).map_err(|error| AwsError::new("ChangeMessageVisibility", error.into_service_error()))
    }
}

/// The command queues of the payment gateways: one for each provider, so that an outage of one does not delay the
/// others.
#[derive(Debug, Clone)]
pub struct GatewayQueues {
    queues: HashMap<String, CommandQueue>,
}

impl GatewayQueues {
    /// The queues, by provider.
    #[must_use]
    pub fn new(aws: &SdkConfig, urls: HashMap<&'static str, String>) -> Self {
        let queue = |(provider, url): (&'static str, String)| (provider.to_owned(), CommandQueue::new(aws, url));
        Self { queues: urls.into_iter().map(queue).collect() }
    }

    /// The queue of one provider.
    #[must_use]
    pub fn queue_for(&self, provider: &str) -> Option<&CommandQueue> {
        self.queues.get(provider)
    }

    /// Sends commands to the gateway of one provider.
    ///
    /// # Errors
    /// [`QueueError`] if the provider has no queue or a command was not accepted. Sending all of them again is safe.
    pub async fn send(&self, provider: &str, commands: &[CloudEvent<GatewayCommand>]) -> Result<(), QueueError> {
        let queue = self.queues.get(provider).ok_or_else(|| QueueError::NoGateway(provider.to_owned()))?;
        queue.send(commands).await
    }

    /// Sends commands from the outbox, each to the provider named by its message group. Never fails as a whole: what is
    /// not sent is sent later, and an unavailable queue does not delay the others.
    pub async fn publish(&self, messages: &[EventMessage]) -> Published {
        let mut result = Published::default();
        let mut by_provider: BTreeMap<&str, Vec<&EventMessage>> = BTreeMap::new();
        for message in messages {
            let provider = message.group_id.split_once(':').map_or(message.group_id.as_str(), |(provider, _)| provider);
            by_provider.entry(provider).or_default().push(message);
        }
        for (provider, messages) in by_provider {
            let Some(queue) = self.queues.get(provider) else {
                let reason = QueueError::NoGateway(provider.to_owned()).to_string();
                result.refused.extend(messages.iter().map(|message| (message.id, reason.clone())));
                continue;
            };
            let failures_before = result.failures.len();
            for chunk in messages.chunks(BATCH_SIZE_MAX) {
                publish_chunk(queue, chunk, &mut result).await;
                if let Some(failure) = result.failures.get(failures_before) {
                    tracing::warn!(provider, failure, "gateway commands not yet sent");
                    result.providers_away.push(provider.to_owned());
                    break;
                }
            }
        }
        spans::published(messages, &result.published);
        result
    }
}

async fn publish_chunk(queue: &CommandQueue, chunk: &[&EventMessage], result: &mut Published) {
    let entries: Result<Vec<_>, QueueError> = chunk.iter().map(|message| message_entry(message)).collect();
    let answer = match entries {
        Ok(entries) => queue.send_batch(entries).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            result.took(answer.successful().iter().map(|entry| entry.id()));
            for failed in answer.failed() {
                result.did_not_take(failed.id(), failed.code(), failed.message(), failed.sender_fault());
            }
        }
        Err(error) => result.failures.push(Chain(&error).to_string()),
    }
}

fn command_entry<T: QueuedCommand>(
    (index, command): (usize, &CloudEvent<T>),
) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let body = command.to_json()?;
    let name = hex::encode(Sha256::digest(command.payload.name()));
    entry(index.to_string(), body, command.payload.group(), name)
}

fn message_entry(message: &EventMessage) -> Result<SendMessageBatchRequestEntry, QueueError> {
    entry(message.id.to_string(), message.body.clone(), &message.group_id, message.id.to_string())
}

fn entry(id: String, body: String, group: &str, name: String) -> Result<SendMessageBatchRequestEntry, QueueError> {
    SendMessageBatchRequestEntry::builder()
        .id(id)
        .message_body(body)
        .message_group_id(group)
        .message_deduplication_id(name)
        .build()
        .map_err(QueueError::Entry)
}
