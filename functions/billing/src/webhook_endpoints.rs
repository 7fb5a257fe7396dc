//! `/v1/webhook-endpoints`: subscribers to events, and their signing secrets.

pub(crate) mod deliveries;
mod delivery_shapes;
pub(crate) mod shapes;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{TimeDelta, Utc};
use http::StatusCode;
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::secrets::SigningSecrets;
use quittance_domain::error::Chain;
use quittance_domain::id::WebhookEndpointId;
use quittance_lambda::body::Faults;
use quittance_lambda::change::{ChangeHead, ChangeRequest, Changes, NoBody, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::EndpointConflict;
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, NoFilters, PageParameters};
use quittance_outgoing::{OutgoingTarget, Targets};
use quittance_store::StoreError;
use quittance_store::webhook_endpoints::{self, ENDPOINTS_MAX, WebhookEndpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Billing;
use crate::idempotent_change::IdempotentChange;
use crate::webhook_endpoints::shapes::{Endpoint, EndpointWithSecret, Endpoints, NewEndpoint, SecretRotation};

/// How long the previous secret also signs after a rotation.
const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// The dependencies of the webhook endpoint routes.
#[derive(Debug)]
pub struct WebhookAdministration {
    /// The table of deliveries.
    pub table: DeliveriesTable,
    /// The queue to the delivery function.
    pub queue: DeliveryQueue,
    /// The signing secrets.
    pub secrets: SigningSecrets,
    /// The addresses that webhooks may be sent to.
    pub targets: Targets,
}

/// The stored part of a response: neither the secret nor the URL, which may contain a token.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAnswer {
    id: WebhookEndpointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<Uuid>,
}

/// Registers a webhook endpoint and returns its signing secret, which is not shown again. A retry with the same key
/// returns the same response while the secret is in use.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints",
    operation_id = "createWebhookEndpoint",
    tag = "webhook endpoints",
    params(ChangeHeaders),
    request_body = NewEndpoint,
    responses((status = 201, description = "The endpoint with its secret.", body = EndpointWithSecret), EndpointConflict)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    ChangeRequest { head, body }: ChangeRequest<NewEndpoint>,
) -> Result<Response, Reply> {
    check_url(body.url.as_str(), billing.webhooks.targets).await?;
    let endpoint = body.into_endpoint(head.caller.name.clone());
    let mut work = begin(&billing, head).await?;
    if !webhook_endpoints::insert(&mut work.transaction, &endpoint).await? {
        let detail = format!("there are {ENDPOINTS_MAX} webhook endpoints; delete one first");
        return Err(Problem::conflict(detail).into());
    }
    let secret = billing.webhooks.secrets.make(endpoint.id, endpoint.secret_id).await?;
    let after = json!({"event_types": endpoint.event_types, "secret_id": endpoint.secret_id});
    work.audit("webhook_endpoint.created", endpoint.id.to_string(), Value::Null, after).await?;
    let kept = StoredAnswer { id: endpoint.id, secret_id: Some(endpoint.secret_id) };
    work.commit(StatusCode::CREATED, &kept).await?;
    Ok((StatusCode::CREATED, Json(EndpointWithSecret::new(endpoint, Some(secret)))).into_response())
}

/// Lists webhook endpoints with their status.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints",
    operation_id = "listWebhookEndpoints",
    tag = "webhook endpoints",
    params(PageParameters),
    responses((status = 200, description = "A page of endpoints.", body = Endpoints))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    ListRequest { page, .. }: ListRequest<NoFilters, WebhookEndpointId>,
) -> Result<Json<Endpoints>, Reply> {
    let found = webhook_endpoints::list(&billing.database, page.after, page.to_read()).await?;
    let (found, next_cursor) = page.cut(found, |endpoint| endpoint.id.to_string());
    Ok(Json(Endpoints { webhook_endpoints: found.into_iter().map(Endpoint::from).collect(), next_cursor }))
}

/// Deletes a webhook endpoint and its secrets.
#[utoipa::path(
    delete,
    path = "/v1/webhook-endpoints/{id}",
    operation_id = "deleteWebhookEndpoint",
    tag = "webhook endpoints",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), ChangeHeaders),
    responses((status = 200, description = "The deleted endpoint.", body = Endpoint))
)]
pub(crate) async fn delete(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<WebhookEndpointId>,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let mut work = begin(&billing, head).await?;
    let before = locked(&mut work, id).await?;
    let secrets: Vec<Uuid> = std::iter::once(before.secret_id).chain(before.previous_secret_id).collect();
    let after = WebhookEndpoint {
        status: "deleted".to_owned(),
        disabled_reason: None,
        disabled_at: None,
        previous_secret_id: None,
        previous_secret_until: None,
        ..before.clone()
    };
    if !before.is_deleted() {
        change(&mut work, "webhook_endpoint.deleted", &before, &after).await?;
    }
    work.commit(StatusCode::OK, &StoredAnswer { id, secret_id: None }).await?;
    if !before.is_deleted() {
        forget(&billing, id, &secrets).await;
    }
    Ok(Json(Endpoint::from(after)).into_response())
}

/// Enables a disabled webhook endpoint. Events missed meanwhile are sent by `replay`.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/enable",
    operation_id = "enableWebhookEndpoint",
    tag = "webhook endpoints",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), ChangeHeaders),
    responses((status = 200, description = "The enabled endpoint.", body = Endpoint))
)]
pub(crate) async fn enable(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<WebhookEndpointId>,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let mut work = begin(&billing, head).await?;
    let before = living(&mut work, id).await?;
    let after =
        WebhookEndpoint { status: "enabled".to_owned(), disabled_reason: None, disabled_at: None, ..before.clone() };
    if !before.is_enabled() {
        change(&mut work, "webhook_endpoint.enabled", &before, &after).await?;
    }
    work.commit(StatusCode::OK, &StoredAnswer { id, secret_id: None }).await?;
    Ok(Json(Endpoint::from(after)).into_response())
}

/// Rotates the signing secret. Both secrets sign for 24 hours, so that the receiver can change over; with `revoke`, as
/// after a leak, the older ones stop signing immediately.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/rotate-secret",
    operation_id = "rotateWebhookSecret",
    tag = "webhook endpoints",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), ChangeHeaders),
    request_body = SecretRotation,
    responses((status = 200, description = "The endpoint with its new secret.", body = EndpointWithSecret), EndpointConflict)
)]
pub(crate) async fn rotate(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<WebhookEndpointId>,
    ChangeRequest { head, body }: ChangeRequest<SecretRotation>,
) -> Result<Response, Reply> {
    let revoke = body.revoke.unwrap_or_default();
    let mut work = begin(&billing, head).await?;
    let (before, now) = (living(&mut work, id).await?, Utc::now());
    if let Some(until) = before.previous_secret_until.filter(|until| now < *until && !revoke) {
        let until = until.to_rfc3339();
        let detail = format!("two secrets of {id} are in use until {until}; wait, or revoke the older ones");
        return Err(Problem::conflict(detail).into());
    }
    let replaced: Vec<Uuid> = before.previous_secret_id.into_iter().chain(revoke.then_some(before.secret_id)).collect();
    let after = WebhookEndpoint {
        secret_id: Uuid::now_v7(),
        previous_secret_id: (!revoke).then_some(before.secret_id),
        previous_secret_until: (!revoke).then_some(now + OVERLAP),
        ..before.clone()
    };
    let secret = billing.webhooks.secrets.make(id, after.secret_id).await?;
    change(&mut work, "webhook_endpoint.secret_rotated", &before, &after).await?;
    work.commit(StatusCode::OK, &StoredAnswer { id, secret_id: Some(after.secret_id) }).await?;
    forget(&billing, id, &replaced).await;
    Ok(Json(EndpointWithSecret::new(after, Some(secret))).into_response())
}

/// Deletes secrets that no row refers to any more. A secret whose deletion fails signs nothing.
async fn forget(billing: &Billing, id: WebhookEndpointId, secrets: &[Uuid]) {
    for secret in secrets {
        if let Err(error) = billing.webhooks.secrets.delete(id, *secret).await {
            tracing::error!(endpoint.id = %id, error = %Chain(&error), "unused signing secret was not deleted");
        }
    }
}

/// Begins a change, or rebuilds the response to a request that was answered before.
async fn begin(billing: &Billing, head: ChangeHead) -> Result<IdempotentChange<'_>, Reply> {
    match billing.begin(head).await {
        Err(Reply::Answered(status, known)) => Err(Reply::Answered(status, shown_again(billing, known).await?)),
        begun => begun,
    }
}

async fn shown_again(billing: &Billing, known: Value) -> Result<Value, Problem> {
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("billing.requests", error);
    let kept: StoredAnswer = serde_json::from_value(known).map_err(|error| corrupt(&error))?;
    let found = webhook_endpoints::find(&billing.database, kept.id).await?;
    let endpoint = found.ok_or_else(|| corrupt(&"it names no endpoint"))?;
    let Some(secret_id) = kept.secret_id else { return Ok(json!(Endpoint::from(endpoint))) };
    let is_used = endpoint.secret_ids(Utc::now()).contains(&secret_id) && !endpoint.is_deleted();
    let secret = match is_used {
        true => billing.webhooks.secrets.read(endpoint.id, secret_id).await?,
        false => None,
    };
    Ok(json!(EndpointWithSecret::new(endpoint, secret)))
}

async fn locked(work: &mut IdempotentChange<'_>, id: WebhookEndpointId) -> Result<WebhookEndpoint, Problem> {
    let found = webhook_endpoints::lock(&mut work.transaction, id).await?;
    found.ok_or_else(|| Problem::not_found("webhook endpoint", id))
}

pub(crate) async fn living(work: &mut IdempotentChange<'_>, id: WebhookEndpointId) -> Result<WebhookEndpoint, Problem> {
    let endpoint = locked(work, id).await?;
    if endpoint.is_deleted() { Err(Problem::not_found("webhook endpoint", id)) } else { Ok(endpoint) }
}

/// Writes a change with its audit record, which has the names of the secrets and never a URL.
async fn change(
    work: &mut IdempotentChange<'_>,
    action: &'static str,
    before: &WebhookEndpoint,
    after: &WebhookEndpoint,
) -> Result<(), Problem> {
    let state = |endpoint: &WebhookEndpoint| {
        json!({
            "status": endpoint.status, "disabled_reason": endpoint.disabled_reason, "secret_id": endpoint.secret_id,
            "previous_secret_id": endpoint.previous_secret_id, "previous_secret_until": endpoint.previous_secret_until,
        })
    };
    webhook_endpoints::update(&mut work.transaction, after).await?;
    work.audit(action, after.id.to_string(), state(before), state(after)).await
}

/// Checks that a URL may be posted to, and leads to public addresses only.
async fn check_url(url: &str, targets: Targets) -> Result<(), Faults> {
    let checked = match OutgoingTarget::parse(url, targets) {
        Ok(target) => target.look_up(targets).await,
        Err(error) => Err(error),
    };
    checked.map(|_| ()).map_err(|error| Faults::of("/url", error))
}
