//! Hands commands on: many at once, but in their order where they are about one payment.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use quittance_domain::command::PaymentCommand;
use quittance_lambda::command_queue::{BATCH_SIZE_MAX, CommandQueue, QueuedCommand};
use quittance_lambda::envelope::CloudEvent;
use tokio::task::JoinHandle;

/// So many calls are under way at once: one takes milliseconds of waiting, and a large file has a hundred thousand.
const CALLS_MAX: usize = 16;

/// Sends commands. All are durable when this returns.
///
/// Each call is a task of its own: to write and sign them is a third of the importer's work, and whatever processor is
/// free does it.
///
/// # Errors
/// A sentence, if one was not taken. Any of the others may have been: sending all of them again is safe.
pub(crate) async fn send(queue: &CommandQueue, commands: Vec<CloudEvent<PaymentCommand>>) -> Result<(), String> {
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
        let done = |call: JoinHandle<Result<(), String>>| async {
            call.await.map_err(|error| format!("a call of SQS was given up: {error}"))?
        };
        calls.try_for_each_concurrent(CALLS_MAX, done).await?;
    }
    Ok(())
}

/// Splits things so that no two of one group are in one round, and each round comes after what it has to follow.
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
