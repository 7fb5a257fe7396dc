//! Formats dates for the readers of a language.

use chrono::{Datelike, NaiveDate};
use icu_calendar::{Date, Gregorian};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMD;
use quittance_domain::language::Language;

use crate::words;

/// `2 November 2026` or `2. November 2026`.
#[must_use]
pub fn long_date(language: Language, date: NaiveDate) -> String {
    let formatter =
        FixedCalendarDateTimeFormatter::<Gregorian, YMD>::try_new(words(language).locale().into(), YMD::long()).ok();
    let day = u8::try_from(date.month()).ok().zip(u8::try_from(date.day()).ok());
    let day = day.and_then(|(month, day)| Date::try_new_gregorian(date.year(), month, day).ok());
    formatter.zip(day).map_or_else(|| date.to_string(), |(formatter, day)| formatter.format(&day).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_with_the_months_name() {
        for (day, english, german) in [
            ("2026-11-02", "2 November 2026", "2. November 2026"),
            ("2028-02-29", "29 February 2028", "29. Februar 2028"),
            ("2026-03-31", "31 March 2026", "31. März 2026"),
        ] {
            let day: NaiveDate = day.parse().unwrap();
            assert_eq!(long_date(Language::ENGLISH, day), english);
            assert_eq!(long_date("de".parse().unwrap(), day), german);
        }
    }
}
