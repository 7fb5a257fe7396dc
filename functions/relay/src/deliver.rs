//! Finds due webhooks: those whose next attempt is later than a message can be delayed, and those whose message was
//! lost.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use quittance_deliveries::TableError;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::queue::DeliveryQueueError;
use quittance_deliveries::{DeliveriesTable, SHARDS};

use crate::relay::time_is_left;

/// The number of deliveries that are read, sent and recorded together.
const BATCH_SIZE_MAX: i32 = 50;

/// The maximum number of batches of one partition in a run, so that a backlog leaves time for the others; the next
/// minute continues.
const BATCHES_MAX: usize = 40;

/// Why due deliveries were not handed on.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] DeliveryQueueError),
}

/// Puts what is due into the delivery queue. Returns the number of deliveries.
///
/// # Errors
/// [`DeliverError`] if the table or the queue fails; what was sent by then may be sent again, which is harmless.
pub async fn deliver(
    table: &DeliveriesTable,
    queue: &DeliveryQueue,
    now: DateTime<Utc>,
    deadline: SystemTime,
) -> Result<usize, DeliverError> {
    let mut sent = 0;
    for shard in 0..SHARDS {
        for _ in 0..BATCHES_MAX {
            if !time_is_left(deadline) {
                return Ok(sent);
            }
            let due = table.due(shard, now, BATCH_SIZE_MAX).await?;
            if due.is_empty() {
                break;
            }
            queue.send(&due, Duration::ZERO).await?;
            for noted in join_all(due.iter().map(|due| table.note_sent(due, now))).await {
                noted?;
            }
            sent += due.len();
        }
    }
    Ok(sent)
}
