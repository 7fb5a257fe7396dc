//! The health metrics that the relay writes every minute.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use quittance_deliveries::TableError;
use quittance_deliveries::{DeliveriesTable, SHARDS};
use quittance_lambda::metrics;
use quittance_store::{Database, StoreError, health_metrics};

/// A run of the relay processes what is due; anything due for longer was left by several runs.
const OVERDUE_AFTER: TimeDelta = TimeDelta::minutes(5);

/// The maximum count per partition, which is significant enough.
const COUNTED_MAX: i32 = 50;

/// The count of rolled-back transactions at the last reading.
#[derive(Debug)]
pub struct Rollbacks(AtomicI64);

impl Default for Rollbacks {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Rollbacks {
    /// The increase since the last reading; none at first, and after the database's statistics were reset.
    fn since_last(&self, now: i64) -> Option<i64> {
        let last = self.0.swap(now, Ordering::Relaxed);
        (last <= now).then(|| now.saturating_sub(last))
    }
}

/// Writes the metrics of the outbox, claims and the database. Unknown values are not written, and missing values raise
/// the alarm of the outbox.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn measure_database(database: &Database, seen: &Rollbacks, now: DateTime<Utc>) -> Result<(), StoreError> {
    let health = health_metrics::read(database, now).await?;
    metrics::OUTBOX_LAG.record([], health.outbox_lag_s);
    metrics::OUTBOX_PARKED.record([], health.outbox_parked);
    metrics::CLAIMS_UNVERIFIED.record([], health.claims_unverified);
    metrics::DATABASE_CONNECTIONS.record([], health.connections_percent);
    if let Some(rollbacks) = seen.since_last(health.rollbacks) {
        metrics::DATABASE_ROLLBACKS.record([], rollbacks);
    }
    Ok(())
}

/// Writes the number of webhooks that have been due for minutes.
///
/// # Errors
/// [`TableError`] if the table fails.
pub async fn measure_deliveries(table: &DeliveriesTable, now: DateTime<Utc>) -> Result<(), TableError> {
    let mut overdue = 0;
    for shard in 0..SHARDS {
        let due = table.due(shard, now - OVERDUE_AFTER, COUNTED_MAX).await?;
        overdue += due.len();
    }
    metrics::DELIVERIES_OVERDUE.record([], overdue);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollbacks_are_counted_from_look_to_look_and_anew_when_the_database_does() {
        let seen = Rollbacks::default();
        let counted = [7, 7, 12, 3, 5].map(|count| seen.since_last(count));
        assert_eq!(counted, [None, Some(0), Some(5), None, Some(2)]);
    }
}
