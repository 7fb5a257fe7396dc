//! `/v1/webhook-endpoints/{id}/deliveries` and `…/replay`: the status of webhook deliveries, and replaying them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use http::{HeaderMap, StatusCode};
use quittance_deliveries::queue::DueDelivery;
use quittance_deliveries::{Delivery, DeliveryState, EventKey, EventTimeRange};
use quittance_domain::error::Chain;
use quittance_domain::id::WebhookEndpointId;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::EndpointConflict;
use quittance_lambda::problem::Problem;
use quittance_store::webhook_endpoints;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::page::{PageParameters, PageQuery, query_value, refused};
use crate::webhook_endpoints::shapes::{DeliveryParameters, EndpointPath, Replay, Replayed, WebhookDeliveries};
use crate::webhook_endpoints::{away, living};
use crate::{Billing, path_id, unavailable};

/// The default of `which`.
pub(crate) const UNDELIVERED: &str = "undelivered";
pub(crate) const ALL: &str = "all";

pub(crate) const STATES: [DeliveryState; 4] =
    [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Failed, DeliveryState::Held];

/// The maximum number of deliveries that one request replays, to keep requests short.
pub(crate) const REPLAYED_MAX: usize = 200;

/// The number of concurrent writes.
const WRITES_AT_ONCE: usize = 10;

/// Longer than a point in time, and than a cursor.
const TIME_LENGTH_MAX: usize = 100;

/// The query of a list of deliveries, unparsed.
#[derive(Debug, Deserialize)]
pub(crate) struct DeliveryQuery {
    from: Option<String>,
    until: Option<String>,
    state: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

/// Lists the deliveries of an endpoint in the last 30 days, by event time.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "webhook endpoints",
    params(EndpointPath, DeliveryParameters, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = WebhookDeliveries))
)]
pub(crate) async fn list(
    Shared(billing): Shared<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::OperateWebhooks)?;
    let id: WebhookEndpointId = path_id("webhook endpoint", &id)?;
    let page = query.page.page::<EventKey>()?;
    let time = |name: &str, text: &Option<String>| match text.as_deref() {
        None => Ok(None),
        Some(text) => point_in_time(text).map(Some).map_err(|detail| refused(name, detail)),
    };
    let range = EventTimeRange { from: time("from", &query.from)?, until: time("until", &query.until)? };
    let state = query_value::<DeliveryState>("state", query.state.as_deref())?;
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(refused("state", format!("must be one of {}", STATES.map(DeliveryState::as_str).join(", "))));
    }
    let found = webhook_endpoints::find(&billing.database, id).await.map_err(unavailable)?;
    if found.is_none() {
        return Err(Problem::not_found("webhook endpoint", id));
    }
    let count = usize::try_from(page.to_read()).unwrap_or(usize::MAX).saturating_sub(1);
    let states: Vec<DeliveryState> = state.into_iter().collect();
    let found = billing.webhooks.table.list(id, range, &states, page.after.as_ref(), count).await.map_err(away)?;
    let shown: Vec<Value> = found.deliveries.iter().map(to_json).collect();
    Ok(Json(json!({"deliveries": shown, "next_cursor": found.next})))
}

/// Replays the deliveries of a time range under the same ids.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/replay",
    operation_id = "replayWebhooks",
    tag = "webhook endpoints",
    params(EndpointPath, ChangeHeaders),
    request_body = Replay,
    responses((status = 200, description = "The number of replayed deliveries.", body = Replayed), EndpointConflict)
)]
pub(crate) async fn replay(
    Shared(billing): Shared<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::OperateWebhooks)?;
    let id: WebhookEndpointId = path_id("webhook endpoint", &id)?;
    let wanted = parse(&body)?;
    let name = id.to_string();
    let content: [&[u8]; 3] = [b"POST replay", name.as_bytes(), &body];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    if !living(&mut work, id).await?.is_enabled() {
        return Err(Problem::conflict(format!("webhook endpoint {id} is disabled; enable it first")));
    }
    let table = &billing.webhooks.table;
    let found = table.list(id, wanted.range, wanted.states, wanted.after.as_ref(), REPLAYED_MAX).await.map_err(away)?;
    let mut due = Vec::new();
    for chunk in found.deliveries.chunks(WRITES_AT_ONCE) {
        let now = Utc::now();
        let writing = chunk.iter().map(|delivery| table.send_again(id, &delivery.event_key, now));
        for (delivery, done) in chunk.iter().zip(join_all(writing).await) {
            if done.map_err(away)? {
                due.push(DueDelivery { recipient: id, event_key: delivery.event_key.clone() });
            }
        }
    }
    let shown = json!({"replayed": due.len(), "next_cursor": found.next});
    let after = json!({"from": wanted.range.from, "until": wanted.range.until, "replayed": due.len()});
    work.audit("webhook_endpoint.replayed", id.to_string(), Value::Null, after).await?;
    work.commit(StatusCode::OK, &shown).await?;
    if let Err(error) = billing.webhooks.queue.send(&due, Duration::ZERO).await {
        // The records are durable and due, so the relay finds them.
        tracing::warn!(endpoint.id = %id, error = %Chain(&error), "deliveries were left to the relay");
    }
    Ok(answer(StatusCode::OK, shown))
}

fn to_json(delivery: &Delivery) -> Value {
    let last_attempt = delivery
        .last_attempt
        .as_ref()
        .map(|attempt| json!({"at": attempt.at, "status": attempt.status, "failure": attempt.failure}));
    let is_pending = delivery.state == DeliveryState::Pending;
    json!({
        "webhook_id": delivery.event_key.id(), "type": delivery.event_type, "subject": delivery.subject,
        "subjectsequence": delivery.sequence, "time": delivery.event_key.at(), "state": delivery.state.as_str(),
        "attempts": delivery.attempts, "next_attempt_at": is_pending.then_some(delivery.next_attempt_at),
        "last_attempt": last_attempt,
    })
}

struct ReplayRequest {
    range: EventTimeRange,
    states: &'static [DeliveryState],
    after: Option<EventKey>,
}

fn parse(body: &[u8]) -> Result<ReplayRequest, Problem> {
    let mut fields = Fields::parse(body)?;
    let from = fields.text("from", 1, TIME_LENGTH_MAX);
    let until = fields.optional_text("until", TIME_LENGTH_MAX);
    let mut time = |name: &str, text: Option<String>| match text.as_deref().map(point_in_time) {
        None => None,
        Some(Ok(at)) => Some(at),
        Some(Err(detail)) => {
            fields.problem(name, detail);
            None
        }
    };
    let range = EventTimeRange { from: time("from", from), until: time("until", until) };
    let states: &[DeliveryState] = match fields.optional_text("which", TIME_LENGTH_MAX).as_deref() {
        None | Some(UNDELIVERED) => &[DeliveryState::Pending, DeliveryState::Failed, DeliveryState::Held],
        Some(ALL) => &[],
        Some(_) => {
            fields.problem("which", format!("must be {UNDELIVERED} or {ALL}"));
            &[]
        }
    };
    let after = fields.optional::<EventKey>("cursor");
    fields.finish()?;
    Ok(ReplayRequest { range, states, after })
}

#[derive(Debug, thiserror::Error)]
#[error("must be a point in time, as in 2026-11-02T12:00:00Z")]
struct NoTime;

fn point_in_time(text: &str) -> Result<DateTime<Utc>, NoTime> {
    let read = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
    read.map_err(|_| NoTime)
}
