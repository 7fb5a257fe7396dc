//! Webhooks that are due: those whose next attempt is later than a message can be delayed, and those whose message was
//! lost.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::{DeliveriesTable, SHARDS};

use crate::relay::time_is_left;

/// Read, sent and noted at once.
const BATCH_SIZE_MAX: i32 = 50;

/// Batches of one partition in a run, so that a backlog leaves time for the others; the next minute goes on.
const BATCHES_MAX: usize = 40;

/// Puts what is due into the delivery queue. Answers how many there were.
///
/// # Errors
/// A sentence, if the table or the queue fails; what was sent by then may be sent again, which does no harm.
pub async fn deliver(
    table: &DeliveriesTable,
    queue: &DeliveryQueue,
    now: DateTime<Utc>,
    deadline: SystemTime,
) -> Result<usize, String> {
    let mut sent = 0;
    for shard in 0..SHARDS {
        for _ in 0..BATCHES_MAX {
            if !time_is_left(deadline) {
                return Ok(sent);
            }
            let due = table.due(shard, now, BATCH_SIZE_MAX).await.map_err(|error| error.to_string())?;
            if due.is_empty() {
                break;
            }
            queue.send(&due, Duration::ZERO).await?;
            for noted in join_all(due.iter().map(|due| table.note_sent(due, now))).await {
                noted.map_err(|error| error.to_string())?;
            }
            sent += due.len();
        }
    }
    Ok(sent)
}
