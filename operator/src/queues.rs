//! Finds a deployment's queues by their names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;

/// The queues of every deployment, as named in the template: this excludes those of another deployment whose name has
/// the same beginning.
pub const NAMES: [&str; 28] = [
    "adyen-gateway",
    "adyen-gateway-dead-letter",
    "delivery",
    "delivery-dead-letter",
    "feedback",
    "feedback-dead-letter",
    "feedback-subscription-dead-letter",
    "gocardless-gateway",
    "gocardless-gateway-dead-letter",
    "ledger",
    "ledger-dead-letter",
    "ledger-subscription-dead-letter",
    "notification",
    "notification-dead-letter",
    "notification-subscription-dead-letter",
    "payments",
    "payments-dead-letter",
    "receipt",
    "receipt-dead-letter",
    "receipt-subscription-dead-letter",
    "stripe-gateway",
    "stripe-gateway-dead-letter",
    "uploads",
    "uploads-dead-letter",
    "validator-dead-letter",
    "webhook",
    "webhook-dead-letter",
    "webhook-subscription-dead-letter",
];

/// The suffix of dead-letter queues.
const DEAD_LETTER: &str = "-dead-letter";
/// The suffix of queues for messages that SNS could not deliver to a queue.
const SUBSCRIPTION: &str = "-subscription";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name without the deployment's prefix and `.fifo`: `payments`, `payments-dead-letter`.
    pub name: String,
    pub url: String,
}

impl Queue {
    /// Whether it is a dead-letter queue.
    #[must_use]
    pub fn is_dead_letter(&self) -> bool {
        self.name.ends_with(DEAD_LETTER)
    }

    /// Whether it is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// The function that reads the queue, or whose messages are parked in it: `payments`, `ledger`, `validator`.
    #[must_use]
    pub fn reader(&self) -> &str {
        let name = self.name.strip_suffix(DEAD_LETTER).unwrap_or(&self.name);
        name.strip_suffix(SUBSCRIPTION).unwrap_or(name)
    }
}

/// The approximate numbers of messages in a queue, as SQS counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Depth {
    /// Visible.
    pub waiting: i64,
    pub in_flight: i64,
    pub delayed: i64,
}

/// All queues of a deployment.
#[derive(Debug, Clone)]
pub struct Queues {
    pub(crate) client: aws_sdk_sqs::Client,
    stack: String,
    by_name: BTreeMap<String, Queue>,
}

impl Queues {
    /// Finds a deployment's queues.
    ///
    /// # Errors
    /// When SQS does not answer, or there are none.
    pub async fn find(aws: &SdkConfig, stack: &str) -> Result<Self> {
        let client = aws_sdk_sqs::Client::new(aws);
        let prefix = format!("{stack}-");
        let mut by_name = BTreeMap::new();
        let mut pages = client.list_queues().queue_name_prefix(&prefix).max_results(1_000).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(aws_sdk_sqs::Error::from).context("the queues cannot be listed")?;
            for url in page.queue_urls.unwrap_or_default() {
                let full = url.rsplit('/').next().unwrap_or_default();
                let Some(name) = full.strip_prefix(&prefix) else { continue };
                let name = name.strip_suffix(".fifo").unwrap_or(name).to_owned();
                if NAMES.contains(&name.as_str()) {
                    by_name.insert(name.clone(), Queue { name, url });
                }
            }
        }
        if by_name.is_empty() {
            bail!("deployment {stack} has no queues; name the deployment with --stack");
        }
        Ok(Self { client, stack: stack.to_owned(), by_name })
    }

    /// The deployment's name.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Queue> {
        self.by_name.values()
    }

    /// The dead-letter queues; only the one with that name, or those of that function, if one is given.
    ///
    /// # Errors
    /// When no queue has that name.
    pub fn dead_letters(&self, named: Option<&str>) -> Result<Vec<Queue>> {
        let is_meant = |queue: &&Queue| named.is_none_or(|name| queue.name == name || queue.reader() == name);
        let found: Vec<Queue> = self.all().filter(|queue| queue.is_dead_letter()).filter(is_meant).cloned().collect();
        if let (true, Some(name)) = (found.is_empty(), named) {
            let known: Vec<&str> =
                self.all().filter(|queue| queue.is_dead_letter()).map(|queue| queue.name.as_str()).collect();
            bail!("{name} is not a dead-letter queue of this deployment; there are {}", known.join(", "));
        }
        Ok(found)
    }

    /// A queue by its name.
    ///
    /// # Errors
    /// When no queue has that name.
    pub fn named(&self, name: &str) -> Result<&Queue> {
        self.by_name.get(name).with_context(|| format!("there is no queue {}-{name}", self.stack))
    }

    /// The depth of a queue.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn depth(&self, queue: &Queue) -> Result<Depth> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(&queue.url);
        let request = request.set_attribute_names(Some(names.to_vec())).send();
        let answer = request.await.map_err(aws_sdk_sqs::Error::from);
        let attributes = answer.with_context(|| format!("{} cannot be queried", queue.name))?.attributes;
        let attributes = attributes.unwrap_or_default();
        // A queue with a missing count must not be taken for an empty one.
        let count = |name: &QueueAttributeName| {
            let count = attributes.get(name).and_then(|count| count.parse().ok());
            count.with_context(|| format!("{} did not return its {}", queue.name, name.as_str()))
        };
        let [waiting, in_flight, delayed] = &names;
        Ok(Depth { waiting: count(waiting)?, in_flight: count(in_flight)?, delayed: count(delayed)? })
    }

    /// Sends a message to a queue.
    ///
    /// # Errors
    /// When the queue does not accept it.
    pub async fn send(&self, message: &Outgoing) -> Result<()> {
        let queue = self.named(&message.queue)?;
        let request = self.client.send_message().queue_url(&queue.url).message_body(&message.body);
        let request = if queue.is_fifo() {
            request.message_group_id(&message.group_id).message_deduplication_id(&message.deduplication_id)
        } else {
            request
        };
        let sent = request.send().await.map_err(aws_sdk_sqs::Error::from);
        sent.with_context(|| format!("{} did not accept {}", queue.name, message.deduplication_id))?;
        Ok(())
    }
}

/// A message to send to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The queue's name.
    pub queue: String,
    /// Its message group.
    pub group_id: String,
    /// The deduplication id: the same for every attempt to send this message.
    pub deduplication_id: String,
    pub body: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_knows_whose_messages_it_keeps() {
        for (name, reader, is_dead_letter) in [
            ("payments", "payments", false),
            ("payments-dead-letter", "payments", true),
            ("ledger-subscription-dead-letter", "ledger", true),
            ("stripe-gateway-dead-letter", "stripe-gateway", true),
            ("validator-dead-letter", "validator", true),
        ] {
            let queue = Queue { name: name.to_owned(), url: format!("https://sqs.example/1/q-{name}.fifo") };
            assert_eq!((queue.reader(), queue.is_dead_letter()), (reader, is_dead_letter), "{name}");
        }
    }
}
