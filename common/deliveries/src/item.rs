//! A delivery as a DynamoDB item.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) type DeliveryItem = HashMap<String, AttributeValue>;

/// The sort key of an event among those of a recipient: its time, then its id. An event has the same time at every
/// delivery, so its key is the same too, and keys are ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EventKey {
    at: DateTime<Utc>,
    id: Uuid,
}

impl EventKey {
    #[must_use]
    pub fn new(at: DateTime<Utc>, id: Uuid) -> Self {
        Self { at: at.trunc_subsecs(6), id }
    }

    /// The event's id: the `webhook-id`.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// When the event happened, to the microsecond.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The prefix of the keys of all events from a time on.
    pub(crate) fn begin_of(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", Self::begin_of(self.at), self.id.simple())
    }
}

impl FromStr for EventKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (at, id) = text.split_once('_')?;
            let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
            Some(Self { at, id: Uuid::try_parse(id).ok()? })
        };
        read().filter(|key| key.to_string() == text).ok_or_else(|| "must be a time and an event's id".to_owned())
    }
}

impl From<EventKey> for String {
    fn from(key: EventKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for EventKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is attempted when it is due.
    Pending,
    /// The recipient accepted it.
    Delivered,
    /// No attempt succeeded; it is not attempted again unless somebody replays it.
    Failed,
    /// The recipient must not receive it at present; it can be replayed.
    Held,
    /// It was sent, and whether it was accepted is unknown.
    Unknown,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Failed, Self::Held, Self::Unknown];

    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("must be one of {}", names()))
    }
}

/// The outcome of the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// Why it failed; never contains the URL or the response body.
    pub failure: Option<String>,
    /// The recipient's id for what it accepted, if it gave one.
    pub message_id: Option<String>,
}

/// An event for a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub event_key: EventKey,
    /// Its `type`.
    pub event_type: String,
    /// Its subject: the invoice, otherwise the payment.
    pub subject: String,
    /// Its number among all events about the subject that this recipient receives, from 1; none if they are not
    /// numbered.
    pub sequence: Option<u64>,
    /// The body, or the data that it is rendered from; empty once it was discarded.
    pub body: String,
    pub state: DeliveryState,
    /// Attempts since it was recorded or last replayed.
    pub attempts: u32,
    /// When it was recorded or last replayed.
    pub recorded_at: DateTime<Utc>,
    /// When the next attempt is due.
    pub next_attempt_at: DateTime<Utc>,
    pub last_attempt: Option<DeliveryAttempt>,
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn time(at: DateTime<Utc>) -> AttributeValue {
    number(at.timestamp_millis())
}

pub(crate) fn text_of(item: &DeliveryItem, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

pub(crate) fn number_of(item: &DeliveryItem, name: &str) -> Option<i64> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok())
}

fn time_of(item: &DeliveryItem, name: &str) -> Option<DateTime<Utc>> {
    number_of(item, name).and_then(DateTime::from_timestamp_millis)
}

impl Delivery {
    /// Parses an item; none if it is invalid.
    pub(crate) fn read(item: &DeliveryItem) -> Option<Self> {
        let last_attempt = time_of(item, "last_attempt_ms").map(|at| DeliveryAttempt {
            at,
            status: number_of(item, "last_status").and_then(|status| u16::try_from(status).ok()),
            failure: text_of(item, "last_failure"),
            message_id: text_of(item, "message_id"),
        });
        Some(Self {
            event_key: text_of(item, "event_key")?.parse().ok()?,
            event_type: text_of(item, "event_type")?,
            subject: text_of(item, "subject")?,
            sequence: number_of(item, "sequence").and_then(|sequence| u64::try_from(sequence).ok()),
            body: text_of(item, "body").unwrap_or_default(),
            state: text_of(item, "state")?.parse().ok()?,
            attempts: u32::try_from(number_of(item, "attempts")?).ok()?,
            recorded_at: time_of(item, "recorded_ms")?,
            next_attempt_at: time_of(item, "next_attempt_ms")?,
            last_attempt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_sorted_by_time() {
        let key = |seconds: i64| EventKey::new(DateTime::from_timestamp(seconds, 5_000).unwrap(), Uuid::nil());
        let texts = [key(0), key(9), key(10), key(2_000_000_000)].map(|key| key.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
        for text in &texts {
            assert_eq!(text.parse::<EventKey>().unwrap().to_string(), *text);
        }
        assert!(EventKey::begin_of(key(10).at()) <= texts[2] && EventKey::begin_of(key(10).at()) > texts[1]);
        for text in ["", "2026", "2026-11-02T12:00:00Z_x", "slots"] {
            assert!(text.parse::<EventKey>().is_err(), "{text}");
        }
    }
}
