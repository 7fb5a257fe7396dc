//! `audit.records`: who changed what, why, and how it looked before and after.

use quittance_domain::id::AuditId;
use serde_json::Value;

use crate::database::Transaction;
use crate::error::StoreError;

/// One record, written in the transaction of the change that it tells of. Holds ids and amounts, no personal data.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// The record.
    pub id: AuditId,
    /// Who: `user:<sub>`, `machine:<client id>`, `gateway:stripe`, `upload:upl_…#3`.
    pub actor: String,
    /// What, in the past tense: `invoice.issued`, `payment.settled`.
    pub action: &'static str,
    /// The id of what was changed.
    pub subject: String,
    /// Why, for people.
    pub reason: String,
    /// How it looked before; null for something new.
    pub before: Value,
    /// How it looks now.
    pub after: Value,
    /// Ties together all that one request or message caused.
    pub correlation_id: String,
}

/// Appends records.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn append(transaction: &mut Transaction, records: &[AuditRecord]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let column =
        |text: fn(&AuditRecord) -> &str| records.iter().map(|record| text(record).to_owned()).collect::<Vec<_>>();
    let ids: Vec<_> = records.iter().map(|record| record.id.as_uuid()).collect();
    let before: Vec<_> = records.iter().map(|record| record.before.clone()).collect();
    let after: Vec<_> = records.iter().map(|record| record.after.clone()).collect();
    sqlx::query!(
        "insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[], $8::text[])",
        &ids,
        &column(|record| &record.actor),
        &column(|record| record.action),
        &column(|record| &record.subject),
        &column(|record| &record.reason),
        &before,
        &after,
        &column(|record| &record.correlation_id),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
