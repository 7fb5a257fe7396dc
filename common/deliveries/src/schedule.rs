//! The retry schedule of webhooks, as proposed by Standard Webhooks 1.0.

use chrono::TimeDelta;

/// The pause after each failed attempt; after the last attempt there is none.
pub const PAUSES: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];

/// The maximum pause that an endpoint can request.
pub const PAUSE_MAX: TimeDelta = TimeDelta::days(1);

/// Pauses are extend_schema by up to a tenth, so that deliveries that failed together are not retried together.
pub const JITTER_PERMILLE_MAX: i32 = 100;

/// The pause after so many failed attempts; none after the last. `asked` is the pause that the endpoint requested
/// (`Retry-After`); `jitter_permille` is random, from 0 to [`JITTER_PERMILLE_MAX`].
#[must_use]
pub fn pause_after(attempts: u32, asked: Option<TimeDelta>, jitter_permille: i32) -> Option<TimeDelta> {
    let place = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let planned = *PAUSES.get(place)?;
    let jittered = planned + planned * jitter_permille.clamp(0, JITTER_PERMILLE_MAX) / 1000;
    Some(jittered.max(asked.unwrap_or_default().min(PAUSE_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_seconds_to_a_day_and_end() {
        let seconds: Vec<Option<i64>> =
            (0..=10).map(|attempts| pause_after(attempts, None, 0).map(|pause| pause.num_seconds())).collect();
        let expected = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(Some);
        assert_eq!(seconds.first(), Some(&None), "nothing was tried");
        assert_eq!(seconds.get(1..10), Some(expected.as_slice()));
        assert_eq!(seconds.get(10), Some(&None), "after the last attempt");
    }

    #[test]
    fn a_pause_requested_by_the_receiver_is_respected_up_to_a_day() {
        let pause = |asked: TimeDelta| pause_after(2, Some(asked), 0);
        assert_eq!(pause(TimeDelta::seconds(1)), Some(TimeDelta::minutes(5)));
        assert_eq!(pause(TimeDelta::hours(3)), Some(TimeDelta::hours(3)));
        assert_eq!(pause(TimeDelta::days(30)), Some(TimeDelta::days(1)));
        assert_eq!(pause_after(10, Some(TimeDelta::hours(3)), 0), None);
    }

    #[test]
    fn chance_makes_a_pause_longer_by_a_tenth_at_most() {
        assert_eq!(pause_after(3, None, 100), Some(TimeDelta::minutes(33)));
        assert_eq!(pause_after(3, None, 5_000), Some(TimeDelta::minutes(33)));
        assert_eq!(pause_after(3, None, -5), Some(TimeDelta::minutes(30)));
    }
}
