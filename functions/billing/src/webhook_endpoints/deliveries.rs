//! `/v1/webhook-endpoints/{id}/deliveries` and `…/replay`: the status of webhook deliveries, and replaying them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures::future::join_all;
use http::StatusCode;
use quittance_deliveries::queue::DueDelivery;
use quittance_deliveries::{DeliveryState, EventKey, EventTimeRange};
use quittance_domain::error::Chain;
use quittance_domain::id::WebhookEndpointId;
use quittance_lambda::body::times::Time;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::EndpointConflict;
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, PageParameters};
use quittance_store::webhook_endpoints;
use serde_json::{Value, json};

use crate::Billing;
use crate::webhook_endpoints::delivery_shapes::{
    DeliveryParameters, Replay, ReplayScope, Replayed, StateName, WebhookDeliveries, WebhookDelivery,
};
use crate::webhook_endpoints::living;

pub(crate) const STATES: [DeliveryState; 4] =
    [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Failed, DeliveryState::Held];

/// The maximum number of deliveries that one request replays, to keep requests short.
pub(crate) const REPLAYED_MAX: usize = 200;

/// The number of concurrent writes.
const WRITES_AT_ONCE: usize = 10;

/// Lists the deliveries of an endpoint in the last 30 days, by event time.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "webhook endpoints",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), DeliveryParameters, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = WebhookDeliveries))
)]
pub(crate) async fn list(
    Shared(billing): Shared<Arc<Billing>>,
    PathId(id): PathId<WebhookEndpointId>,
    ListRequest { filters, page }: ListRequest<DeliveryParameters, EventKey>,
) -> Result<Json<WebhookDeliveries>, Reply> {
    let DeliveryParameters { from, until, state } = filters;
    let range = EventTimeRange { from: from.map(Time::get), until: until.map(Time::get) };
    let found = webhook_endpoints::find(&billing.database, id).await?;
    if found.is_none() {
        return Err(Problem::not_found("webhook endpoint", id).into());
    }
    let states: Vec<DeliveryState> = state.into_iter().map(|StateName(state)| state).collect();
    let found = billing.webhooks.table.list(id, range, &states, page.after.as_ref(), page.size()).await?;
    let deliveries = found.deliveries.iter().map(WebhookDelivery::from).collect();
    Ok(Json(WebhookDeliveries { deliveries, next_cursor: found.next }))
}

/// Replays the deliveries of a time range under the same ids.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/replay",
    operation_id = "replayWebhooks",
    tag = "webhook endpoints",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), ChangeHeaders),
    request_body = Replay,
    responses((status = 200, description = "The number of replayed deliveries.", body = Replayed), EndpointConflict)
)]
pub(crate) async fn replay(
    Shared(billing): Shared<Arc<Billing>>,
    PathId(id): PathId<WebhookEndpointId>,
    ChangeRequest { head, body }: ChangeRequest<Replay>,
) -> Result<Response, Reply> {
    let range = EventTimeRange { from: Some(body.from.get()), until: body.until.map(Time::get) };
    let states: &[DeliveryState] = match body.which.unwrap_or_default() {
        ReplayScope::Undelivered => &[DeliveryState::Pending, DeliveryState::Failed, DeliveryState::Held],
        ReplayScope::All => &[],
    };
    let after = body.cursor.map(|cursor| cursor.0);
    let mut work = billing.begin(head).await?;
    if !living(&mut work, id).await?.is_enabled() {
        let detail = format!("webhook endpoint {id} is disabled; enable it first");
        return Err(Problem::conflict(detail).into());
    }
    let table = &billing.webhooks.table;
    let found = table.list(id, range, states, after.as_ref(), REPLAYED_MAX).await?;
    let mut due = Vec::new();
    for chunk in found.deliveries.chunks(WRITES_AT_ONCE) {
        let now = Utc::now();
        let writing = chunk.iter().map(|delivery| table.send_again(id, &delivery.event_key, now));
        for (delivery, done) in chunk.iter().zip(join_all(writing).await) {
            if done? {
                due.push(DueDelivery { recipient: id, event_key: delivery.event_key.clone() });
            }
        }
    }
    let shown = Replayed { replayed: due.len(), next_cursor: found.next };
    let after = json!({"from": range.from, "until": range.until, "replayed": due.len()});
    work.audit("webhook_endpoint.replayed", id.to_string(), Value::Null, after).await?;
    work.commit(StatusCode::OK, &shown).await?;
    if let Err(error) = billing.webhooks.queue.send(&due, Duration::ZERO).await {
        // The records are durable and due, so the relay finds them.
        tracing::warn!(endpoint.id = %id, error = %Chain(&error), "deliveries were left to the relay");
    }
    Ok(Json(shown).into_response())
}
