//! Sending commands to the queues that carry them.

use std::collections::{BTreeMap, HashMap};

use aws_config::SdkConfig;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_domain::event::EventMessage;
use sha2::{Digest, Sha256};

use crate::envelope::{CloudEvent, Payload};
use crate::publisher::Published;
use crate::spans;

/// SendMessageBatch takes ten entries.
pub const BATCH_SIZE_MAX: usize = 10;

/// A command that travels through a FIFO queue.
pub trait QueuedCommand: Payload {
    /// What it concerns; commands about one thing keep their order.
    fn group(&self) -> &str;
    /// Its own name, the same for every delivery: a convenience of five minutes; the database is the guard.
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

    /// Sends commands, each into the group of what it concerns. All are durable when this returns.
    ///
    /// # Errors
    /// A sentence, if one was not taken. Some may have been: sending all of them again is safe.
    pub async fn send<T: QueuedCommand>(&self, commands: &[CloudEvent<T>]) -> Result<(), String> {
        for chunk in commands.chunks(BATCH_SIZE_MAX) {
            let entries: Result<Vec<_>, String> = chunk.iter().enumerate().map(command_entry).collect();
            if let Some(failed) = self.send_batch(entries?).await?.failed().first() {
                return Err(format!("the queue refused a command: {}", failed.code()));
            }
            for command in chunk {
                if let Some(Ok(trace)) = command.traceparent.as_deref().map(str::parse) {
                    spans::sent(command.payload.type_name(), trace);
                }
            }
        }
        Ok(())
    }

    async fn send_batch(&self, entries: Vec<SendMessageBatchRequestEntry>) -> Result<SendMessageBatchOutput, String> {
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        request.send().await.map_err(|error| format!("the queue did not answer: {}", error.into_service_error()))
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

    /// Has a message that was received come back after so many seconds, instead of after the queue's own time.
    ///
    /// # Errors
    /// A sentence, if SQS refuses or does not answer; the message then comes back after the queue's time.
    pub async fn come_back_after(&self, receipt_handle: &str, seconds: i32) -> Result<(), String> {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        let answer = request.visibility_timeout(seconds).send().await;
        answer.map(drop).map_err(|error| format!("the queue did not answer: {}", error.into_service_error()))
    }
}

/// The command queues of the payment gateways: one for each provider, so that one that is away holds up no other.
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
    /// A sentence, if it has no queue or one command was not taken. Sending all of them again is safe.
    pub async fn send(&self, provider: &str, commands: &[CloudEvent<GatewayCommand>]) -> Result<(), String> {
        let queue = self.queues.get(provider).ok_or_else(|| no_queue(provider))?;
        queue.send(commands).await
    }

    /// Sends commands from the outbox, each to the provider whose payment its group names. Never fails as a whole: what
    /// is not sent is sent later, and a gateway's queue that is away holds up no other.
    pub async fn publish(&self, messages: &[EventMessage]) -> Published {
        let mut result = Published::default();
        let mut by_provider: BTreeMap<&str, Vec<&EventMessage>> = BTreeMap::new();
        for message in messages {
            let provider = message.group_id.split_once(':').map_or(message.group_id.as_str(), |(provider, _)| provider);
            by_provider.entry(provider).or_default().push(message);
        }
        for (provider, messages) in by_provider {
            let Some(queue) = self.queues.get(provider) else {
                result.refused.extend(messages.iter().map(|message| (message.id, no_queue(provider))));
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
    let entries: Result<Vec<_>, String> = chunk.iter().map(|message| message_entry(message)).collect();
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
        Err(failure) => result.failures.push(failure),
    }
}

fn no_queue(provider: &str) -> String {
    format!("there is no gateway of the provider `{provider}` here")
}

fn command_entry<T: QueuedCommand>(
    (index, command): (usize, &CloudEvent<T>),
) -> Result<SendMessageBatchRequestEntry, String> {
    let body = command.to_json().map_err(|error| error.to_string())?;
    let name = hex::encode(Sha256::digest(command.payload.name()));
    entry(index.to_string(), body, command.payload.group(), name)
}

fn message_entry(message: &EventMessage) -> Result<SendMessageBatchRequestEntry, String> {
    entry(message.id.to_string(), message.body.clone(), &message.group_id, message.id.to_string())
}

fn entry(id: String, body: String, group: &str, name: String) -> Result<SendMessageBatchRequestEntry, String> {
    SendMessageBatchRequestEntry::builder()
        .id(id)
        .message_body(body)
        .message_group_id(group)
        .message_deduplication_id(name)
        .build()
        .map_err(|error| error.to_string())
}
