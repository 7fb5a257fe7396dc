//! The table of deliveries: recording, leasing and concluding them.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::id::WebhookEndpointId;
use uuid::Uuid;

use crate::item::{
    Delivery, DeliveryAttempt, DeliveryItem, DeliveryState, EventKey, number, number_of, text, text_of, time,
};
use crate::table_error::TableError;

/// The maximum number of workers that serve one endpoint.
pub const SLOTS: u32 = 4;

/// The number of shards of the index of due records.
pub const SHARDS: u32 = 4;

/// The default retention of a record: for investigation and replays, and longer than a message waits in a queue and its
/// dead-letter queue.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// The numbering of a subject continues as long as it has at least one event within this time.
const SEQUENCE_RETENTION: TimeDelta = TimeDelta::days(400);

/// A message may arrive a little early by another machine's clock.
pub(crate) const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::seconds(1);

/// The time after which a record is due again if its message was lost.
pub(crate) const GRACE: TimeDelta = TimeDelta::minutes(1);

/// A recipient: a webhook endpoint, or a client on a channel.
pub trait Recipient: Display + FromStr + Copy {}

impl<R: Display + FromStr + Copy> Recipient for R {}

#[derive(Debug, Clone)]
pub struct DeliveriesTable<R = WebhookEndpointId> {
    pub(crate) client: Client,
    pub(crate) name: String,
    kept_for: TimeDelta,
    recipients: PhantomData<fn() -> R>,
}

/// A delivery to record.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a, R = WebhookEndpointId> {
    pub recipient: R,
    pub event_key: &'a EventKey,
    /// Its `type`.
    pub event_type: &'a str,
    pub subject: &'a str,
    /// Its number, from [`DeliveriesTable::number`]; none if events are not numbered.
    pub sequence: Option<u64>,
    /// The body, or the data that it is rendered from.
    pub body: &'a str,
    /// A digest of the event, to detect another event with the same id.
    pub fingerprint: &'a str,
    /// Whether it is only stored, to be sent by a replay.
    pub is_held: bool,
}

/// The result of recording a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedDelivery {
    /// It was recorded.
    New,
    /// It had been recorded before.
    Known,
    /// An event with this id and time but other content was recorded before; that one is kept.
    OtherEvent,
}

/// The right to make one attempt, until it expires.
#[derive(Debug, Clone)]
pub struct DeliveryLease<R = WebhookEndpointId> {
    pub recipient: R,
    /// The delivery as it was before the lease.
    pub delivery: Delivery,
    /// Its state until the attempt is concluded.
    pub(crate) meanwhile: DeliveryState,
    pub(crate) owner: String,
}

/// The right to send to a recipient, until it expires.
#[derive(Debug, Clone)]
pub struct RecipientSlot<R = WebhookEndpointId> {
    recipient: R,
    place: u32,
    owner: String,
}

impl<R: Recipient> DeliveriesTable<R> {
    /// The table `name`.
    #[must_use]
    pub fn new(aws: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(aws), name, kept_for: RETENTION, recipients: PhantomData }
    }

    /// The same, with another retention of records after they were last due.
    #[must_use]
    pub fn keeping_for(self, kept_for: TimeDelta) -> Self {
        Self { kept_for, ..self }
    }

    /// Connects to DynamoDB, so that the first message does not wait for it.
    pub async fn warm_up(&self) {
        // Any response will do, including "no such item".
        let key = |request: UpdateItemFluentBuilder| request.key("recipient", text("-")).key("event_key", text("-"));
        let request = key(self.client.update_item().table_name(&self.name));
        let _answer = request.condition_expression("attribute_exists(recipient)").send().await;
    }

    /// The number of an event among all events about a subject that a recipient receives: dense, from 1, and the same
    /// at every call.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn number(
        &self,
        recipient: R,
        subject: &str,
        event_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<u64, TableError> {
        let own = format!("event_{}", event_id.simple());
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("recipient", text(&format!("numbers#{recipient}")))
            .key("event_key", text(subject))
            // The event's own number is stored with the counter, in the same write.
            .update_expression("SET #own = if_not_exists(told, :none) + :one, told = if_not_exists(told, :none) + :one, expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#own)")
            .expression_attribute_names("#own", &own)
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires_at", number((now + SEQUENCE_RETENTION).timestamp()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = match request.send().await {
            Ok(answer) => answer.attributes,
            Err(error) => match error.into_service_error() {
                UpdateItemError::ConditionalCheckFailedException(failure) => failure.item,
                error => return Err(TableError::from_sdk(error)),
            },
        };
        let number = item.as_ref().and_then(|item| number_of(item, &own)).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| TableError::NoSequenceNumber {
            event_id: event_id.to_string(),
            recipient: recipient.to_string(),
        })
    }

    /// Inserts a record that is due immediately, or held, unless it exists.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn record(&self, new: &NewDelivery<'_, R>, now: DateTime<Utc>) -> Result<RecordedDelivery, TableError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(self.new_item(new, now)))
            .condition_expression("attribute_not_exists(recipient) OR expires_at < :now_s")
            .expression_attribute_values(":now_s", number(now.timestamp()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match request.send().await {
            Ok(_) => return Ok(RecordedDelivery::New),
            Err(error) => error.into_service_error(),
        };
        let PutItemError::ConditionalCheckFailedException(failure) = error else {
            return Err(TableError::from_sdk(error));
        };
        let known = failure.item().and_then(|item| text_of(item, "fingerprint"));
        Ok(if known.is_some_and(|known| known != new.fingerprint) {
            RecordedDelivery::OtherEvent
        } else {
            RecordedDelivery::Known
        })
    }

    /// Leases a due delivery, so that no other worker attempts it until the lease expires at `until`. None if it is not
    /// due, is being attempted, is concluded, or does not exist.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn lease(
        &self,
        recipient: R,
        event_key: &EventKey,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<DeliveryLease<R>>, TableError> {
        let owner = Uuid::new_v4().to_string();
        let request = self
            .update_item(recipient, event_key)
            .update_expression("SET lease_owner = :owner, lease_until_ms = :until, due_ms = :until")
            .condition_expression(
                "#state = :pending AND next_attempt_ms <= :soon \
                 AND (attribute_not_exists(lease_until_ms) OR lease_until_ms < :now)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(DeliveryState::Pending.as_str()))
            .expression_attribute_values(":owner", text(&owner))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":soon", time(now + CLOCK_SKEW_MAX))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllNew);
        let Some(item) = done(request).await? else { return Ok(None) };
        let delivery = Delivery::read(&item);
        let delivery = delivery.ok_or_else(|| TableError::none(event_key))?;
        Ok(Some(DeliveryLease { recipient, delivery, meanwhile: DeliveryState::Pending, owner }))
    }

    /// Records the outcome of an attempt: it succeeded, it is retried at `next`, or it is given up. Without an attempt
    /// none is counted. Returns false if the lease had expired and another worker has the record.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn finish(
        &self,
        lease: &DeliveryLease<R>,
        state: DeliveryState,
        attempt: Option<&DeliveryAttempt>,
        next: Option<DateTime<Utc>>,
    ) -> Result<bool, TableError> {
        let mut set = vec!["#state = :state", "attempts = :attempts"];
        let mut remove = vec!["lease_owner", "lease_until_ms"];
        let mut request = self
            .update_item(lease.recipient, &lease.delivery.event_key)
            .condition_expression("lease_owner = :owner AND #state = :meanwhile")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":owner", text(&lease.owner))
            .expression_attribute_values(":meanwhile", text(lease.meanwhile.as_str()))
            .expression_attribute_values(":state", text(state.as_str()));
        let attempts = i64::from(lease.delivery.attempts) + i64::from(attempt.is_some());
        request = request.expression_attribute_values(":attempts", number(attempts));
        match next {
            Some(next) => {
                set.extend(["next_attempt_ms = :next", "due_ms = :due"]);
                request = request.expression_attribute_values(":next", time(next));
                request = request.expression_attribute_values(":due", time(next + GRACE));
            }
            None => remove.extend(["due_shard", "due_ms"]),
        }
        if lease.meanwhile == DeliveryState::Unknown && state == DeliveryState::Delivered {
            // It is never sent again.
            remove.push("body");
        }
        if let Some(attempt) = attempt {
            set.push("last_attempt_ms = :at");
            request = request.expression_attribute_values(":at", time(attempt.at));
            match attempt.status {
                Some(status) => {
                    set.push("last_status = :status");
                    request = request.expression_attribute_values(":status", number(i64::from(status)));
                }
                None => remove.push("last_status"),
            }
            match &attempt.failure {
                Some(failure) => {
                    set.push("last_failure = :failure");
                    request = request.expression_attribute_values(":failure", text(failure));
                }
                None => remove.push("last_failure"),
            }
            if let Some(message_id) = &attempt.message_id {
                set.push("message_id = :message");
                request = request.expression_attribute_values(":message", text(message_id));
            }
        }
        let expression = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
        Ok(done(request.update_expression(expression)).await?.is_some())
    }

    /// Takes one of an endpoint's slots until `until`; none if all are taken.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn take_slot(
        &self,
        recipient: R,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<RecipientSlot<R>>, TableError> {
        let owner = Uuid::new_v4();
        // Each worker starts at another slot, so that few conflict.
        let first = u32::from(owner.as_bytes().first().copied().unwrap_or_default());
        for step in 0..SLOTS {
            let slot = RecipientSlot { recipient, place: (first + step) % SLOTS, owner: owner.to_string() };
            let request = slot
                .with_condition(self.client.update_item().table_name(&self.name))
                .update_expression("SET lease_owner = :owner, lease_until_ms = :until, expires_at = :expires_at")
                .condition_expression("attribute_not_exists(lease_until_ms) OR lease_until_ms < :now")
                .expression_attribute_values(":owner", text(&slot.owner))
                .expression_attribute_values(":until", time(until))
                .expression_attribute_values(":now", time(now))
                .expression_attribute_values(":expires_at", number((until + TimeDelta::days(1)).timestamp()));
            if done(request).await?.is_some() {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Releases a slot.
    ///
    /// # Errors
    /// [`TableError`]; the slot then expires.
    pub async fn free_slot(&self, slot: &RecipientSlot<R>) -> Result<(), TableError> {
        let request = slot
            .with_condition(self.client.update_item().table_name(&self.name))
            .update_expression("REMOVE lease_owner, lease_until_ms")
            .condition_expression("lease_owner = :owner")
            .expression_attribute_values(":owner", text(&slot.owner));
        done(request).await.map(drop)
    }

    fn new_item(&self, new: &NewDelivery<'_, R>, now: DateTime<Utc>) -> DeliveryItem {
        let shard = crate::listing::shard(new.event_key.id());
        let members = [
            ("recipient", text(&new.recipient.to_string())),
            ("event_key", text(&new.event_key.to_string())),
            ("event_type", text(new.event_type)),
            ("subject", text(new.subject)),
            ("body", text(new.body)),
            ("fingerprint", text(new.fingerprint)),
            ("state", text(if new.is_held { DeliveryState::Held } else { DeliveryState::Pending }.as_str())),
            ("attempts", number(0)),
            ("recorded_ms", time(now)),
            ("next_attempt_ms", time(now)),
            ("due_shard", text(&shard.to_string())),
            ("due_ms", time(now + GRACE)),
            ("expires_at", number(self.expires_at(now))),
        ];
        let left_out: &[&str] = if new.is_held { &["due_shard", "due_ms"] } else { &[] };
        let sequence = new.sequence.and_then(|sequence| i64::try_from(sequence).ok());
        let members = members.into_iter().filter(|(name, _)| !left_out.contains(name));
        let members = members.chain(sequence.map(|sequence| ("sequence", number(sequence))));
        members.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn expires_at(&self, now: DateTime<Utc>) -> i64 {
        (now + self.kept_for).timestamp()
    }

    pub(crate) fn update_item(&self, recipient: R, event_key: &EventKey) -> UpdateItemFluentBuilder {
        let request = self.client.update_item().table_name(&self.name);
        request.key("recipient", text(&recipient.to_string())).key("event_key", text(&event_key.to_string()))
    }
}

impl<R: Recipient> RecipientSlot<R> {
    fn with_condition(&self, request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let request = request.key("recipient", text(&format!("slots#{}", self.recipient)));
        request.key("event_key", text(&self.place.to_string()))
    }
}

/// The item after a conditional update; none if the condition was not met.
pub(crate) async fn done(request: UpdateItemFluentBuilder) -> Result<Option<DeliveryItem>, TableError> {
    match request.send().await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error) => match error.into_service_error() {
            UpdateItemError::ConditionalCheckFailedException(_) => Ok(None),
            error => Err(TableError::from_sdk(error)),
        },
    }
}
