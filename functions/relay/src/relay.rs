//! The safety net behind publishing directly after the commit.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::publisher::Publisher;
use quittance_store::outbox::{self, Destination};
use quittance_store::requests;
use quittance_store::{Database, StoreError};

/// Younger messages are still being published by the function that wrote them.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// The number of rows locked together, so that a transaction stays short.
const BATCH_SIZE_MAX: i64 = 100;

/// Published rows are kept this long for investigation, and responses to requests for retries.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// No new batch is started with less time left.
const TIME_RESERVE: Duration = Duration::from_secs(15);

/// The results of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relayed {
    /// Messages that were accepted.
    pub published: usize,
    /// Messages that will never be accepted, parked in their rows.
    pub parked: usize,
    /// Old rows deleted.
    pub purged: u64,
}

/// The destinations of outbox rows.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// The events topic.
    pub events: Publisher,
    /// The gateways' command queues.
    pub gateways: GatewayQueues,
    /// The processor's queue.
    pub payments: CommandQueue,
}

/// Publishes events and sends commands written before `now` less [`GRACE`]; oldest first, until none are left, none can
/// be published, or the deadline is near.
///
/// # Errors
/// [`StoreError`] if the database fails; what was published by then may be published again.
pub async fn relay(
    database: &Database,
    destinations: &Destinations,
    now: DateTime<Utc>,
    deadline: SystemTime,
) -> Result<Relayed, StoreError> {
    let mut relayed = Relayed::default();
    for destination in [Destination::PaymentCommands, Destination::GatewayCommands, Destination::InvoiceEvents] {
        drain(database, destinations, destination, now - GRACE, deadline, &mut relayed).await?;
    }
    relayed.purged =
        outbox::purge(database, now - RETENTION).await? + requests::purge(database, now - RETENTION).await?;
    Ok(relayed)
}

async fn drain(
    database: &Database,
    destinations: &Destinations,
    destination: Destination,
    before: DateTime<Utc>,
    deadline: SystemTime,
    relayed: &mut Relayed,
) -> Result<(), StoreError> {
    let mut away: Vec<String> = Vec::new();
    while time_is_left(deadline) {
        let mut transaction = database.begin().await?;
        let messages = outbox::lock_unpublished(&mut transaction, destination, before, &away, BATCH_SIZE_MAX).await?;
        if messages.is_empty() {
            break;
        }
        let result = match destination {
            Destination::InvoiceEvents => destinations.events.publish(&messages).await,
            Destination::GatewayCommands => destinations.gateways.publish(&messages).await,
            Destination::PaymentCommands => destinations.payments.publish(&messages).await,
        };
        for (id, reason) in &result.refused {
            tracing::error!(message.id = %id, reason, "message cannot be published and is parked");
        }
        outbox::finish(&mut transaction, &result.published, &result.refused).await?;
        transaction.commit().await?;
        relayed.published += result.published.len();
        relayed.parked += result.refused.len();
        if !result.failures.is_empty() && result.providers_away.is_empty() {
            // The destination is unavailable or throttles: the next minute continues.
            break;
        }
        // An unavailable gateway queue does not delay the others.
        away.extend(result.providers_away);
    }
    Ok(())
}

pub(crate) fn time_is_left(deadline: SystemTime) -> bool {
    deadline.duration_since(SystemTime::now()).is_ok_and(|left| left > TIME_RESERVE)
}
