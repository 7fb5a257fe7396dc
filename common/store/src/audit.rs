//! `audit.records`: who changed what, why, and the states before and after.

use chrono::{DateTime, Utc};
use quittance_domain::id::{AuditId, InvoiceId};
use serde::Serialize;
use serde_json::Value;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// An audit record, written in the transaction of its change. Contains ids and amounts, no personal data.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    pub id: AuditId,
    /// The actor: `user:<sub>`, `machine:<client id>`, `gateway:stripe`, `upload:upl_…#3`.
    pub actor: String,
    /// The action, in the past tense: `invoice.issued`, `payment.settled`.
    pub action: &'static str,
    /// The id of what was changed.
    pub subject: String,
    /// The reason, for people.
    pub reason: String,
    /// The state before; null for something new.
    pub before: Json,
    /// The state after.
    pub after: Json,
    /// Links everything that one request or message caused.
    pub correlation_id: String,
}

/// JSON as text, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Serialises a value. If that fails, the reason is stored instead: a record must not be lost for it.
    #[must_use]
    pub fn serialize(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).unwrap_or_else(|error| Value::from(error.to_string()).to_string()))
    }
}

/// Appends records.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn append(transaction: &mut Transaction, records: &[AuditRecord]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let column = |text: fn(&AuditRecord) -> &str| records.iter().map(text).collect::<Vec<&str>>();
    let ids: Vec<_> = records.iter().map(|record| record.id.as_uuid()).collect();
    sqlx::query!(
        "insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)
         select id, actor, action, subject, reason, before::jsonb, after::jsonb, correlation_id
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
             as record (id, actor, action, subject, reason, before, after, correlation_id)",
        &ids,
        &column(|record| &record.actor) as &[&str],
        &column(|record| record.action) as &[&str],
        &column(|record| &record.subject) as &[&str],
        &column(|record| &record.reason) as &[&str],
        &column(|record| &record.before.0) as &[&str],
        &column(|record| &record.after.0) as &[&str],
        &column(|record| &record.correlation_id) as &[&str],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Appends a record, unless it exists already.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn append_once(database: &Database, record: &AuditRecord) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)
         values ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8) on conflict (id) do nothing",
        record.id.as_uuid(),
        record.actor,
        record.action,
        record.subject,
        record.reason,
        record.before.0,
        record.after.0,
        record.correlation_id,
    )
    .execute(database.pool().await?)
    .await?;
    Ok(())
}

/// Whether a record with the id exists.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_kept(database: &Database, id: AuditId) -> Result<bool, StoreError> {
    let is_kept =
        sqlx::query_scalar!(r#"select exists (select from audit.records where id = $1) as "is_kept!""#, id.as_uuid(),)
            .fetch_one(database.pool().await?)
            .await?;
    Ok(is_kept)
}

/// The change that a record describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The action, in the past tense.
    pub action: String,
    /// The id of what is changed.
    pub subject: String,
    /// The reason, for people.
    pub reason: String,
    /// The state before; null for something new.
    pub before: Value,
    /// The state after.
    pub after: Value,
}

/// The records of this transaction so far, with ids after `since`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn of_transaction(transaction: &mut Transaction, since: AuditId) -> Result<Vec<Change>, StoreError> {
    let changes = sqlx::query_as!(
        Change,
        r#"select action, subject, reason, coalesce(before, 'null') as "before!", coalesce(after, 'null') as "after!"
           from audit.records where id > $1 and xmin = pg_current_xact_id()::xid order by id"#,
        since.as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(changes)
}

#[derive(Debug, Clone, Serialize)]
pub struct StoredAuditRecord {
    pub id: AuditId,
    /// When it was written.
    pub recorded_at: DateTime<Utc>,
    pub actor: String,
    /// The action, in the past tense.
    pub action: String,
    /// The id of what was changed.
    pub subject: String,
    /// The reason, for people.
    pub reason: String,
    /// The state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
    /// Links everything that one request or message caused.
    pub correlation_id: String,
}

#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those about these ids; none for all.
    pub subjects: Option<Vec<String>>,
    /// Only those written from then on.
    pub from: Option<DateTime<Utc>>,
    /// Only those written before.
    pub before: Option<DateTime<Utc>>,
    /// Only those after this one, in the order of writing.
    pub after: Option<AuditId>,
}

/// Lists records in the order of writing.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn list(database: &Database, filter: &AuditFilter, limit: i64) -> Result<Vec<StoredAuditRecord>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, recorded_at, actor, action, subject, reason, coalesce(before, 'null') as "before!",
             coalesce(after, 'null') as "after!", correlation_id
           from audit.records
           where ($1::text[] is null or subject = any($1)) and ($2::timestamptz is null or recorded_at >= $2)
               and ($3::timestamptz is null or recorded_at < $3)
               and ($4::uuid is null or (recorded_at, id) > (select last.recorded_at, last.id from audit.records as last where last.id = $4))
           order by recorded_at, id limit $5"#,
        filter.subjects.as_deref(),
        filter.from,
        filter.before,
        filter.after.map(AuditId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    let records = rows.into_iter().map(|row| StoredAuditRecord {
        id: AuditId::from_uuid(row.id),
        recorded_at: row.recorded_at,
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        reason: row.reason,
        before: row.before,
        after: row.after,
        correlation_id: row.correlation_id,
    });
    Ok(records.collect())
}

/// A change of an invoice, or of a payment as far as it concerns the invoice.
#[derive(Debug, Clone)]
pub struct TimelineEntry {
    /// The audit record.
    pub id: AuditId,
    /// The time.
    pub at: DateTime<Utc>,
    pub actor: String,
    /// The action, in the past tense.
    pub action: String,
    /// The id of what was changed.
    pub subject: String,
    /// The reason, for people.
    pub reason: String,
    /// The invoice's state after the change, if it changed.
    pub invoice: Option<Value>,
}

/// The history of an invoice, oldest first, after the record `after` and at most `limit`: its own changes, and those of
/// payments that named it or moved money there.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn timeline(
    database: &Database,
    invoice: InvoiceId,
    after: Option<AuditId>,
    limit: i64,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let rows = sqlx::query!(
        r#"with payment as (
               select id from payments.payments where invoice_id = $1
               union select id from payments.payments
                   where further_invoice_ids <> '{}' and further_invoice_ids @> array[$1]::uuid[]
               union select payment_id from payments.allocations where invoice_id = $1
           )
           select id, recorded_at, actor, action, subject, reason,
               case
                   when subject = $2 then after
                   else jsonb_path_query_array(
                       after, '$.movements[*].invoice ? (@.id == $id)', jsonb_build_object('id', $2::text)
                   ) -> -1
               end as invoice
           from audit.records
           where subject = any(array(
                   select $2 union all select 'pay_' || replace(id::text, '-', '') from payment
               ))
               and (
                   subject = $2
                   or (after -> 'named' ? $2 or after @> jsonb_build_object('movements',
                           jsonb_build_array(jsonb_build_object('invoice', jsonb_build_object('id', $2::text)))))
               )
               and ($3::uuid is null or (recorded_at, id) > (select recorded_at, id from audit.records where id = $3))
           order by recorded_at, id limit $4"#,
        invoice.as_uuid(),
        invoice.to_string(),
        after.map(AuditId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    let entries = rows.into_iter().map(|row| TimelineEntry {
        id: AuditId::from_uuid(row.id),
        at: row.recorded_at,
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        reason: row.reason,
        invoice: row.invoice,
    });
    Ok(entries.collect())
}
