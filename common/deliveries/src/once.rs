//! Deliveries whose receiver knows no idempotency key, such as e-mails: what may have been taken is not sent again.
//!
//! Before the attempt, the record says that its outcome is unknown. An attempt that ends says what it came to; one that is
//! cut off leaves the record as it is, and the receiver's own word ([`DeliveriesTable::hear`]) or, when it has had time to
//! come, its absence decides.

use aws_sdk_dynamodb::types::ReturnValue;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::item::{Delivery, DeliveryState, EventKey, number, number_of, text, time};
use crate::table::{CLOCK_SKEW_MAX, DeliveriesTable, DeliveryLease, Recipient, TableError, done};

/// Where the time of the latest word is kept.
const WORDS: &str = "words";
const LATEST: &str = "latest";

/// What a receiver says, some time later, of what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// Why it was not taken, or came back; none if it was taken. Never holds an address.
    pub failure: Option<String>,
    /// What the receiver calls it.
    pub message_id: String,
    /// When it was given to the receiver.
    pub given_at: DateTime<Utc>,
}

impl<R: Recipient> DeliveriesTable<R> {
    /// Takes a delivery that is due, of which nobody will know whether it was taken unless the attempt is concluded; it is
    /// looked at again at `decide_at`. None if it is not due, is being attempted, is concluded, or there is none. A delivery
    /// whose state was [`DeliveryState::Unknown`] before has to be decided, not attempted.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn lease_once(
        &self,
        recipient: R,
        event_key: &EventKey,
        now: DateTime<Utc>,
        (until, decide_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Option<DeliveryLease<R>>, TableError> {
        let owner = Uuid::new_v4().to_string();
        let request = self
            .update_item(recipient, event_key)
            .update_expression(
                "SET #state = :unknown, lease_owner = :owner, lease_until_ms = :until, next_attempt_ms = :decide, \
                 due_ms = :decide",
            )
            .condition_expression(
                "#state IN (:pending, :unknown) AND attribute_exists(due_ms) AND next_attempt_ms <= :soon \
                 AND (attribute_not_exists(lease_until_ms) OR lease_until_ms < :now)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(DeliveryState::Pending.as_str()))
            .expression_attribute_values(":unknown", text(DeliveryState::Unknown.as_str()))
            .expression_attribute_values(":owner", text(&owner))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":decide", time(decide_at))
            .expression_attribute_values(":soon", time(now + CLOCK_SKEW_MAX))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllOld);
        let Some(item) = done(request).await? else { return Ok(None) };
        let delivery = Delivery::read(&item).ok_or_else(|| TableError::none(event_key))?;
        Ok(Some(DeliveryLease { recipient, delivery, meanwhile: DeliveryState::Unknown, owner }))
    }

    /// Has a delivery that was given up or held sent, from the first attempt on. Answers false if it stands otherwise, or the
    /// receiver has taken it, whatever became of it then.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn send_again_once(
        &self,
        recipient: R,
        event_key: &EventKey,
        now: DateTime<Utc>,
    ) -> Result<bool, TableError> {
        let request = self
            .again(recipient, event_key, now)
            .condition_expression("#state IN (:failed, :held) AND attribute_not_exists(message_id)")
            .expression_attribute_values(":failed", text(DeliveryState::Failed.as_str()))
            .expression_attribute_values(":held", text(DeliveryState::Held.as_str()));
        Ok(done(request).await?.is_some())
    }

    /// Notes what the receiver says. Its word outdoes what was noted of the attempt, and ends it. Answers false if there is
    /// no such delivery any more.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn record_report(
        &self,
        recipient: R,
        event_key: &EventKey,
        word: &ReceiverReport,
    ) -> Result<bool, TableError> {
        let state = if word.failure.is_none() { DeliveryState::Delivered } else { DeliveryState::Failed };
        let mut set = "SET #state = :state, message_id = :message".to_owned();
        let mut remove = "REMOVE body, due_shard, due_ms, lease_owner, lease_until_ms".to_owned();
        let mut condition = "attribute_exists(recipient)".to_owned();
        match &word.failure {
            Some(_) => set.push_str(", last_failure = :failure, came_back = :yes"),
            None => {
                remove.push_str(", last_failure");
                // That it came back is the last word, whenever that it was taken is heard.
                condition.push_str(" AND attribute_not_exists(came_back)");
            }
        }
        let mut request = self
            .update_item(recipient, event_key)
            .update_expression(format!("{set} {remove}"))
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()))
            .expression_attribute_values(":message", text(&word.message_id));
        if let Some(failure) = &word.failure {
            request = request.expression_attribute_values(":failure", text(failure));
            request = request.expression_attribute_values(":yes", number(1));
        }
        done(request).await.map(|item| item.is_some())
    }

    /// Notes that the receiver's words come, as one of them has.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn note_words_come(&self, given_at: DateTime<Utc>) -> Result<(), TableError> {
        let request = self.client.update_item().table_name(&self.name);
        let request = request
            .key("recipient", text(WORDS))
            .key("event_key", text(LATEST))
            .update_expression("SET given_at_ms = :given_at")
            .condition_expression("attribute_not_exists(given_at_ms) OR given_at_ms < :given_at")
            .expression_attribute_values(":given_at", time(given_at));
        done(request).await.map(drop)
    }

    /// Whether the receiver has had its say about what it was given at a time: it has spoken of something that it was given
    /// at least `margin` later.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn have_words_come_since(&self, given_at: DateTime<Utc>, margin: TimeDelta) -> Result<bool, TableError> {
        let request = self.client.get_item().table_name(&self.name);
        let request = request.key("recipient", text(WORDS)).key("event_key", text(LATEST)).consistent_read(true);
        let answer = request.send().await.map_err(|error| TableError::from_sdk(&error.into_service_error()))?;
        let latest = answer.item.as_ref().and_then(|item| number_of(item, "given_at_ms"));
        Ok(latest.is_some_and(|latest| latest >= (given_at + margin).timestamp_millis()))
    }

    /// Where a delivery stands; none if there is none.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, recipient: R, event_key: &EventKey) -> Result<Option<Delivery>, TableError> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let request =
            request.key("recipient", text(&recipient.to_string())).key("event_key", text(&event_key.to_string()));
        let answer = request.send().await.map_err(|error| TableError::from_sdk(&error.into_service_error()))?;
        Ok(answer.item.as_ref().and_then(Delivery::read))
    }
}
