//! The safety net behind publishing right after the commit.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use quittance_lambda::publisher::Publisher;
use quittance_store::outbox::{self, Destination};
use quittance_store::{Database, StoreError};

/// Rows younger than this are being published by whoever wrote them.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// Rows locked at once: a transaction stays short.
const BATCH_SIZE_MAX: i64 = 100;

/// Published rows are kept this long, for questions.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// No new batch is started with less than this left.
const TIME_RESERVE: Duration = Duration::from_secs(15);

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relayed {
    /// Messages that SNS has now.
    pub published: usize,
    /// Messages that SNS will never take, parked in their rows.
    pub parked: usize,
    /// Old rows deleted.
    pub purged: u64,
}

/// Publishes what was written before `now` less [`GRACE`], oldest first, until nothing is left, nothing can be
/// published, or the deadline is near.
///
/// # Errors
/// [`StoreError`] if the database fails; what was published by then may be published again.
pub async fn relay(
    database: &Database,
    publisher: &Publisher,
    now: DateTime<Utc>,
    deadline: SystemTime,
) -> Result<Relayed, StoreError> {
    let mut relayed = Relayed::default();
    let time_is_left = || deadline.duration_since(SystemTime::now()).is_ok_and(|left| left > TIME_RESERVE);
    while time_is_left() {
        let mut transaction = database.begin().await?;
        let messages =
            outbox::lock_unpublished(&mut transaction, Destination::InvoiceEvents, now - GRACE, BATCH_SIZE_MAX).await?;
        if messages.is_empty() {
            break;
        }
        let result = publisher.publish(&messages).await;
        for (id, reason) in &result.refused {
            // `OutboxParkedMetric` in the template counts this line.
            tracing::error!(alarm = "outbox_parked", event.id = %id, reason, "an event can never be published and is parked");
        }
        outbox::conclude(&mut transaction, &result.published, &result.refused).await?;
        transaction.commit().await?;
        relayed.published += result.published.len();
        relayed.parked += result.refused.len();
        if !result.failures.is_empty() {
            // SNS is away or throttles: the next minute goes on.
            break;
        }
    }
    relayed.purged = outbox::purge(database, now - KEPT_FOR).await?;
    Ok(relayed)
}
