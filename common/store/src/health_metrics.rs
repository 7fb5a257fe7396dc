//! Health metrics of the system: counts across tables.

use chrono::{DateTime, TimeDelta, Utc};

use crate::database::Database;
use crate::error::StoreError;

/// A claim without proof is counted once it is this old.
const CLAIM_UNVERIFIED_AFTER: TimeDelta = TimeDelta::hours(1);

/// Counting stops here to stay fast; larger numbers do not matter.
const COUNTED_MAX: i64 = 10_000;

/// Counts and ages at one point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthMetrics {
    /// The age of the oldest unpublished row of the outbox that can be published; zero if there is none.
    pub outbox_lag_s: i64,
    /// Rows of the outbox that can never be published as they are.
    pub outbox_parked: i64,
    /// Payments older than an hour that have no evidence but a claim.
    pub claims_unverified: i64,
    /// Connections to the server, as a percentage of its limit.
    pub connections_percent: i64,
    /// Transactions rolled back in this database since its statistics were reset.
    pub rollbacks: i64,
}

/// The functions that run on a schedule, each minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduled {
    /// Publishes outbox messages and processes what is due.
    Relay,
    /// Sends due e-mails and text messages.
    Notification,
}

impl Scheduled {
    /// The function's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Notification => "notification",
        }
    }
}

/// Records that a scheduled run finished.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn note_run(database: &Database, scheduled: Scheduled, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update billing.scheduled_runs set ended_at = $2 where function = $1", scheduled.as_str(), now)
        .execute(database.pool().await?)
        .await?;
    Ok(())
}

/// Reads the metrics; counts are capped at 10,000.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn read(database: &Database, now: DateTime<Utc>) -> Result<HealthMetrics, StoreError> {
    let vitals = sqlx::query_as!(
        HealthMetrics,
        r#"select
               (select coalesce(greatest(extract(epoch from $1 - min(created_at))::bigint, 0), 0) from payments.outbox
                where published_at is null and parked_reason is null) as "outbox_lag_s!",
               (select count(*) from payments.outbox where parked_reason is not null and published_at is null) as "outbox_parked!",
               (select count(*) from (
                    select from payments.payments
                    where status = 'pending' and merged_into is null and created_at < $2 and not exists (
                        select from payments.facts where payment_id = payments.id and kind <> 'claim'
                    ) limit $3
                ) as claimed) as "claims_unverified!",
               (select sum(numbackends) * 100 / current_setting('max_connections')::bigint from pg_stat_database)
                   as "connections_percent!",
               xact_rollback as "rollbacks!"
           from pg_stat_database where datname = current_database()"#,
        now,
        now - CLAIM_UNVERIFIED_AFTER,
        COUNTED_MAX,
    )
    .fetch_one(database.pool().await?)
    .await?;
    Ok(vitals)
}
