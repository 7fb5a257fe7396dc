//! Sends commands: many concurrently, but those about one payment in their order.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use quittance_domain::command::PaymentCommand;
use quittance_lambda::command_queue::{BATCH_SIZE_MAX, CommandQueue, QueueError, QueuedCommand};
use quittance_lambda::envelope::CloudEvent;
use tokio::task::{JoinError, JoinHandle};

/// The number of concurrent calls: each takes milliseconds of waiting, and a large file needs a hundred thousand.
const CALLS_MAX: usize = 16;

/// Why commands were not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue did not accept a command.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The task of a call was aborted or panicked.
    #[error("a call of SQS was aborted")]
    Aborted(#[from] JoinError),
}

/// Sends commands. All are durable when this returns.
///
/// Each call is a task of its own: serialising and signing them is a third of the importer's work, and is thus spread
/// over the processors.
///
/// # Errors
/// [`SendError`] if a command was not accepted. Any of the others may have been: sending all of them again is safe.
pub(crate) async fn send(queue: &CommandQueue, commands: Vec<CloudEvent<PaymentCommand>>) -> Result<(), SendError> {
    for round in rounds(commands, |command| command.payload.group().to_owned()) {
        let mut commands = round.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<_> = commands.by_ref().take(BATCH_SIZE_MAX).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let call = |batch: Vec<CloudEvent<PaymentCommand>>| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.send(&batch).await })
        };
        let calls = stream::iter(batches).map(|batch| Ok(call(batch)));
        let done = |call: JoinHandle<Result<(), QueueError>>| async { Ok::<_, SendError>(call.await??) };
        calls.try_for_each_concurrent(CALLS_MAX, done).await?;
    }
    Ok(())
}

/// Splits items into rounds so that no round has two items of one group, and each group keeps its order.
fn rounds<T>(things: Vec<T>, group: impl Fn(&T) -> String) -> Vec<Vec<T>> {
    let mut rounds: Vec<Vec<T>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for thing in things {
        let place = places.entry(group(&thing)).or_default();
        match rounds.get_mut(*place) {
            Some(round) => round.push(thing),
            None => rounds.push(vec![thing]),
        }
        *place += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_one_payment_goes_one_after_the_other() {
        let commands = vec![("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 3), ("b", 2)];
        let rounds = rounds(commands, |(group, _)| (*group).to_owned());
        assert_eq!(rounds, [vec![("a", 1), ("b", 1), ("c", 1)], vec![("a", 2), ("b", 2)], vec![("a", 3)]]);
    }
}
