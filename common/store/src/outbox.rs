//! `payments.outbox`: what must be told, committed together with the change that it tells of.

use chrono::{DateTime, Utc};
use quittance_domain::event::EventMessage;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// Where outbox rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The events topic.
    InvoiceEvents,
    /// The command queues of the payment gateways.
    GatewayCommands,
}

impl Destination {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvoiceEvents => "invoice_events",
            Self::GatewayCommands => "gateway_commands",
        }
    }
}

/// Adds messages.
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

/// Notes that messages have been published.
///
/// # Errors
/// [`StoreError`] if the database fails; the relay then publishes them again, and consumers see them twice.
pub async fn mark_published(database: &Database, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!("update payments.outbox set published_at = now() where id = any($1) and published_at is null", ids)
        .execute(database.pool().await?)
        .await?;
    Ok(())
}

/// Locks up to `count_max` unpublished messages for `destination` written before `before`, oldest first. Passed over are
/// those that another relay has locked, and those whose group is of one of the `except` providers.
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

/// Notes, in the relay's own transaction, what was published and what can never be.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn conclude(
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
