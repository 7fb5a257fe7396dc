//! The record in DynamoDB, and its interpretation.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

/// The values of `state`.
pub(crate) mod state {
    pub(crate) const IN_PROGRESS: &str = "in_progress";
    pub(crate) const COMPLETED: &str = "completed";
    pub(crate) const FAILED_FINAL: &str = "failed_final";
    pub(crate) const UNKNOWN: &str = "unknown";
}

/// The right to perform an effect, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyLease {
    pub(crate) key: String,
    pub(crate) owner: String,
}

/// The result of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyClaim {
    /// Perform the effect, then complete or release the lease.
    Won(IdempotencyLease),
    /// The effect has happened; with the response recorded then.
    Completed(Option<String>),
    /// Another worker is performing it.
    InProgress,
    /// It failed permanently before, for this reason.
    FailedForGood(String),
    /// Whether it has happened is unknown.
    Unknown,
    /// The key was used with another payload.
    OtherPayload,
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// What the existing record means for a claim with one of these fingerprints.
pub(crate) fn judge(item: Option<&HashMap<String, AttributeValue>>, fingerprints: &[&str]) -> IdempotencyClaim {
    // Without the old item, all that is known is that the key is taken.
    let Some(item) = item else { return IdempotencyClaim::InProgress };
    let attribute = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    if attribute("fingerprint").is_some_and(|known| !fingerprints.contains(&known.as_str())) {
        return IdempotencyClaim::OtherPayload;
    }
    match attribute("state").as_deref() {
        Some(state::COMPLETED) => IdempotencyClaim::Completed(attribute("answer")),
        Some(state::FAILED_FINAL) => IdempotencyClaim::FailedForGood(attribute("answer").unwrap_or_default()),
        Some(state::UNKNOWN) => IdempotencyClaim::Unknown,
        _ => IdempotencyClaim::InProgress,
    }
}

pub(crate) fn is_completed(item: &HashMap<String, AttributeValue>, now: DateTime<Utc>) -> bool {
    let is_completed =
        item.get("state").and_then(|value| value.as_s().ok()).is_some_and(|state| state == state::COMPLETED);
    let expires_at = item.get("expires_at").and_then(|value| value.as_n().ok()).and_then(|at| at.parse::<i64>().ok());
    is_completed && expires_at.is_some_and(|at| at > now.timestamp())
}

pub(crate) fn answer(item: &HashMap<String, AttributeValue>) -> Option<String> {
    item.get("answer").and_then(|value| value.as_s().ok()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(state: &str) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("state".to_owned(), text(state)),
            ("fingerprint".to_owned(), text("f")),
            ("answer".to_owned(), text("a")),
            ("expires_at".to_owned(), number(100)),
        ])
    }

    #[test]
    fn an_existing_record_is_classified_by_its_state() {
        assert_eq!(judge(Some(&item("completed")), &["f"]), IdempotencyClaim::Completed(Some("a".to_owned())));
        assert_eq!(judge(Some(&item("in_progress")), &["f"]), IdempotencyClaim::InProgress);
        assert_eq!(judge(Some(&item("failed_final")), &["f"]), IdempotencyClaim::FailedForGood("a".to_owned()));
        assert_eq!(judge(Some(&item("unknown")), &["f"]), IdempotencyClaim::Unknown);
        assert_eq!(judge(None, &["f"]), IdempotencyClaim::InProgress);
    }

    #[test]
    fn a_key_with_another_payload_is_a_conflict_in_every_state() {
        for state in ["completed", "in_progress", "failed_final", "unknown"] {
            assert_eq!(judge(Some(&item(state)), &["other"]), IdempotencyClaim::OtherPayload, "{state}");
        }
    }

    #[test]
    fn a_record_of_the_scheme_before_is_of_the_same_payload() {
        assert!(matches!(judge(Some(&item("completed")), &["2:new", "f"]), IdempotencyClaim::Completed(_)));
    }

    #[test]
    fn a_completed_record_counts_until_it_expires_not_until_it_is_deleted() {
        assert!(is_completed(&item("completed"), DateTime::from_timestamp(99, 0).unwrap()));
        assert!(!is_completed(&item("completed"), DateTime::from_timestamp(100, 0).unwrap()));
        assert!(!is_completed(&item("in_progress"), DateTime::from_timestamp(99, 0).unwrap()));
    }
}
