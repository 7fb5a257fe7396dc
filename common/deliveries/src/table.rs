//! The table: recording, leasing and concluding deliveries.

use std::error::Error;
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

/// Workers at one endpoint at a time.
pub const SLOTS: u32 = 4;

/// Partitions of the index of what is due.
pub const SHARDS: u32 = 4;

/// A record is kept so long, if nothing else is asked for: for questions and for sending it again, and longer than a
/// message waits in a queue and its dead-letter queue.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// Numbers of a subject go on while it is told of at least once in this time.
const SEQUENCE_RETENTION: TimeDelta = TimeDelta::days(400);

/// A message may be a little early by the clock of another machine.
pub(crate) const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::seconds(1);

/// When a record is looked for if the message that speaks of it is lost.
pub(crate) const GRACE: TimeDelta = TimeDelta::minutes(1);

/// DynamoDB refused or did not answer. The outcome of a write is then unknown; asking again is safe.
#[derive(Debug, thiserror::Error)]
#[error("the deliveries' table: {0}")]
pub struct TableError(String);

impl TableError {
    pub(crate) fn from_sdk(error: &dyn Error) -> Self {
        Self(error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")))
    }

    /// The record under a key is none of ours.
    pub(crate) fn none(event_key: &EventKey) -> Self {
        Self(format!("the record {event_key} cannot be read"))
    }
}

/// Who is told: a webhook endpoint, or a client on a channel.
pub trait Recipient: Display + FromStr + Copy {}

impl<R: Display + FromStr + Copy> Recipient for R {}

/// All that is to be told.
#[derive(Debug, Clone)]
pub struct DeliveriesTable<R = WebhookEndpointId> {
    pub(crate) client: Client,
    pub(crate) name: String,
    kept_for: TimeDelta,
    recipients: PhantomData<fn() -> R>,
}

/// Something to tell.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a, R = WebhookEndpointId> {
    /// To whom.
    pub recipient: R,
    /// What.
    pub event_key: &'a EventKey,
    /// Its `type`.
    pub event_type: &'a str,
    /// Its subject.
    pub subject: &'a str,
    /// Its number, from [`DeliveriesTable::number`]; none where nobody counts.
    pub sequence: Option<u64>,
    /// What is sent, or what it is made from.
    pub body: &'a str,
    /// A digest of the event as it came, to tell another one under its id.
    pub fingerprint: &'a str,
    /// Whether it is only kept for when somebody has it sent again.
    pub is_held: bool,
}

/// What became of a record that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedDelivery {
    /// It was made.
    New,
    /// It had been made before.
    Known,
    /// The event's id and time had another content before; that one stands.
    OtherEvent,
}

/// The right to make one attempt, until it lapses.
#[derive(Debug, Clone)]
pub struct DeliveryLease<R = WebhookEndpointId> {
    /// To whom.
    pub recipient: R,
    /// What, as it was before.
    pub delivery: Delivery,
    /// What it counts as until the attempt is concluded.
    pub(crate) meanwhile: DeliveryState,
    pub(crate) owner: String,
}

/// The right to be at a recipient, until it lapses.
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

    /// The same, whose records are kept for another time after they were last due.
    #[must_use]
    pub fn keeping_for(self, kept_for: TimeDelta) -> Self {
        Self { kept_for, ..self }
    }

    /// Opens the connection to DynamoDB, so that the first message does not wait for it.
    pub async fn warm_up(&self) {
        // Any answer will do, "no such item" included.
        let key = |request: UpdateItemFluentBuilder| request.key("recipient", text("-")).key("event_key", text("-"));
        let request = key(self.client.update_item().table_name(&self.name));
        let _answer = request.condition_expression("attribute_exists(recipient)").send().await;
    }

    /// The number of an event among all that a recipient is told of a subject: dense, from 1, and the same each time it
    /// is asked for.
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
            // The event's own number is noted beside the counter, in one write with it.
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
                error => return Err(TableError::from_sdk(&error)),
            },
        };
        let number = item.as_ref().and_then(|item| number_of(item, &own)).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| TableError(format!("event {event_id} has no number at {recipient}")))
    }

    /// Makes a record that is due at once, or held, unless there is one.
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
            return Err(TableError::from_sdk(&error));
        };
        let known = failure.item().and_then(|item| text_of(item, "fingerprint"));
        Ok(if known.is_some_and(|known| known != new.fingerprint) {
            RecordedDelivery::OtherEvent
        } else {
            RecordedDelivery::Known
        })
    }

    /// Takes a delivery that is due, so that nobody else attempts it until the lease lapses at `until`. None if it is not
    /// due, is being attempted, is concluded, or there is none.
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

    /// Notes what an attempt came to: it was taken, it is tried again at `next`, or it is given up. Without an attempt
    /// none is counted. Answers false if the lease had lapsed and somebody else has the record.
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

    /// Takes one of the places at an endpoint until `until`; none if all are taken.
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
        // Everybody begins elsewhere, so that few meet.
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

    /// Gives a place back.
    ///
    /// # Errors
    /// [`TableError`]; the place then lapses.
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

/// The item after a conditional update; none if the condition did not hold.
pub(crate) async fn done(request: UpdateItemFluentBuilder) -> Result<Option<DeliveryItem>, TableError> {
    match request.send().await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error) => match error.into_service_error() {
            UpdateItemError::ConditionalCheckFailedException(_) => Ok(None),
            error => Err(TableError::from_sdk(&error)),
        },
    }
}
