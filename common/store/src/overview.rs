//! The overview for on-call staff: what waits, for how long, and whether the invariants hold.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::database::Database;
use crate::error::StoreError;

/// Work that waits in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingWork {
    /// A dotted name.
    pub what: String,
    /// The number of items.
    pub count: i64,
    /// The time of the oldest item.
    pub oldest: Option<DateTime<Utc>>,
}

/// The pending work: unpublished and parked rows of the outbox, claims without proof, due status inquiries, files that
/// are being read, open cases, disabled endpoints.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn waiting(database: &Database) -> Result<Vec<PendingWork>, StoreError> {
    let rows = sqlx::query_file_as!(PendingWork, "src/overview/waiting.sql").fetch_all(database.pool().await?).await?;
    Ok(rows)
}

/// A function that runs on a schedule, each minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduledRun {
    pub function: String,
    /// When its last run finished; none if no run ever has.
    pub ended_at: Option<DateTime<Utc>>,
}

/// When each scheduled function last finished a run.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn scheduled(database: &Database) -> Result<Vec<ScheduledRun>, StoreError> {
    let query =
        sqlx::query_as!(ScheduledRun, "select function, ended_at from billing.scheduled_runs order by function");
    Ok(query.fetch_all(database.pool().await?).await?)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViolatedInvariant {
    /// The rule's number in ARCHITECTURE.md.
    pub rule: String,
    /// The id of what violates it.
    pub subject: String,
    /// How it is violated.
    pub detail: String,
}

/// The maximum number of violations returned; more have a common cause.
const BROKEN_MAX: i64 = 100;

/// The violations of the rules about money: paid amounts that differ from the allocations (I2), more goodwill than was
/// captured (I2), one movement of money that counts for two payments (I2), transactions and a ledger that do not
/// balance (I3). That an event is posted once, and a fact recorded once, is guaranteed by constraints.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn broken(database: &Database) -> Result<Vec<ViolatedInvariant>, StoreError> {
    let rows = sqlx::query_file_as!(ViolatedInvariant, "src/overview/broken.sql", BROKEN_MAX)
        .fetch_all(database.pool().await?)
        .await?;
    Ok(rows)
}
