//! The schedule of status inquiries about payments that their gateway has not decided.

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::PaymentId;

/// Seconds between the time at which a payment becomes undecided and each status inquiry: 1 and 5 minutes, half an
/// hour, 2 and 12 hours, 1 and 3 days.
const ASKED_AFTER_SECONDS: [i64; 7] = [60, 300, 1_800, 7_200, 43_200, 86_400, 259_200];

/// Inquiries are spread over this share of the preceding interval, in thousandths, so that payments affected by one
/// outage are not all inquired about at once.
const SPREAD_PER_MILLE: u128 = 100;

/// When the next inquiry is due after `asked` inquiries, and whether it is the last; none after the last.
#[must_use]
pub fn next(payment: PaymentId, since: DateTime<Utc>, asked: u16) -> Option<(DateTime<Utc>, bool)> {
    let after = ASKED_AFTER_SECONDS.get(usize::from(asked))?;
    // The low digits of an id are random.
    let share = i64::try_from(payment.as_uuid().as_u128() % (SPREAD_PER_MILLE + 1)).ok()?;
    let delay = TimeDelta::try_seconds(after + after * share / 1_000)?;
    let is_last = usize::from(asked) + 1 == ASKED_AFTER_SECONDS.len();
    Some((since.checked_add_signed(delay)?, is_last))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn seven_inquiries_are_made_within_little_more_than_three_days() {
        for id in [0, 100, 12_345_678_901_234_567] {
            let payment = PaymentId::from_uuid(Uuid::from_u128(id));
            let since = DateTime::UNIX_EPOCH;
            let asked: Vec<_> = (0..).map_while(|asked| next(payment, since, asked)).collect();
            let minutes: Vec<i64> = asked.iter().map(|(time, _)| (*time - since).num_minutes()).collect();
            for (minutes, planned) in minutes.iter().zip([1, 5, 30, 120, 720, 1_440, 4_320]) {
                assert!((planned..=planned + planned / 10).contains(minutes), "{minutes} instead of {planned}");
            }
            assert_eq!(
                asked.iter().map(|(_, is_last)| *is_last).collect::<Vec<_>>(),
                [vec![false; 6], vec![true]].concat()
            );
        }
    }

    #[test]
    fn inquiries_about_payments_of_one_moment_are_spread_out() {
        let at = |id| next(PaymentId::from_uuid(Uuid::from_u128(id)), DateTime::UNIX_EPOCH, 3).unwrap().0;
        assert_ne!(at(1), at(60));
    }
}
