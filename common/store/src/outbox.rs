//! `payments.outbox`: messages to publish, committed together with the change that they report.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::event::EventMessage;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// The destination of outbox rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The events topic.
    InvoiceEvents,
    /// The command queues of the payment gateways.
    GatewayCommands,
    /// The processor's queue.
    PaymentCommands,
}

impl Destination {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvoiceEvents => "invoice_events",
            Self::GatewayCommands => "gateway_commands",
            Self::PaymentCommands => "payment_commands",
        }
    }
}

/// Inserts messages.
///
/// # Errors
/// [`StoreError`] if the database refuses (a body above 20 kB) or fails.
pub async fn insert(
    transaction: &mut Transaction,
    destination: Destination,
    messages: &[EventMessage],
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let column = |text: fn(&EventMessage) -> &str| messages.iter().map(text).collect::<Vec<&str>>();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    sqlx::query!(
        "insert into payments.outbox (id, destination, group_id, type, body)
         select id, $5, group_id, type, body
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as message (id, group_id, type, body)",
        &ids,
        &column(|message| &message.group_id) as &[&str],
        &column(|message| &message.event_type) as &[&str],
        &column(|message| &message.body) as &[&str],
        destination.as_str(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Records that messages were published.
///
/// # Errors
/// [`StoreError`] if the database fails; the relay then publishes them again, and consumers receive them twice.
pub async fn mark_published(database: &Database, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!("update payments.outbox set published_at = now() where id = any($1) and published_at is null", ids)
        .execute(database.pool().await?)
        .await?;
    Ok(())
}

/// Locks up to `count_max` unpublished messages for `destination` written before `before`, oldest first. Skips those
/// that another relay has locked, and those whose group belongs to one of the `except` providers.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock_unpublished(
    transaction: &mut Transaction,
    destination: Destination,
    before: DateTime<Utc>,
    except: &[String],
    count_max: i64,
) -> Result<Vec<EventMessage>, StoreError> {
    let messages = sqlx::query_as!(
        EventMessage,
        r#"select id, group_id, type as "event_type", body from payments.outbox
           where published_at is null and parked_reason is null and destination = $1 and created_at < $2
               and split_part(group_id, ':', 1) <> all($4)
           order by created_at, id limit $3 for update skip locked"#,
        destination.as_str(),
        before,
        count_max,
        except,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(messages)
}

/// Records, in the relay's own transaction, which messages were published and which can never be.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn finish(
    transaction: &mut Transaction,
    published: &[Uuid],
    refused: &[(Uuid, String)],
) -> Result<(), StoreError> {
    sqlx::query!("update payments.outbox set published_at = now() where id = any($1)", published)
        .execute(&mut **transaction)
        .await?;
    let (ids, reasons): (Vec<Uuid>, Vec<String>) = refused.iter().cloned().unzip();
    sqlx::query!(
        "update payments.outbox set parked_reason = refusal.reason
         from unnest($1::uuid[], $2::text[]) as refusal (id, reason) where outbox.id = refusal.id",
        &ids,
        &reasons,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Deletes messages published before `before`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn purge(database: &Database, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let purged = sqlx::query!("delete from payments.outbox where published_at < $1", before)
        .execute(database.pool().await?)
        .await?;
    Ok(purged.rows_affected())
}

/// A message of the outbox as on-call staff see it.
#[derive(Debug, Clone)]
pub struct OutboxMessage {
    /// Its id, which is the event's.
    pub id: Uuid,
    pub destination: String,
    pub group_id: String,
    pub event_type: String,
    /// The envelope as JSON.
    pub body: String,
    /// When it was committed.
    pub created_at: DateTime<Utc>,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    /// Why it can never be published, if so.
    pub parked_reason: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only those that are not published.
    pub is_unpublished: bool,
    /// Only those for the events topic.
    pub is_event: bool,
    /// Only those of these groups.
    pub groups: Option<Vec<String>>,
    /// Only those of these types.
    pub types: Option<Vec<String>>,
    /// Only those committed from then on.
    pub from: Option<DateTime<Utc>>,
    /// Only those committed before.
    pub before: Option<DateTime<Utc>>,
    /// Only those with greater ids.
    pub after: Option<Uuid>,
}

/// Ids carry their time of creation (UUID version 7, RFC 9562, section 5.7), which is close to that of the row.
const ID_MARGIN: TimeDelta = TimeDelta::hours(1);

/// The smallest id of a point in time.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let since_1970_ms = u128::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(since_1970_ms << 80)
}

/// Lists messages in the order of their ids, which is that of their creation. Published ones are kept for 30 days.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn list(database: &Database, filter: &OutboxFilter, limit: i64) -> Result<Vec<OutboxMessage>, StoreError> {
    let first = filter.from.map(|from| first_id(from - ID_MARGIN)).max(filter.after).unwrap_or(Uuid::nil());
    let last = filter.before.map_or(Uuid::max(), |before| first_id(before + ID_MARGIN));
    let messages = sqlx::query_as!(
        OutboxMessage,
        r#"select id, destination, group_id, type as "event_type", body, created_at, published_at, parked_reason
           from payments.outbox
           where id > $1 and id < $2
               and (not $3 or published_at is null) and (not $4 or destination = 'invoice_events')
               and ($5::text[] is null or group_id = any($5)) and ($6::text[] is null or type = any($6))
               and ($7::timestamptz is null or created_at >= $7) and ($8::timestamptz is null or created_at < $8)
           order by id limit $9"#,
        first,
        last,
        filter.is_unpublished,
        filter.is_event,
        filter.groups.as_deref(),
        filter.types.as_deref(),
        filter.from,
        filter.before,
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(messages)
}

/// Lets the relay retry a parked message. Returns whether it was parked.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn release(transaction: &mut Transaction, id: Uuid) -> Result<bool, StoreError> {
    let released = sqlx::query!(
        "update payments.outbox set parked_reason = null where id = $1 and parked_reason is not null and published_at is null",
        id,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(released.rows_affected() == 1)
}
