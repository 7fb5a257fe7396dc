//! When something that was not taken is tried again, and when something that may have been taken is looked at.

use chrono::TimeDelta;

/// The pause after each attempt that was not taken; after the last attempt there is none.
pub const PAUSES: [TimeDelta; 7] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::hours(1),
    TimeDelta::hours(4),
    TimeDelta::hours(12),
    TimeDelta::hours(24),
];

/// After an attempt without an answer, the provider has so long to tell what became of it. Amazon SES tells within seconds.
pub const DECIDE_AFTER: TimeDelta = TimeDelta::hours(1);

/// A provider that has told of something given to it so much later has had its say about what came before.
pub const WORDS_IN_ORDER_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// An outcome that is unknown for so long is for somebody to decide.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);

/// A pause is made longer by at most a tenth, so that what failed together is not tried again together.
pub const JITTER_PERMILLE_MAX: i32 = 100;

/// The pause after so many attempts, none of which was taken; none after the last. `jitter_permille` is random, from 0 to
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
