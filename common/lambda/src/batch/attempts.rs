//! Counts actual delivery attempts.
//!
//! SQS counts receives. A message is also received when it stands behind a failing message of its group, or when it
//! conflicts with other work; neither is an attempt. So each process remembers the messages that it saw fail and those
//! that it returned untried. It does not see what other instances of the function do: one instance alone never parks a
//! message that it has not seen fail [`ATTEMPTS_MAX`] times, unless the receives are so many that even spread over
//! instances they must include that many attempts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A message is parked at this failed attempt.
pub const ATTEMPTS_MAX: u32 = 3;

/// A message that fails is parked once it was received this often, not counting the receives after which this process
/// returned it untried. Well below the queue's own `maxReceiveCount`, which would park it without a reason.
pub const RECEIVES_MAX: u32 = 30;

/// The number of messages that are remembered; an instance with more unfinished ones forgets them all and starts
/// counting again.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    failed: u32,
    untried: u32,
}

/// The attempts that this process has seen of unfinished messages, by message id.
#[derive(Debug, Clone, Default)]
pub struct DeliveryAttempts(Arc<Mutex<HashMap<String, Count>>>);

impl DeliveryAttempts {
    /// Counts a failed attempt at a message at its `receive_count`th receive. True if it was the last one.
    pub(crate) fn fail(&self, message_id: &str, receive_count: u32) -> bool {
        let count = self.update(message_id, |count| count.failed += 1);
        count.failed >= ATTEMPTS_MAX || receive_count.saturating_sub(count.untried) >= RECEIVES_MAX
    }

    /// Counts a receive after which the message was returned without an attempt.
    pub(crate) fn skip(&self, message_id: &str) {
        self.update(message_id, |count| count.untried += 1);
    }

    pub(crate) fn forget(&self, message_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(message_id);
    }

    fn update(&self, message_id: &str, change: impl FnOnce(&mut Count)) -> Count {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(message_id) {
            counts.clear();
        }
        let count = counts.entry(message_id.to_owned()).or_default();
        change(count);
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_messages_than_are_remembered_take_no_more_memory() {
        let attempts = DeliveryAttempts::default();
        for number in 0..=REMEMBERED_MAX {
            attempts.skip(&number.to_string());
        }
        assert_eq!(attempts.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn receives_that_other_instances_saw_end_in_parking_at_last() {
        let attempts = DeliveryAttempts::default();
        assert!(!attempts.fail("m", RECEIVES_MAX - 1));
        assert!(attempts.fail("m", RECEIVES_MAX));
        attempts.skip("n");
        assert!(!attempts.fail("n", RECEIVES_MAX), "one of them was no attempt");
    }
}
