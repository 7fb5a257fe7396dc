//! Which days and times can be meant.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

/// Why a day or time is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the year must be from 1970 to 2199")]
pub struct Implausible;

/// A day that an invoice, a payment or a bank line can have: anything else is a slip or an attack, and PostgreSQL keeps
/// fewer years than we can parse.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_that_nobody_means_are_refused() {
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
}
