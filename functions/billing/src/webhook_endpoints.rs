//! `/v1/webhook-endpoints`: subscribers to events, and their signing secrets.

pub(crate) mod deliveries;
pub(crate) mod shapes;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, StatusCode};
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::secrets::SigningSecrets;
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::WebhookEndpointId;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::envelope::Payload;
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::EndpointConflict;
use quittance_lambda::problem::Problem;
use quittance_outgoing::{OutgoingTarget, Targets};
use quittance_store::StoreError;
use quittance_store::webhook_endpoints::{self, ENDPOINTS_MAX, WebhookEndpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::page::{PageParameters, PageQuery};
use crate::webhook_endpoints::shapes::{
    Endpoint, EndpointPath, EndpointWithSecret, Endpoints, NewEndpoint, SecretRotation,
};
use crate::{Billing, path_id, unavailable};

/// The maximum length of URLs and descriptions, in characters.
const URL_LENGTH_MAX: usize = 2_000;
const DESCRIPTION_LENGTH_MAX: usize = 200;

const TYPE_LENGTH_MAX: usize = 60;

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
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::ManageWebhooks)?;
    let endpoint = parse(&body, &caller, billing.webhooks.targets).await?;
    let content: [&[u8]; 2] = [b"POST /v1/webhook-endpoints", &body];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, known) => return shown_again(&billing, status, known).await,
    };
    if !webhook_endpoints::insert(&mut work.transaction, &endpoint).await.map_err(unavailable)? {
        return Err(Problem::conflict(format!("there are {ENDPOINTS_MAX} webhook endpoints; delete one first")));
    }
    let secret = billing.webhooks.secrets.make(endpoint.id, endpoint.secret_id).await.map_err(away)?;
    let after = json!({"event_types": endpoint.event_types, "secret_id": endpoint.secret_id});
    work.audit("webhook_endpoint.created", endpoint.id.to_string(), Value::Null, after).await?;
    let kept = StoredAnswer { id: endpoint.id, secret_id: Some(endpoint.secret_id) };
    work.commit(StatusCode::CREATED, &json!(kept)).await?;
    Ok(answer(StatusCode::CREATED, shown_with(&endpoint, Some(secret))))
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
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::OperateWebhooks)?;
    let page = page.page::<WebhookEndpointId>()?;
    let found = webhook_endpoints::list(&billing.database, page.after, page.to_read()).await.map_err(unavailable)?;
    let entries = found.iter().map(|endpoint| (endpoint.id.to_string(), to_json(endpoint))).collect();
    Ok(Json(page.answer("webhook_endpoints", entries)))
}

/// Deletes a webhook endpoint and its secrets.
#[utoipa::path(
    delete,
    path = "/v1/webhook-endpoints/{id}",
    operation_id = "deleteWebhookEndpoint",
    tag = "webhook endpoints",
    params(EndpointPath, ChangeHeaders),
    responses((status = 200, description = "The deleted endpoint.", body = Endpoint))
)]
pub(crate) async fn delete(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Permission::ManageWebhooks)?;
    let id: WebhookEndpointId = path_id("webhook endpoint", &id)?;
    let name = id.to_string();
    let content: [&[u8]; 2] = [b"DELETE webhook endpoint", name.as_bytes()];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, known) => return shown_again(&billing, status, known).await,
    };
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
    work.commit(StatusCode::OK, &json!(StoredAnswer { id, secret_id: None })).await?;
    if !before.is_deleted() {
        forget(&billing, id, &secrets).await;
    }
    Ok(answer(StatusCode::OK, to_json(&after)))
}

/// Enables a disabled webhook endpoint. Events missed meanwhile are sent by `replay`.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/enable",
    operation_id = "enableWebhookEndpoint",
    tag = "webhook endpoints",
    params(EndpointPath, ChangeHeaders),
    responses((status = 200, description = "The enabled endpoint.", body = Endpoint))
)]
pub(crate) async fn enable(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Permission::OperateWebhooks)?;
    let id: WebhookEndpointId = path_id("webhook endpoint", &id)?;
    let name = id.to_string();
    let content: [&[u8]; 2] = [b"POST enable", name.as_bytes()];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, known) => return shown_again(&billing, status, known).await,
    };
    let before = living(&mut work, id).await?;
    let after =
        WebhookEndpoint { status: "enabled".to_owned(), disabled_reason: None, disabled_at: None, ..before.clone() };
    if !before.is_enabled() {
        change(&mut work, "webhook_endpoint.enabled", &before, &after).await?;
    }
    work.commit(StatusCode::OK, &json!(StoredAnswer { id, secret_id: None })).await?;
    Ok(answer(StatusCode::OK, to_json(&after)))
}

/// Rotates the signing secret. Both secrets sign for 24 hours, so that the receiver can change over; with `revoke`, as
/// after a leak, the older ones stop signing immediately.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/rotate-secret",
    operation_id = "rotateWebhookSecret",
    tag = "webhook endpoints",
    params(EndpointPath, ChangeHeaders),
    request_body = SecretRotation,
    responses((status = 200, description = "The endpoint with its new secret.", body = EndpointWithSecret), EndpointConflict)
)]
pub(crate) async fn rotate(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::ManageWebhooks)?;
    let id: WebhookEndpointId = path_id("webhook endpoint", &id)?;
    let revoke = parse_rotation(&body)?;
    let name = id.to_string();
    let content: [&[u8]; 3] = [b"POST rotate-secret", name.as_bytes(), &body];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, known) => return shown_again(&billing, status, known).await,
    };
    let (before, now) = (living(&mut work, id).await?, Utc::now());
    if let Some(until) = before.previous_secret_until.filter(|until| now < *until && !revoke) {
        let until = until.to_rfc3339();
        return Err(Problem::conflict(format!(
            "two secrets of {id} are in use until {until}; wait, or revoke the older ones"
        )));
    }
    let replaced: Vec<Uuid> = before.previous_secret_id.into_iter().chain(revoke.then_some(before.secret_id)).collect();
    let after = WebhookEndpoint {
        secret_id: Uuid::now_v7(),
        previous_secret_id: (!revoke).then_some(before.secret_id),
        previous_secret_until: (!revoke).then_some(now + OVERLAP),
        ..before.clone()
    };
    let secret = billing.webhooks.secrets.make(id, after.secret_id).await.map_err(away)?;
    change(&mut work, "webhook_endpoint.secret_rotated", &before, &after).await?;
    work.commit(StatusCode::OK, &json!(StoredAnswer { id, secret_id: Some(after.secret_id) })).await?;
    forget(&billing, id, &replaced).await;
    Ok(answer(StatusCode::OK, shown_with(&after, Some(secret))))
}

/// Deletes secrets that no row refers to any more. A secret whose deletion fails signs nothing.
async fn forget(billing: &Billing, id: WebhookEndpointId, secrets: &[Uuid]) {
    for secret in secrets {
        if let Err(error) = billing.webhooks.secrets.delete(id, *secret).await {
            tracing::error!(endpoint.id = %id, error = %Chain(&error), "unused signing secret was not deleted");
        }
    }
}

/// The response to a request that was answered before, rebuilt.
async fn shown_again(billing: &Billing, status: StatusCode, known: Value) -> Result<Response, Problem> {
    let corrupt = |error: &dyn std::fmt::Display| unavailable(StoreError::corrupt("billing.requests", error));
    let kept: StoredAnswer = serde_json::from_value(known).map_err(|error| corrupt(&error))?;
    let found = webhook_endpoints::find(&billing.database, kept.id).await.map_err(unavailable)?;
    let endpoint = found.ok_or_else(|| corrupt(&"it names no endpoint"))?;
    let Some(secret_id) = kept.secret_id else { return Ok(answer(status, to_json(&endpoint))) };
    let is_used = endpoint.secret_ids(Utc::now()).contains(&secret_id) && !endpoint.is_deleted();
    let secret = match is_used {
        true => billing.webhooks.secrets.read(endpoint.id, secret_id).await.map_err(away)?,
        false => None,
    };
    Ok(answer(status, shown_with(&endpoint, secret)))
}

async fn locked(work: &mut IdempotentChange<'_>, id: WebhookEndpointId) -> Result<WebhookEndpoint, Problem> {
    let found = webhook_endpoints::lock(&mut work.transaction, id).await.map_err(unavailable)?;
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
    webhook_endpoints::update(&mut work.transaction, after).await.map_err(unavailable)?;
    work.audit(action, after.id.to_string(), state(before), state(after)).await
}

fn to_json(endpoint: &WebhookEndpoint) -> Value {
    json!({
        "id": endpoint.id, "url": endpoint.url, "description": endpoint.description,
        "event_types": endpoint.event_types, "status": endpoint.status, "disabled_reason": endpoint.disabled_reason,
        "disabled_at": endpoint.disabled_at,
        "previous_secret_until": endpoint.previous_secret_until.filter(|until| Utc::now() < *until),
        "created_by": endpoint.created_by, "created_at": endpoint.created_at,
    })
}

fn shown_with(endpoint: &WebhookEndpoint, secret: Option<String>) -> Value {
    let mut shown = to_json(endpoint);
    if let Some(members) = shown.as_object_mut() {
        members.insert("secret".to_owned(), json!(secret));
    }
    shown
}

/// The problem for an AWS failure: logged here, without details for the caller.
pub(crate) fn away(error: impl std::error::Error) -> Problem {
    tracing::error!(error = %Chain(&error), "webhook endpoints' dependencies are unavailable");
    Problem::unavailable(2)
}

async fn parse(body: &[u8], caller: &Caller, targets: Targets) -> Result<WebhookEndpoint, Problem> {
    let mut fields = Fields::parse(body)?;
    let url = fields.text("url", 1, URL_LENGTH_MAX);
    if let Some(url) = &url {
        let checked = match OutgoingTarget::parse(url, targets) {
            Ok(target) => target.look_up(targets).await,
            Err(error) => Err(error),
        };
        if let Err(error) = checked {
            fields.problem("url", error);
        }
    }
    let description = fields.optional_text("description", DESCRIPTION_LENGTH_MAX);
    let types = InvoiceEvent::TYPES;
    let mut event_types = fields.optional_texts("event_types", types.len(), TYPE_LENGTH_MAX).unwrap_or_default();
    if event_types.iter().any(|name| !types.contains(&name.as_str())) {
        fields.problem("event_types", format!("must each be one of {}", types.join(", ")));
    }
    event_types.sort();
    event_types.dedup();
    fields.finish()?;
    // A member that is `None` has recorded a problem, so `finish` has failed already.
    let url = url.ok_or_else(|| Problem::invalid(Vec::new()))?;
    Ok(WebhookEndpoint {
        id: WebhookEndpointId::from_uuid(Uuid::now_v7()),
        url,
        description,
        event_types,
        status: "enabled".to_owned(),
        disabled_reason: None,
        disabled_at: None,
        secret_id: Uuid::now_v7(),
        previous_secret_id: None,
        previous_secret_until: None,
        created_by: caller.name.clone(),
        created_at: Utc::now(),
    })
}

fn parse_rotation(body: &[u8]) -> Result<bool, Problem> {
    let mut fields = Fields::parse(body)?;
    let revoke = match fields.value("revoke") {
        None => false,
        Some(Value::Bool(revoke)) => revoke,
        Some(_) => {
            fields.problem("revoke", "must be true or false");
            false
        }
    };
    fields.finish().map(|()| revoke)
}
