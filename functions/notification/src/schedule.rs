//! The schedule of retries, and of checks on attempts without an answer.

use chrono::TimeDelta;

/// The pause after each attempt that was not accepted; after the last attempt there is none.
pub const PAUSES: [TimeDelta; 7] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::hours(1),
    TimeDelta::hours(4),
    TimeDelta::hours(12),
    TimeDelta::hours(24),
];

/// How long the provider has to report on an attempt without an answer. Amazon SES reports within seconds.
pub const DECIDE_AFTER: TimeDelta = TimeDelta::hours(1);

/// Once a provider has reported on a message that it received this much later, it has reported on all earlier ones.
pub const REPORTS_IN_ORDER_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// An outcome that is unknown for this long is left to people.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);

/// Pauses are extend_schema by up to a tenth, so that deliveries that failed together are not retried together.
pub const JITTER_PERMILLE_MAX: i32 = 100;

/// The pause after so many attempts that were not accepted; none after the last. `jitter_permille` is random, from 0 to
/// [`JITTER_PERMILLE_MAX`].
#[must_use]
pub fn pause_after(attempts: u32, jitter_permille: i32) -> Option<TimeDelta> {
    let place = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let planned = *PAUSES.get(place)?;
    Some(planned + planned * jitter_permille.clamp(0, JITTER_PERMILLE_MAX) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_for_two_days_and_end() {
        assert_eq!(pause_after(0, 0), None, "nothing was tried");
        let pauses: Vec<TimeDelta> = (1..).map_while(|attempts| pause_after(attempts, 0)).collect();
        assert_eq!(pauses, PAUSES);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.iter().sum::<TimeDelta>(), TimeDelta::minutes(1 + 5 + 15) + TimeDelta::hours(41));
        assert_eq!(pause_after(4, 5_000), Some(TimeDelta::minutes(66)));
    }
}
