//! `billing.proposed_corrections`: ledger corrections that wait for a second person's approval.

use chrono::{DateTime, Utc};
use quittance_domain::id::{CorrectionId, LedgerTransactionId};
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// A ledger correction that was proposed and needs approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedCorrection {
    pub id: CorrectionId,
    /// The transaction to reverse.
    pub transaction_id: LedgerTransactionId,
    pub reason: String,
    /// The replacement posting, as it was requested.
    pub replacement: Option<Value>,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: DateTime<Utc>,
}

/// The decision about a proposed correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionDecision {
    /// A second person approved it and it was posted.
    Approved,
    /// It was dismissed.
    Dismissed,
}

impl CorrectionDecision {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Dismissed => "dismissed",
        }
    }
}

struct Row {
    id: Uuid,
    transaction_id: Uuid,
    reason: String,
    replacement: Option<Value>,
    proposed_by: String,
    proposed_at: DateTime<Utc>,
}

impl From<Row> for ProposedCorrection {
    fn from(row: Row) -> Self {
        Self {
            id: CorrectionId::from_uuid(row.id),
            transaction_id: LedgerTransactionId::from_uuid(row.transaction_id),
            reason: row.reason,
            replacement: row.replacement,
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at,
        }
    }
}

/// Inserts a proposed correction, unless another of the same transaction is open. Returns whether it was inserted.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, proposed: &ProposedCorrection) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into billing.proposed_corrections (id, transaction_id, reason, replacement, proposed_by, proposed_at)
         values ($1, $2, $3, $4, $5, $6) on conflict (transaction_id) where status = 'open' do nothing",
        proposed.id.as_uuid(),
        proposed.transaction_id.as_uuid(),
        proposed.reason,
        proposed.replacement,
        proposed.proposed_by,
        proposed.proposed_at,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Lists open corrections, oldest first.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn list(
    database: &Database,
    after: Option<CorrectionId>,
    limit: i64,
) -> Result<Vec<ProposedCorrection>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, transaction_id, reason, replacement, proposed_by, proposed_at from billing.proposed_corrections
         where status = 'open' and ($1::uuid is null or id > $1) order by id limit $2",
        after.map(CorrectionId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(rows.into_iter().map(ProposedCorrection::from).collect())
}

/// Locks a correction. Returns it, with its decision if it has one.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock(
    transaction: &mut Transaction,
    id: CorrectionId,
) -> Result<Option<(ProposedCorrection, Option<String>)>, StoreError> {
    let row = sqlx::query!(
        "select id, transaction_id, reason, replacement, proposed_by, proposed_at, status
         from billing.proposed_corrections where id = $1 for update",
        id.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(|row| {
        let decided = (row.status != "open").then_some(row.status);
        let (id, transaction_id, reason, replacement) = (row.id, row.transaction_id, row.reason, row.replacement);
        let (proposed_by, proposed_at) = (row.proposed_by, row.proposed_at);
        (Row { id, transaction_id, reason, replacement, proposed_by, proposed_at }.into(), decided)
    }))
}

/// Records the decision about a correction.
///
/// # Errors
/// [`StoreError`] if the database refuses (the person who proposed it cannot approve it) or fails.
pub async fn decide(
    transaction: &mut Transaction,
    id: CorrectionId,
    decision: CorrectionDecision,
    decided_by: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.proposed_corrections set status = $2, decided_by = $3, decided_at = now()
         where id = $1 and status = 'open'",
        id.as_uuid(),
        decision.as_str(),
        decided_by,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
