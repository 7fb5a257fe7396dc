//! Deliveries to providers without idempotency keys, such as e-mails: what may have been accepted is not sent again.
//!
//! Before an attempt, the record is set to an unknown outcome. A completed attempt records its outcome; an interrupted
//! one leaves the record as it is, and the provider's report ([`DeliveriesTable::receive`]) or, after enough time, its
//! absence decides.

use aws_sdk_dynamodb::types::ReturnValue;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::item::{Delivery, DeliveryState, EventKey, number, number_of, text, time};
use crate::table::{CLOCK_SKEW_MAX, DeliveriesTable, DeliveryLease, Recipient, done};
use crate::table_error::TableError;

/// The key under which the time of the latest report is stored.
const REPORTS: &str = "words";
const LATEST: &str = "latest";

/// A provider's later report about a message that it received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// Why it was not accepted, or bounced; none if it was accepted. Never contains an address.
    pub failure: Option<String>,
    /// The provider's message id.
    pub message_id: String,
    /// When the provider received the message.
    pub given_at: DateTime<Utc>,
}

impl<R: Recipient> DeliveriesTable<R> {
    /// Leases a due delivery, with an unknown outcome unless the attempt is concluded; it is due again at `decide_at`.
    /// None if it is not due, is being attempted, is concluded, or does not exist. A delivery whose state was
    /// [`DeliveryState::Unknown`] before must be resolved, not attempted.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn lease_once(
        &self,
        recipient: R,
        event_key: &EventKey,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        decide_at: DateTime<Utc>,
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

    /// Replays a delivery that was given up or held, with its attempts starting over. Returns false if it is in another
    /// state, or the provider has accepted it, whatever happened to it then.
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

    /// Records a provider's report. It overrides and ends the attempt. Returns false if the delivery does not exist any
    /// more.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn record_report(
        &self,
        recipient: R,
        event_key: &EventKey,
        report: &ReceiverReport,
    ) -> Result<bool, TableError> {
        let state = if report.failure.is_none() { DeliveryState::Delivered } else { DeliveryState::Failed };
        let mut set = "SET #state = :state, message_id = :message".to_owned();
        let mut remove = "REMOVE body, due_shard, due_ms, lease_owner, lease_until_ms".to_owned();
        let mut condition = "attribute_exists(recipient)".to_owned();
        match &report.failure {
            Some(_) => set.push_str(", last_failure = :failure, came_back = :yes"),
            None => {
                remove.push_str(", last_failure");
                // A bounce is final, even if its acceptance is reported later.
                condition.push_str(" AND attribute_not_exists(came_back)");
            }
        }
        let mut request = self
            .update_item(recipient, event_key)
            .update_expression(format!("{set} {remove}"))
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()))
            .expression_attribute_values(":message", text(&report.message_id));
        if let Some(failure) = &report.failure {
            request = request.expression_attribute_values(":failure", text(failure));
            request = request.expression_attribute_values(":yes", number(1));
        }
        done(request).await.map(|item| item.is_some())
    }

    /// Records the time of the latest message that the provider has reported on.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn note_report_arrived(&self, given_at: DateTime<Utc>) -> Result<(), TableError> {
        let request = self.client.update_item().table_name(&self.name);
        let request = request
            .key("recipient", text(REPORTS))
            .key("event_key", text(LATEST))
            .update_expression("SET given_at_ms = :given_at")
            .condition_expression("attribute_not_exists(given_at_ms) OR given_at_ms < :given_at")
            .expression_attribute_values(":given_at", time(given_at));
        done(request).await.map(drop)
    }

    /// Whether the provider's reports have passed a point in time: it has reported on a message received at least
    /// `margin` later.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn have_reports_arrived_since(
        &self,
        given_at: DateTime<Utc>,
        margin: TimeDelta,
    ) -> Result<bool, TableError> {
        let request = self.client.get_item().table_name(&self.name);
        let request = request.key("recipient", text(REPORTS)).key("event_key", text(LATEST)).consistent_read(true);
        let answer = request.send().await.map_err(|error| TableError::from_sdk(error.into_service_error()))?;
        let latest = answer.item.as_ref().and_then(|item| number_of(item, "given_at_ms"));
        Ok(latest.is_some_and(|latest| latest >= (given_at + margin).timestamp_millis()))
    }

    /// The state of a delivery; none if it does not exist.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, recipient: R, event_key: &EventKey) -> Result<Option<Delivery>, TableError> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let request =
            request.key("recipient", text(&recipient.to_string())).key("event_key", text(&event_key.to_string()));
        let answer = request.send().await.map_err(|error| TableError::from_sdk(error.into_service_error()))?;
        Ok(answer.item.as_ref().and_then(Delivery::read))
    }
}
