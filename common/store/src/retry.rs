//! Trying again what met another transaction.

use std::time::Duration;

use crate::error::StoreError;

/// How often a transaction is tried in all. What still fails then comes back through the queue.
const ATTEMPTS_MAX: u32 = 4;

/// The longest pause before the second attempt, in microseconds; it doubles with each. The pauses together stay below a
/// second, as a queue's message is not to wait inside its group.
const PAUSE_MAX_US: u64 = 50_000;

/// The attempts of one transaction: again after a deadlock, a serialization failure, a lock that was not to be had in
/// time, a payment that was merged meanwhile, or a connection that broke.
#[derive(Debug)]
pub struct TransactionRetries {
    made: u32,
}

impl TransactionRetries {
    /// Before the first attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self { made: 0 }
    }

    /// Pauses after a failed attempt, if another is worth while. Pauses are of random length, so that those who met do
    /// not meet again.
    ///
    /// # Errors
    /// The error, if trying again does not help or was done often enough.
    pub async fn pause(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.made += 1;
        if !error.is_transient() || self.made >= ATTEMPTS_MAX {
            return Err(error);
        }
        let longest_us = PAUSE_MAX_US.saturating_mul(2_u64.saturating_pow(self.made - 1));
        let pause = Duration::from_micros(fastrand::u64(0..=longest_us));
        tracing::info!(error = %error, attempts = self.made, "transaction conflicted with another and is retried");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

impl Default for TransactionRetries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_met_another_is_tried_again_a_few_times_and_then_told() {
        let mut attempts = TransactionRetries::new();
        let moved = || StoreError::Moved { payment: "pay_1".to_owned() };
        for _ in 1..ATTEMPTS_MAX {
            attempts.pause(moved()).await.unwrap();
        }
        assert!(attempts.pause(moved()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_otherwise_is_told_at_once() {
        assert!(TransactionRetries::new().pause(StoreError::corrupt("payments.payments", "broken")).await.is_err());
    }
}
