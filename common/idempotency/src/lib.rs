//! A fenced idempotency record in DynamoDB: makes an effect happen once, however often its message is delivered.
//!
//! Guarantees:
//! - Of any number of workers that concurrently [`claim`](IdempotencyTable::claim) a key, one gets the
//!   [`IdempotencyLease`].
//! - A worker whose lease has expired and was taken over cannot complete or release it any more: every later write is
//!   conditional on the lease's owner token, so an overtaken worker never overwrites its successor.
//! - A key that is used again with another payload is a conflict ([`IdempotencyClaim::OtherPayload`]).
//! - Expiry is compared, never "is the item there": DynamoDB deletes expired items up to days late.
//!
//! Not guaranteed: that an effect outside of DynamoDB happens exactly once. A worker that dies between its effect and
//! [`complete`](IdempotencyTable::complete) leaves a lease that expires, and the effect is attempted again. Where that
//! matters, the effect must pass the same key on to the system that performs it.
//!
//! If the effect itself is idempotent (the same bytes to the same key, a unique constraint), one
//! [`record_completed`](IdempotencyTable::record_completed) *after* it is enough, at half the cost.

#![deny(missing_docs)]

mod item;

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use crate::item::{IdempotencyClaim, IdempotencyLease};
use crate::item::{judge, number, state, text};

/// Added to a lease beyond the deadline of its invocation: the clocks of two workers differ by less.
pub const CLOCK_SKEW_MARGIN: TimeDelta = TimeDelta::seconds(10);

/// The retention of a queue consumer's records: longer than a message can wait in the queue and its dead-letter queue
/// (14 days each).
pub const CONSUMER_RECORD_RETENTION: TimeDelta = TimeDelta::days(30);

/// Why the table gave no answer. The outcome of a write is then unknown; retrying is safe.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// DynamoDB refused or did not answer.
    #[error("the call about idempotency record {key} failed")]
    Table {
        /// The record's key.
        key: String,
        /// The failure.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The lease expired and another worker has the key; this worker's result is void.
    #[error("idempotency record {key} was taken over by another worker")]
    Overtaken {
        /// The record's key.
        key: String,
    },
}

/// The idempotency table of one consumer.
#[derive(Debug, Clone)]
pub struct IdempotencyTable {
    client: Client,
    name: String,
    kept_for: TimeDelta,
}

impl IdempotencyTable {
    /// The table `name`, whose records are retained for `kept_for` after they were written.
    #[must_use]
    pub fn new(aws: &SdkConfig, name: String, kept_for: TimeDelta) -> Self {
        Self { client: Client::new(aws), name, kept_for }
    }

    /// Connects to DynamoDB, so that the first message does not wait for it.
    pub async fn warm_up(&self) {
        // Any response will do, including "no such item".
        let _answer = self.client.get_item().table_name(&self.name).key("key", text("warm-up")).send().await;
    }

    /// Claims a key, if it is free or its lease has expired.
    ///
    /// `fingerprint` is a digest of the payload; `lease_until` is the invocation's deadline plus [`CLOCK_SKEW_MARGIN`].
    /// A deadline in the past gives a lease that the next worker may take over.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn claim(
        &self,
        key: &str,
        fingerprint: &str,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<IdempotencyClaim, IdempotencyError> {
        self.claim_known_as(key, &[fingerprint, fingerprint], now, lease_until).await
    }

    /// Claims a key whose record may have the fingerprint of an earlier scheme: the first fingerprint is the current
    /// one and is recorded, the second is the one before.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn claim_known_as(
        &self,
        key: &str,
        fingerprints: &[&str; 2],
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<IdempotencyClaim, IdempotencyError> {
        let [fingerprint, before] = *fingerprints;
        let owner = Uuid::new_v4().to_string();
        let answer = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(HashMap::from([
                ("key".to_owned(), text(key)),
                ("state".to_owned(), text(state::IN_PROGRESS)),
                ("owner".to_owned(), text(&owner)),
                ("fingerprint".to_owned(), text(fingerprint)),
                ("lease_until_ms".to_owned(), number(lease_until.timestamp_millis())),
                ("expires_at".to_owned(), self.expires_at(now)),
            ])))
            .condition_expression(
                "attribute_not_exists(#key) OR expires_at < :now_s \
                 OR (#state = :in_progress AND lease_until_ms < :now_ms AND fingerprint IN (:fingerprint, :before))",
            )
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":in_progress", text(state::IN_PROGRESS))
            .expression_attribute_values(":fingerprint", text(fingerprint))
            .expression_attribute_values(":before", text(before))
            .expression_attribute_values(":now_s", number(now.timestamp()))
            .expression_attribute_values(":now_ms", number(now.timestamp_millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(_) => return Ok(IdempotencyClaim::Won(IdempotencyLease { key: key.to_owned(), owner })),
            Err(error) => error.into_service_error(),
        };
        match error {
            aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failure) => {
                Ok(judge(failure.item(), fingerprints))
            }
            error => Err(table_error(key, error)),
        }
    }

    /// Records that the effect has happened, with the response for later claims.
    ///
    /// # Errors
    /// [`IdempotencyError::Overtaken`] if another worker has taken over the key.
    pub async fn complete(&self, lease: &IdempotencyLease, answer: Option<&str>) -> Result<(), IdempotencyError> {
        self.finish(lease, state::COMPLETED, answer).await
    }

    /// Records that the effect has failed permanently: the same message will never succeed.
    ///
    /// # Errors
    /// [`IdempotencyError::Overtaken`] if another worker has taken over the key.
    pub async fn fail_for_good(&self, lease: &IdempotencyLease, reason: &str) -> Result<(), IdempotencyError> {
        self.finish(lease, state::FAILED_FINAL, Some(reason)).await
    }

    /// Records that it is unknown whether the effect has happened: this can only be resolved by an inquiry, never by a
    /// retry.
    ///
    /// # Errors
    /// [`IdempotencyError::Overtaken`] if another worker has taken over the key.
    pub async fn leave_unknown(&self, lease: &IdempotencyLease, reason: &str) -> Result<(), IdempotencyError> {
        self.finish(lease, state::UNKNOWN, Some(reason)).await
    }

    /// Releases a key after a failure without effect, so that the next delivery can try immediately.
    ///
    /// # Errors
    /// [`IdempotencyError::Overtaken`] if another worker has taken over the key.
    pub async fn release(&self, lease: &IdempotencyLease) -> Result<(), IdempotencyError> {
        self.client
            .delete_item()
            .table_name(&self.name)
            .key("key", text(&lease.key))
            .condition_expression("#owner = :owner AND #state = :in_progress")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":owner", text(&lease.owner))
            .expression_attribute_values(":in_progress", text(state::IN_PROGRESS))
            .send()
            .await
            .map(drop)
            .map_err(|error| {
                let error = error.into_service_error();
                if error.is_conditional_check_failed_exception() {
                    overtaken(lease)
                } else {
                    table_error(&lease.key, error)
                }
            })
    }

    /// Whether the effect of a key is recorded as done.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn is_completed(&self, key: &str, now: DateTime<Utc>) -> Result<bool, IdempotencyError> {
        Ok(self.item(key).await?.is_some_and(|item| item::is_completed(&item, now)))
    }

    /// Records that an idempotent effect has happened.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer; the message is then redelivered, which is harmless.
    pub async fn record_completed(&self, key: &str, now: DateTime<Utc>) -> Result<(), IdempotencyError> {
        self.put_completed(key, None, now).await
    }

    /// The same, with the response for later claims of the key.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn record_answer(&self, key: &str, answer: &str, now: DateTime<Utc>) -> Result<(), IdempotencyError> {
        self.put_completed(key, Some(answer), now).await
    }

    /// The response recorded for a key, if the record has not expired.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn answer_of(&self, key: &str, now: DateTime<Utc>) -> Result<Option<String>, IdempotencyError> {
        Ok(self.item(key).await?.filter(|item| item::is_completed(item, now)).and_then(|item| item::answer(&item)))
    }

    async fn put_completed(&self, key: &str, answer: Option<&str>, now: DateTime<Utc>) -> Result<(), IdempotencyError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .item("key", text(key))
            .item("state", text(state::COMPLETED))
            .item("expires_at", self.expires_at(now));
        let request = answer.into_iter().fold(request, |request, answer| request.item("answer", text(answer)));
        request.send().await.map(drop).map_err(|error| table_error(key, error.into_service_error()))
    }

    async fn item(&self, key: &str) -> Result<Option<HashMap<String, AttributeValue>>, IdempotencyError> {
        let request = self.client.get_item().table_name(&self.name).key("key", text(key));
        let answer = request.send().await.map_err(|error| table_error(key, error.into_service_error()))?;
        Ok(answer.item)
    }

    async fn finish(
        &self,
        lease: &IdempotencyLease,
        state: &str,
        answer: Option<&str>,
    ) -> Result<(), IdempotencyError> {
        let mut request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("key", text(&lease.key))
            .condition_expression("#owner = :owner AND #state = :in_progress")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":owner", text(&lease.owner))
            .expression_attribute_values(":in_progress", text(state::IN_PROGRESS))
            .expression_attribute_values(":state", text(state));
        request = match answer {
            Some(answer) => request
                .update_expression("SET #state = :state, answer = :answer")
                .expression_attribute_values(":answer", text(answer)),
            None => request.update_expression("SET #state = :state"),
        };
        request.send().await.map(drop).map_err(|error| {
            let error = error.into_service_error();
            if error.is_conditional_check_failed_exception() {
                overtaken(lease)
            } else {
                table_error(&lease.key, error)
            }
        })
    }

    fn expires_at(&self, now: DateTime<Utc>) -> AttributeValue {
        number(now.timestamp().saturating_add(self.kept_for.num_seconds()))
    }
}

fn overtaken(lease: &IdempotencyLease) -> IdempotencyError {
    IdempotencyError::Overtaken { key: lease.key.clone() }
}

fn table_error(key: &str, error: impl std::error::Error + Send + Sync + 'static) -> IdempotencyError {
    IdempotencyError::Table { key: key.to_owned(), source: Box::new(error) }
}
