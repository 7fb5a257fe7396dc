//! Bodies of deliveries to webhook endpoints.

use chrono::{DateTime, Utc};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use quittance_deliveries::{Delivery, DeliveryState, EventKey};
use quittance_lambda::body::times::Time;
use quittance_lambda::body::{Faults, parsed};
use quittance_lambda::openapi::examples;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::deliveries::STATES;
use super::shapes::{EventType, names};

/// The filters of deliveries.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryParameters {
    /// Events from this time on.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) from: Option<Time>,
    /// Events before this time.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) until: Option<Time>,
    /// Only deliveries in this state.
    #[deserr(default)]
    #[param(nullable = false)]
    pub(super) state: Option<StateName>,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateName(pub(super) DeliveryState);

impl Deserr<Faults> for StateName {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let state: DeliveryState = parsed(value, location)?;
        let expected = || format!("must be one of {}", STATES.map(DeliveryState::as_str).join(", "));
        if STATES.contains(&state) { Ok(Self(state)) } else { Err(Faults::at(location, expected())) }
    }
}

impl PartialSchema for StateName {
    fn schema() -> RefOr<Schema> {
        let description = "The state: `failed` after the last attempt, `held` if the endpoint was disabled before.";
        names(STATES.map(DeliveryState::as_str), description)
    }
}

impl ToSchema for StateName {}

/// An event for an endpoint, and the status of its delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    /// The event's `id`, the same at every attempt.
    #[schema(value_type = String)]
    webhook_id: Uuid,
    /// The type of the event.
    #[schema(value_type = EventType)]
    r#type: String,
    /// The invoice, otherwise the payment or the adjustment.
    subject: String,
    /// The number of the delivery among those of the subject to this endpoint.
    #[schema(required, minimum = 1)]
    subjectsequence: Option<u64>,
    /// The time of the event.
    time: DateTime<Utc>,
    #[schema(value_type = StateName)]
    state: &'static str,
    /// Attempts since it was recorded or last replayed.
    attempts: u32,
    /// The earliest time of the next attempt; null if there is none.
    #[schema(required)]
    next_attempt_at: Option<DateTime<Utc>>,
    #[schema(required)]
    last_attempt: Option<LastAttempt>,
}

/// The last attempt.
#[derive(Debug, Serialize, ToSchema)]
struct LastAttempt {
    /// When it ended.
    at: DateTime<Utc>,
    /// The HTTP status; null without an answer.
    #[schema(required, minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// Why it failed.
    #[schema(required)]
    failure: Option<String>,
}

impl From<&Delivery> for WebhookDelivery {
    fn from(delivery: &Delivery) -> Self {
        let last_attempt = delivery.last_attempt.as_ref().map(|attempt| LastAttempt {
            at: attempt.at,
            status: attempt.status,
            failure: attempt.failure.clone(),
        });
        Self {
            webhook_id: delivery.event_key.id(),
            r#type: delivery.event_type.clone(),
            subject: delivery.subject.clone(),
            subjectsequence: delivery.sequence,
            time: delivery.event_key.at(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: (delivery.state == DeliveryState::Pending).then_some(delivery.next_attempt_at),
            last_attempt,
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDeliveries {
    /// Oldest first.
    pub(super) deliveries: Vec<WebhookDelivery>,
    /// Cursor of the next page; null on the last.
    #[schema(required, value_type = Option<String>)]
    pub(super) next_cursor: Option<EventKey>,
}

/// The deliveries to replay, under the same ids.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"from": examples::TIME, "which": "undelivered"})))]
pub(crate) struct Replay {
    /// Events from this time on.
    pub(super) from: Time,
    /// Events before this time; without it, all later events.
    #[deserr(default)]
    pub(super) until: Option<Time>,
    /// Deliveries that were not accepted, or all; `undelivered` by default.
    #[deserr(default)]
    pub(super) which: Option<ReplayScope>,
    /// The `next_cursor` of the previous response, to continue.
    #[deserr(default)]
    pub(super) cursor: Option<ReplayCursor>,
}

/// Which deliveries to replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserr, ToSchema)]
#[serde(rename_all = "lowercase")]
#[deserr(error = Faults, rename_all = lowercase)]
pub(crate) enum ReplayScope {
    #[default]
    Undelivered,
    All,
}

/// The cursor of a replay.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(value_type = String)]
pub(crate) struct ReplayCursor(pub(super) EventKey);

impl Deserr<Faults> for ReplayCursor {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        parsed(value, location).map(Self)
    }
}

/// The number of replayed deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// The number of replayed deliveries; those being attempted right now are not replayed.
    pub(super) replayed: usize,
    /// Cursor of the next page; null if there are no more.
    #[schema(required, value_type = Option<String>)]
    pub(super) next_cursor: Option<EventKey>,
}
