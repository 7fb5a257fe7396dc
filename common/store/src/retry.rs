//! Retries of transactions that conflicted with others.

use std::time::Duration;

use quittance_domain::error::Chain;

use crate::error::StoreError;

/// The maximum number of attempts. A transaction that still fails is retried through the queue.
const ATTEMPTS_MAX: u32 = 4;

/// The longest pause before the second attempt, in microseconds; it doubles with each. All pauses together stay below a
/// second, so that a message does not hold up its group.
const PAUSE_MAX_US: u64 = 50_000;

/// The attempts of one transaction: it is retried after a deadlock, a serialisation failure, a lock timeout, a
/// concurrent merge of its payment, or a broken connection.
#[derive(Debug)]
pub struct TransactionRetries {
    made: u32,
}

impl TransactionRetries {
    /// The state before the first attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self { made: 0 }
    }

    /// Pauses after a failed attempt if a retry is useful. Pauses have a random length, so that transactions that
    /// conflicted do not conflict again.
    ///
    /// # Errors
    /// The error, if a retry would not help or there were enough.
    pub async fn pause(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.made += 1;
        if !error.is_transient() || self.made >= ATTEMPTS_MAX {
            return Err(error);
        }
        let longest_us = PAUSE_MAX_US.saturating_mul(2_u64.saturating_pow(self.made - 1));
        let pause = Duration::from_micros(fastrand::u64(0..=longest_us));
        tracing::info!(error = %Chain(&error), attempts = self.made, "transaction conflicted with another and is retried");
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
    async fn a_conflict_is_retried_a_few_times_and_then_returned() {
        let mut attempts = TransactionRetries::new();
        let moved = || StoreError::Moved { payment: "pay_1".to_owned() };
        for _ in 1..ATTEMPTS_MAX {
            attempts.pause(moved()).await.unwrap();
        }
        assert!(attempts.pause(moved()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_are_returned_at_once() {
        assert!(TransactionRetries::new().pause(StoreError::corrupt("payments.payments", "broken")).await.is_err());
    }
}
