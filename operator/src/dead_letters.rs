//! Messages in dead-letter queues.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::edit::Edit;
use crate::queues::{Queue, Queues};

/// Messages that somebody looks at are hidden from others for so long, in seconds; whoever is killed meanwhile leaves them
/// to come back by themselves.
pub const HIDDEN_FOR_S: i32 = 120;

/// SQS hands out so many at once.
const BATCH_MAX: i32 = 10;

/// How long SQS looks for messages, in seconds: at once it would ask some of its servers only.
const LOOKING_FOR_S: i32 = 1;

/// A message in a dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The queue that it lies in.
    pub queue: Queue,
    /// SQS's id of it.
    pub message_id: String,
    /// Its message group; its own id in a queue without groups.
    pub group_id: String,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
    /// Why, as a stable code; none if the queue gave it up after too many receives.
    pub code: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// As it came.
    pub body: String,
    /// The body as JSON; null if it is none.
    pub content: Value,
    /// What was changed of it by hand, if anything was.
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

    /// What stands at a place of the body, if it is a text.
    #[must_use]
    pub fn text_at(&self, pointer: &str) -> Option<&str> {
        self.content.pointer(pointer).and_then(Value::as_str)
    }

    /// What it is: the envelope's type, or what is known of messages without an envelope.
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

    /// What it is about: the envelope's subject, or else its group.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text_at("/subject").unwrap_or(&self.group_id)
    }

    /// Who moved the money, as far as it says so.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        let named = ["/data/provider", "/data/payment/provider", "/data/settled/payment/provider"];
        let named = named.iter().find_map(|place| self.text_at(place));
        let of_queue = || self.queue.reader().strip_suffix("-gateway");
        named.or_else(of_queue).or_else(|| self.group_id.split_once(':').map(|(provider, _)| provider))
    }

    /// Whether it speaks of an invoice, by id or number.
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

    /// Why it was parked, alike for messages with one cause: the code, and the reason without what is of one message only.
    #[must_use]
    pub fn cause(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("the queue gave up after too many receives");
        let is_own = |word: &str| word.chars().any(|character| character.is_ascii_digit());
        let words: Vec<&str> = reason.split_whitespace().map(|word| if is_own(word) { "…" } else { word }).collect();
        format!("{}: {}", self.code.as_deref().unwrap_or("none"), words.join(" "))
    }
}

/// What becomes of a message that somebody was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// It stays in the queue.
    GiveBack,
    /// It is out of the queue already.
    Removed,
    /// It stays, and no more are shown.
    Stop,
}

/// How a queue was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueWalk {
    /// About how many messages were not shown: others of their group stay before them, or somebody has them.
    pub unseen: usize,
    /// How many could not be given back, and are seen again in two minutes.
    pub hidden: usize,
}

impl Queues {
    /// Takes some messages out of a dead-letter queue, hidden from others for [`HIDDEN_FOR_S`]; none if there are no more.
    ///
    /// # Errors
    /// When SQS cannot be asked.
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

    /// Lets others see a message again, at once.
    ///
    /// # Errors
    /// When SQS cannot be asked; the message then comes back by itself.
    pub async fn give_back(&self, letter: &DeadLetter) -> Result<()> {
        let request = self.client.change_message_visibility().queue_url(&letter.queue.url);
        let given = request.receipt_handle(&letter.receipt).visibility_timeout(0).send().await;
        given.map_err(aws_sdk_sqs::Error::from).with_context(|| format!("{} stays hidden", letter.message_id))?;
        Ok(())
    }

    /// Removes a message from its dead-letter queue.
    ///
    /// # Errors
    /// When SQS cannot be asked.
    pub async fn remove(&self, letter: &DeadLetter) -> Result<()> {
        let request = self.client.delete_message().queue_url(&letter.queue.url).receipt_handle(&letter.receipt);
        let removed = request.send().await.map_err(aws_sdk_sqs::Error::from);
        removed.with_context(|| format!("{} cannot be removed", letter.message_id))?;
        Ok(())
    }

    /// Shows somebody the messages of a dead-letter queue, each once. Those that stay are given back in the end, whatever
    /// comes between.
    ///
    /// SQS hands out at most ten of a group whose messages somebody has: of a group of which ten stay, no more is seen.
    ///
    /// # Errors
    /// When SQS cannot be asked, or the visitor fails.
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
        for letter in kept.values() {
            // Whoever cannot be given back comes back by itself.
            hidden += usize::from(self.give_back(letter).await.is_err());
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
            let mut letters = self.take(queue).await?.into_iter();
            let mut is_end = true;
            while let Some(letter) = letters.next() {
                // What is passed over for long comes again.
                let is_new = seen.insert(letter.message_id.clone());
                let next = if is_new { visit(&letter).await } else { Ok(DeadLetterAction::GiveBack) };
                is_end = is_end && !is_new;
                if !matches!(next, Ok(DeadLetterAction::Removed)) {
                    kept.insert(letter.message_id.clone(), letter);
                }
                if !matches!(next, Ok(DeadLetterAction::Removed | DeadLetterAction::GiveBack)) {
                    kept.extend(letters.map(|letter| (letter.message_id.clone(), letter)));
                    return next.map(drop);
                }
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Looks at what lies in dead-letter queues, and leaves it there. Answers it in the order in which it was parked, and
    /// about how many more there are that cannot be seen now.
    ///
    /// # Errors
    /// When SQS cannot be asked.
    pub async fn look(&self, queues: &[Queue]) -> Result<(Vec<DeadLetter>, usize)> {
        let looked = futures::future::try_join_all(queues.iter().map(async |queue| {
            let mut letters = Vec::new();
            let walked = self.walk(queue, async |letter| {
                letters.push(letter.clone());
                Ok(DeadLetterAction::GiveBack)
            });
            let unseen = walked.await?.unseen;
            Ok::<_, anyhow::Error>((letters, unseen))
        }));
        let (letters, unseen): (Vec<Vec<DeadLetter>>, Vec<usize>) = looked.await?.into_iter().unzip();
        let mut letters: Vec<DeadLetter> = letters.into_iter().flatten().collect();
        letters.sort_by_key(|letter| letter.parked_at);
        Ok((letters, unseen.into_iter().sum()))
    }

    /// When the oldest of the messages was parked that a dead-letter queue hands out first; none if it hands out none.
    ///
    /// # Errors
    /// When SQS cannot be asked.
    pub async fn oldest(&self, queue: &Queue) -> Result<Option<DateTime<Utc>>> {
        let letters = self.take(queue).await?;
        for letter in &letters {
            // Whoever cannot be given back comes back by itself.
            let _given = self.give_back(letter).await;
        }
        Ok(letters.iter().map(|letter| letter.parked_at).min())
    }
}
