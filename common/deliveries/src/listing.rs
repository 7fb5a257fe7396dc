//! Queries deliveries: those that are due, and those of a recipient.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::item::{Delivery, DeliveryItem, DeliveryState, EventKey, number, text, text_of, time};
use crate::queue::DueDelivery;
use crate::table::{DeliveriesTable, GRACE, Recipient, done};
use crate::table_error::TableError;

/// The index of due records: shard, then due time.
const DUE_INDEX: &str = "due";

/// The maximum number of queries for one page: each reads 1 MB of records, all of which a filter may discard.
const QUERIES_MAX: usize = 8;

/// A record whose message was sent is due again after this time, in case the message is lost or delayed.
const SENT_GRACE: TimeDelta = TimeDelta::minutes(10);

/// Sorts before all keys.
const BEFORE_ALL: &str = "0";
const AFTER_ALL: &str = "9";

/// A range of event times; a missing bound is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventTimeRange {
    /// Not before this.
    pub from: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
}

/// Deliveries in the order of their event times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    pub deliveries: Vec<Delivery>,
    /// The key to continue after; none if there are no more.
    pub next: Option<EventKey>,
}

impl<R: Recipient> DeliveriesTable<R> {
    /// Due deliveries of one shard without a message in flight, the oldest first.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn due(&self, shard: u32, now: DateTime<Utc>, count_max: i32) -> Result<Vec<DueDelivery<R>>, TableError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND due_ms <= :now")
            .expression_attribute_values(":shard", text(&shard.to_string()))
            .expression_attribute_values(":now", time(now))
            .limit(count_max);
        let answer = request.send().await.map_err(|error| TableError::from_sdk(error.into_service_error()))?;
        let read = |item: &DeliveryItem| {
            let recipient = text_of(item, "recipient")?.parse().ok()?;
            Some(DueDelivery { recipient, event_key: text_of(item, "event_key")?.parse().ok()? })
        };
        Ok(answer.items().iter().filter_map(read).collect())
    }

    /// Records that a message about the delivery was sent: until the message has had its time, the delivery is not due.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn note_sent(&self, due: &DueDelivery<R>, now: DateTime<Utc>) -> Result<(), TableError> {
        let request = self
            .update_item(due.recipient, &due.event_key)
            .update_expression("SET due_ms = :later")
            .condition_expression("due_ms <= :now")
            .expression_attribute_values(":later", time(now + SENT_GRACE))
            .expression_attribute_values(":now", time(now));
        done(request).await.map(drop)
    }

    /// Deliveries of a recipient, by event time.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn list(
        &self,
        recipient: R,
        range: EventTimeRange,
        states: &[DeliveryState],
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<DeliveryPage, TableError> {
        // Any longer key with this prefix sorts directly after the key.
        let behind = after.map(|key| format!("{key} "));
        let from = bound(range.from, BEFORE_ALL).max(behind.unwrap_or_default());
        let until = bound(range.until, AFTER_ALL);
        if from > until {
            return Ok(DeliveryPage { deliveries: Vec::new(), next: None });
        }
        let (mut deliveries, mut last) = (Vec::new(), None);
        for _ in 0..QUERIES_MAX {
            let mut request = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("recipient = :recipient AND event_key BETWEEN :from AND :until")
                .expression_attribute_values(":recipient", text(&recipient.to_string()))
                .expression_attribute_values(":from", text(&from))
                .expression_attribute_values(":until", text(&until))
                .set_exclusive_start_key(last.take())
                .limit(i32::try_from(count_max).unwrap_or(i32::MAX));
            if !states.is_empty() {
                let names: Vec<String> = (0..states.len()).map(|place| format!(":state{place}")).collect();
                request = request.filter_expression(format!("#state IN ({})", names.join(", ")));
                request = request.expression_attribute_names("#state", "state");
                for (name, state) in names.iter().zip(states) {
                    request = request.expression_attribute_values(name, text(state.as_str()));
                }
            }
            let answer = request.send().await.map_err(|error| TableError::from_sdk(error.into_service_error()))?;
            deliveries.extend(answer.items().iter().filter_map(Delivery::read));
            last = answer.last_evaluated_key;
            if last.is_none() || deliveries.len() >= count_max {
                break;
            }
        }
        let cut = deliveries.len() > count_max;
        deliveries.truncate(count_max);
        let next = match &last {
            _ if cut => deliveries.last().map(|delivery| delivery.event_key.clone()),
            Some(key) => text_of(key, "event_key").and_then(|key| key.parse().ok()),
            None => None,
        };
        Ok(DeliveryPage { deliveries, next })
    }

    /// Replays a delivery under the same id, with its attempts starting over; returns false if it is being attempted at
    /// the moment.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn send_again(&self, recipient: R, event_key: &EventKey, now: DateTime<Utc>) -> Result<bool, TableError> {
        let request = self.again(recipient, event_key, now).condition_expression(
            "attribute_exists(recipient) AND (attribute_not_exists(lease_until_ms) OR lease_until_ms < :now)",
        );
        Ok(done(request).await?.is_some())
    }

    /// The update that restarts a delivery.
    pub(crate) fn again(&self, recipient: R, event_key: &EventKey, now: DateTime<Utc>) -> UpdateItemFluentBuilder {
        self
            .update_item(recipient, event_key)
            .update_expression(
                "SET #state = :pending, attempts = :none, recorded_ms = :now, next_attempt_ms = :now, due_shard = :shard, due_ms = :due, \
                 expires_at = :expires_at REMOVE lease_owner, lease_until_ms",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(DeliveryState::Pending.as_str()))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":shard", text(&shard(event_key.id()).to_string()))
            .expression_attribute_values(":due", time(now + GRACE))
            .expression_attribute_values(":expires_at", number(self.expires_at(now)))
    }
}

/// The index shard of an event's deliveries.
pub(crate) fn shard(event_id: Uuid) -> u128 {
    event_id.as_u128() % u128::from(crate::table::SHARDS)
}

fn bound(at: Option<DateTime<Utc>>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), EventKey::begin_of)
}
