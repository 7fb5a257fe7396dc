//! Messages in dead-letter queues.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::edit::Edit;
use crate::queues::{Queue, Queues};

/// How long inspected messages are hidden from others, in seconds; if the tool is killed, they become visible again by
/// themselves.
pub const HIDDEN_FOR_S: i32 = 120;

/// The maximum number of messages that SQS returns at once.
const BATCH_MAX: i32 = 10;

/// How long SQS searches for messages, in seconds: without a wait it would only query some of its servers.
const LOOKING_FOR_S: i32 = 1;

/// A message in a dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub queue: Queue,
    /// Its SQS message id.
    pub message_id: String,
    /// Its message group; its own id in a queue without groups.
    pub group_id: String,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
    /// The code; none if the queue's own redrive policy moved it after too many receives.
    pub code: Option<String>,
    /// The reason, for people.
    pub reason: Option<String>,
    /// The unchanged body.
    pub body: String,
    /// The body as JSON; null if it is not JSON.
    pub content: Value,
    /// The manual edit, if any.
    pub edit: Option<Edit>,
    receipt: String,
}

impl DeadLetter {
    fn parse(queue: &Queue, message: Message) -> Option<Self> {
        let (message_id, receipt) = (message.message_id?, message.receipt_handle?);
        let system = message.attributes.unwrap_or_default();
        let own = message.message_attributes.unwrap_or_default();
        let text = |name: &str| own.get(name).and_then(|value| value.string_value.clone());
        let sent_ms = system.get(&MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok());
        let body = message.body.unwrap_or_default();
        Some(Self {
            queue: queue.clone(),
            group_id: system
                .get(&MessageSystemAttributeName::MessageGroupId)
                .cloned()
                .unwrap_or_else(|| message_id.clone()),
            message_id,
            parked_at: sent_ms.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH),
            code: text("code"),
            reason: text("reason"),
            content: serde_json::from_str(&body).unwrap_or_default(),
            body,
            edit: None,
            receipt,
        })
    }

    /// The text at a position of the body, if there is one.
    #[must_use]
    pub fn text_at(&self, pointer: &str) -> Option<&str> {
        self.content.pointer(pointer).and_then(Value::as_str)
    }

    /// The kind of message: the envelope's type, or the kind of messages without an envelope.
    #[must_use]
    pub fn kind(&self) -> &str {
        match (self.text_at("/type"), self.queue.reader()) {
            (Some(kind), _) if self.text_at("/specversion").is_some() => kind,
            (_, "validator") => "gateway's webhook",
            (_, "uploads") => "uploaded file",
            (_, "delivery") => "delivery that is due",
            (_, "feedback") => "what became of an e-mail",
            _ => "unknown",
        }
    }

    /// The envelope's subject, otherwise the message group.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text_at("/subject").unwrap_or(&self.group_id)
    }

    /// The provider that moved the money, if it is named.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        let named = ["/data/provider", "/data/payment/provider", "/data/settled/payment/provider"];
        let named = named.iter().find_map(|place| self.text_at(place));
        let of_queue = || self.queue.reader().strip_suffix("-gateway");
        named.or_else(of_queue).or_else(|| self.group_id.split_once(':').map(|(provider, _)| provider))
    }

    /// Whether it names an invoice, by id or number.
    #[must_use]
    pub fn mentions(&self, invoice: &str) -> bool {
        fn holds(value: &Value, wanted: &str) -> bool {
            match value {
                Value::String(text) => text == wanted,
                Value::Array(items) => items.iter().any(|item| holds(item, wanted)),
                Value::Object(members) => members.values().any(|member| holds(member, wanted)),
                _ => false,
            }
        }
        self.group_id == invoice || holds(&self.content, invoice)
    }

    /// The cause, equal for messages that share one: the code, and the reason without the parts that differ from
    /// message to message.
    #[must_use]
    pub fn cause(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("SQS moved it after too many receives");
        let is_own = |word: &str| word.chars().any(|character| character.is_ascii_digit());
        let words: Vec<&str> = reason.split_whitespace().map(|word| if is_own(word) { "…" } else { word }).collect();
        format!("{}: {}", self.code.as_deref().unwrap_or("none"), words.join(" "))
    }
}

/// What to do with a message after inspecting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// Keep it in the queue.
    GiveBack,
    /// It was already removed from the queue.
    Removed,
    /// Keep it, and stop.
    Stop,
}

/// The result of walking a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueWalk {
    /// Roughly how many messages were not visible: others of their group are in front of them, or they are in flight.
    pub unseen: usize,
    /// The number of messages that could not be released, and become visible again in two minutes.
    pub hidden: usize,
}

impl Queues {
    /// Receives messages from a dead-letter queue, hidden from others for [`HIDDEN_FOR_S`]; none if there are no more.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn take(&self, queue: &Queue) -> Result<Vec<DeadLetter>> {
        let request = self.client.receive_message().queue_url(&queue.url).max_number_of_messages(BATCH_MAX);
        let request = request
            .visibility_timeout(HIDDEN_FOR_S)
            .wait_time_seconds(LOOKING_FOR_S)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(aws_sdk_sqs::Error::from);
        let answer = answer.with_context(|| format!("{} cannot be read", queue.name))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(|message| DeadLetter::parse(queue, message)).collect())
    }

    /// Makes a message visible to others immediately.
    ///
    /// # Errors
    /// When SQS does not answer; the message then becomes visible by itself.
    pub async fn give_back(&self, dead_letter: &DeadLetter) -> Result<()> {
        let request = self.client.change_message_visibility().queue_url(&dead_letter.queue.url);
        let given = request.receipt_handle(&dead_letter.receipt).visibility_timeout(0).send().await;
        given.map_err(aws_sdk_sqs::Error::from).with_context(|| format!("{} stays hidden", dead_letter.message_id))?;
        Ok(())
    }

    /// Removes a message from its dead-letter queue.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn remove(&self, dead_letter: &DeadLetter) -> Result<()> {
        let request =
            self.client.delete_message().queue_url(&dead_letter.queue.url).receipt_handle(&dead_letter.receipt);
        let removed = request.send().await.map_err(aws_sdk_sqs::Error::from);
        removed.with_context(|| format!("{} cannot be removed", dead_letter.message_id))?;
        Ok(())
    }

    /// Passes each message of a dead-letter queue to a visitor once. Messages that are kept are released at the end,
    /// whatever happens in between.
    ///
    /// SQS returns at most ten messages of a group while they are in flight: if ten of a group are kept, the others are
    /// not seen.
    ///
    /// # Errors
    /// When SQS does not answer, or the visitor fails.
    pub async fn walk(
        &self,
        queue: &Queue,
        mut visit: impl AsyncFnMut(&DeadLetter) -> Result<DeadLetterAction>,
    ) -> Result<QueueWalk> {
        let mut kept = BTreeMap::new();
        let depth = self.depth(queue).await?;
        if depth.waiting == 0 {
            return Ok(QueueWalk { unseen: usize::try_from(depth.in_flight)?, hidden: 0 });
        }
        let ended = self.visit_all(queue, &mut visit, &mut kept).await;
        let mut hidden = 0;
        for dead_letter in kept.values() {
            // A message that cannot be released becomes visible by itself.
            hidden += usize::from(self.give_back(dead_letter).await.is_err());
        }
        ended?;
        let depth = self.depth(queue).await?;
        let there = usize::try_from(depth.waiting.saturating_add(depth.in_flight))?;
        Ok(QueueWalk { unseen: there.saturating_sub(kept.len()), hidden })
    }

    async fn visit_all(
        &self,
        queue: &Queue,
        visit: &mut impl AsyncFnMut(&DeadLetter) -> Result<DeadLetterAction>,
        kept: &mut BTreeMap<String, DeadLetter>,
    ) -> Result<()> {
        let mut seen = BTreeSet::new();
        loop {
            let mut dead_letters = self.take(queue).await?.into_iter();
            let mut is_end = true;
            while let Some(dead_letter) = dead_letters.next() {
                // Messages become visible again during a long walk.
                let is_new = seen.insert(dead_letter.message_id.clone());
                let next = if is_new { visit(&dead_letter).await } else { Ok(DeadLetterAction::GiveBack) };
                is_end = is_end && !is_new;
                if !matches!(next, Ok(DeadLetterAction::Removed)) {
                    kept.insert(dead_letter.message_id.clone(), dead_letter);
                }
                if !matches!(next, Ok(DeadLetterAction::Removed | DeadLetterAction::GiveBack)) {
                    kept.extend(dead_letters.map(|dead_letter| (dead_letter.message_id.clone(), dead_letter)));
                    return next.map(drop);
                }
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Inspects the messages in dead-letter queues without removing any. Returns them in the order in which they were
    /// parked, and roughly how many others are not visible.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn look(&self, queues: &[Queue]) -> Result<(Vec<DeadLetter>, usize)> {
        let looked = futures::future::try_join_all(queues.iter().map(async |queue| {
            let mut dead_letters = Vec::new();
            let walked = self.walk(queue, async |dead_letter| {
                dead_letters.push(dead_letter.clone());
                Ok(DeadLetterAction::GiveBack)
            });
            let unseen = walked.await?.unseen;
            Ok::<_, anyhow::Error>((dead_letters, unseen))
        }));
        let (dead_letters, unseen): (Vec<Vec<DeadLetter>>, Vec<usize>) = looked.await?.into_iter().unzip();
        let mut dead_letters: Vec<DeadLetter> = dead_letters.into_iter().flatten().collect();
        dead_letters.sort_by_key(|dead_letter| dead_letter.parked_at);
        Ok((dead_letters, unseen.into_iter().sum()))
    }

    /// When the oldest of the messages that a dead-letter queue returns first was parked; none if it returns none.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn oldest(&self, queue: &Queue) -> Result<Option<DateTime<Utc>>> {
        let dead_letters = self.take(queue).await?;
        for dead_letter in &dead_letters {
            // A message that cannot be released becomes visible by itself.
            let _given = self.give_back(dead_letter).await;
        }
        Ok(dead_letters.iter().map(|dead_letter| dead_letter.parked_at).min())
    }
}
