//! What whoever is on call looks at first: what waits, for how long, and whether the rules that must never break hold.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::database::Database;
use crate::error::StoreError;

/// Something that waits in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingWork {
    /// What, as a name in dotted words.
    pub what: String,
    /// How many.
    pub count: i64,
    /// Since when the oldest does.
    pub oldest: Option<DateTime<Utc>>,
}

/// What waits: unpublished and parked rows of the outbox, claims without proof, questions to gateways that are due, files
/// that are being read, open cases, endpoints that are disabled.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn waiting(database: &Database) -> Result<Vec<PendingWork>, StoreError> {
    let rows = sqlx::query_file_as!(PendingWork, "src/overview/waiting.sql").fetch_all(database.pool().await?).await?;
    Ok(rows)
}

/// Something that runs by schedule, each minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduledRun {
    /// The function.
    pub function: String,
    /// When a run of it last came to its end; none if none ever has.
    pub ended_at: Option<DateTime<Utc>>,
}

/// When each schedule last did its work.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn scheduled(database: &Database) -> Result<Vec<ScheduledRun>, StoreError> {
    let query =
        sqlx::query_as!(ScheduledRun, "select function, ended_at from billing.scheduled_runs order by function");
    Ok(query.fetch_all(database.pool().await?).await?)
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViolatedInvariant {
    /// The rule, as ARCHITECTURE.md numbers it.
    pub rule: String,
    /// What breaks it.
    pub subject: String,
    /// How.
    pub detail: String,
}

/// At most so many breaks are named; whoever has more has one cause.
const BROKEN_MAX: i64 = 100;

/// Whatever breaks the rules about money: amounts paid that are not what was allocated (I2), more given away than came in
/// (I2), one movement of money that counts for two payments (I2), transactions and a ledger that do not balance (I3). That an event is booked once, and a fact recorded once, are
/// constraints of the database.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn broken(database: &Database) -> Result<Vec<ViolatedInvariant>, StoreError> {
    let rows = sqlx::query_file_as!(ViolatedInvariant, "src/overview/broken.sql", BROKEN_MAX)
        .fetch_all(database.pool().await?)
        .await?;
    Ok(rows)
}
