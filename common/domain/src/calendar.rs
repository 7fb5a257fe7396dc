//! Bounds for plausible days and times.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use chrono_tz::Tz;

/// The day or time is implausible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the year must be from 1970 to 2199")]
pub struct Implausible;

/// A plausible day for an invoice, a payment or a bank line. Any other day is a typing error or an attack, and
/// PostgreSQL stores fewer years than we can parse.
///
/// # Errors
/// [`Implausible`].
pub fn plausible_day(day: NaiveDate) -> Result<NaiveDate, Implausible> {
    if (1970..=2199).contains(&day.year()) { Ok(day) } else { Err(Implausible) }
}

/// A time on a [`plausible_day`].
///
/// # Errors
/// [`Implausible`].
pub fn plausible_time(time: DateTime<Utc>) -> Result<DateTime<Utc>, Implausible> {
    plausible_day(time.date_naive()).map(|_| time)
}

/// Why the date of a reported movement is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecent {
    /// It is further in the future than clock and time zone differences explain.
    #[error("must not be after tomorrow")]
    Ahead,
    /// It is older than [`YEARS_BACK_MAX`].
    #[error("must not be more than {YEARS_BACK_MAX} years ago")]
    LongAgo,
}

/// The oldest movement that the API accepts, in years; bank files may report older ones.
pub const YEARS_BACK_MAX: u32 = 10;

/// Checks the date of a movement that the API receives: up to tomorrow in UTC, as time zones differ, and within the
/// last [`YEARS_BACK_MAX`] years.
///
/// # Errors
/// [`NotRecent`].
pub fn recent_day(day: NaiveDate, now: DateTime<Utc>) -> Result<NaiveDate, NotRecent> {
    let today = now.date_naive();
    if Some(day) > today.succ_opt() {
        return Err(NotRecent::Ahead);
    }
    if Some(day) < today.checked_sub_months(Months::new(12 * YEARS_BACK_MAX)) {
        return Err(NotRecent::LongAgo);
    }
    Ok(day)
}

/// Checks that a time is on a [`recent_day`].
///
/// # Errors
/// [`NotRecent`].
pub fn recent_time(time: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, NotRecent> {
    recent_day(time.date_naive(), now).map(|_| time)
}

/// The day of a point in time in a time zone.
#[must_use]
pub fn day_in(zone: Tz, time: DateTime<Utc>) -> NaiveDate {
    time.with_timezone(&zone).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_years_are_refused() {
        for (day, is_plausible) in [
            ("1969-12-31", false),
            ("1970-01-01", true),
            ("2199-12-31", true),
            ("2200-01-01", false),
            ("-9999-11-01", false),
        ] {
            assert_eq!(plausible_day(day.parse().unwrap()).is_ok(), is_plausible, "{day}");
        }
    }

    #[test]
    fn money_is_reported_from_ten_years_ago_until_tomorrow() {
        let now = "2026-11-30T22:00:00Z".parse().unwrap();
        for (time, refusal) in [
            ("2026-12-01T23:59:59Z", None),
            ("2026-12-02T00:00:00Z", Some(NotRecent::Ahead)),
            ("2016-11-30T00:00:00Z", None),
            ("2016-11-29T23:59:59Z", Some(NotRecent::LongAgo)),
        ] {
            assert_eq!(recent_time(time.parse().unwrap(), now).err(), refusal, "{time}");
        }
    }

    #[test]
    fn a_moment_is_on_another_day_elsewhere() {
        let time = "2026-10-31T23:30:00Z".parse().unwrap();
        let days = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York].map(|zone| day_in(zone, time).to_string());
        assert_eq!(days, ["2026-10-31", "2026-11-01", "2026-10-31"]);
    }
}
