//! `billing.webhook_endpoints`: the subscribers to events and their URLs. Stores only the names of the signing secrets,
//! not the secrets.

use chrono::{DateTime, Utc};
use quittance_domain::id::WebhookEndpointId;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// The maximum number of endpoints: the cost of an event must stay bounded.
pub const ENDPOINTS_MAX: i64 = 50;

/// A webhook endpoint, possibly deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    pub id: WebhookEndpointId,
    /// The URL that events are posted to. May contain a token: never log it.
    pub url: String,
    /// Its purpose, in its owner's words.
    pub description: Option<String>,
    /// The subscribed event types; empty means all.
    pub event_types: Vec<String>,
    /// `enabled`, `disabled` or `deleted`.
    pub status: String,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// When it was disabled.
    pub disabled_at: Option<DateTime<Utc>>,
    /// The name of the signing secret.
    pub secret_id: Uuid,
    /// The name of the previous signing secret, which also signs until the time below.
    pub previous_secret_id: Option<Uuid>,
    /// When the previous secret stops signing.
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// Who registered it.
    pub created_by: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl WebhookEndpoint {
    /// Whether it receives events.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.status == "enabled"
    }

    /// Whether it was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.status == "deleted"
    }

    /// The names of the secrets in use at a time, the newest first.
    #[must_use]
    pub fn secret_ids(&self, now: DateTime<Utc>) -> Vec<Uuid> {
        let previous = self.previous_secret_id.filter(|_| self.previous_secret_until.is_some_and(|until| now < until));
        std::iter::once(self.secret_id).chain(previous).collect()
    }
}

struct Row {
    id: Uuid,
    url: String,
    description: Option<String>,
    event_types: Vec<String>,
    status: String,
    disabled_reason: Option<String>,
    disabled_at: Option<DateTime<Utc>>,
    secret_id: Uuid,
    previous_secret_id: Option<Uuid>,
    previous_secret_until: Option<DateTime<Utc>>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<Row> for WebhookEndpoint {
    fn from(row: Row) -> Self {
        Self {
            id: WebhookEndpointId::from_uuid(row.id),
            url: row.url,
            description: row.description,
            event_types: row.event_types,
            status: row.status,
            disabled_reason: row.disabled_reason,
            disabled_at: row.disabled_at,
            secret_id: row.secret_id,
            previous_secret_id: row.previous_secret_id,
            previous_secret_until: row.previous_secret_until,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

/// Registers an endpoint, unless there are [`ENDPOINTS_MAX`]. Returns whether it was registered.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, endpoint: &WebhookEndpoint) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into billing.webhook_endpoints (id, url, description, event_types, secret_id, created_by)
         select $1, $2, $3, $4, $5, $6
         where (select count(*) from billing.webhook_endpoints where status <> 'deleted') < $7",
        endpoint.id.as_uuid(),
        endpoint.url,
        endpoint.description,
        &endpoint.event_types,
        endpoint.secret_id,
        endpoint.created_by,
        ENDPOINTS_MAX,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The endpoints that are not deleted, by id, after the given one and at most `limit`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn list(
    database: &Database,
    after: Option<WebhookEndpointId>,
    limit: i64,
) -> Result<Vec<WebhookEndpoint>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, url, description, event_types, status, disabled_reason, disabled_at, secret_id, previous_secret_id,
             previous_secret_until, created_by, created_at
         from billing.webhook_endpoints
         where status <> 'deleted' and ($1::uuid is null or id > $1) order by id limit $2",
        after.map(WebhookEndpointId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(rows.into_iter().map(WebhookEndpoint::from).collect())
}

/// Reads an endpoint, including deleted ones.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find(database: &Database, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, url, description, event_types, status, disabled_reason, disabled_at, secret_id, previous_secret_id,
             previous_secret_until, created_by, created_at
         from billing.webhook_endpoints where id = $1",
        id.as_uuid(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    Ok(row.map(WebhookEndpoint::from))
}

/// Locks an endpoint to change it, including deleted ones.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock(transaction: &mut Transaction, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, url, description, event_types, status, disabled_reason, disabled_at, secret_id, previous_secret_id,
             previous_secret_until, created_by, created_at
         from billing.webhook_endpoints where id = $1 for update",
        id.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(WebhookEndpoint::from))
}

/// Writes the changeable data of an endpoint that the caller has locked: its status and the names of its secrets.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn update(transaction: &mut Transaction, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.webhook_endpoints
         set status = $2, disabled_reason = $3, disabled_at = $4, secret_id = $5, previous_secret_id = $6,
             previous_secret_until = $7
         where id = $1",
        endpoint.id.as_uuid(),
        endpoint.status,
        endpoint.disabled_reason,
        endpoint.disabled_at,
        endpoint.secret_id,
        endpoint.previous_secret_id,
        endpoint.previous_secret_until,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The endpoints subscribed to an event type, and whether each is enabled.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn subscribed_to(
    database: &Database,
    event_type: &str,
) -> Result<Vec<(WebhookEndpointId, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, status = 'enabled' as "is_enabled!" from billing.webhook_endpoints
           where status <> 'deleted' and (event_types = '{}' or $1 = any(event_types)) order by id"#,
        event_type,
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(rows.into_iter().map(|row| (WebhookEndpointId::from_uuid(row.id), row.is_enabled)).collect())
}

/// Disables an enabled endpoint; returns whether it was enabled.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn disable(transaction: &mut Transaction, id: WebhookEndpointId, reason: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update billing.webhook_endpoints set status = 'disabled', disabled_reason = $2, disabled_at = now()
         where id = $1 and status = 'enabled'",
        id.as_uuid(),
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}
