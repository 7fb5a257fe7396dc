//! Pagination of lists: `?limit=&cursor=`.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::calendar::{plausible_day, plausible_time};
use quittance_lambda::openapi::parameters::in_query;
use quittance_lambda::openapi::schema::{count, words};
use quittance_lambda::parameters;
use quittance_lambda::problem::{FieldProblem, Problem};
use serde::Deserialize;
use serde_json::json;

const LIMIT_DEFAULT: i64 = 50;

const LIMIT_MAX: i64 = 200;

parameters! {
    /// The query of every list.
    pub(crate) PageParameters => [
        in_query(
            "limit",
            count(1, LIMIT_MAX.unsigned_abs(), "The page size.").default(Some(json!(LIMIT_DEFAULT))),
            "The maximum number of entries.",
        ),
        in_query("cursor", words("A cursor."), "The `next_cursor` of the previous page; without it, the first page is returned."),
    ]
}

/// The query of a list, unparsed.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug)]
pub(crate) struct PageRequest<T> {
    /// The page size.
    limit: i64,
    /// The entry after which the page begins.
    pub(crate) after: Option<T>,
}

impl PageQuery {
    /// Parses the query.
    ///
    /// # Errors
    /// 400 if the limit is out of bounds or the cursor is not one of ours.
    pub(crate) fn page<T: FromStr>(&self) -> Result<PageRequest<T>, Problem> {
        let limit = match self.limit.as_deref() {
            None => LIMIT_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or_else(|| refused("limit", format!("must be a whole number from 1 to {LIMIT_MAX}")))?,
        };
        let after = match self.cursor.as_deref() {
            None => None,
            Some(text) => {
                Some(text.parse().map_err(|_| refused("cursor", "must be the `next_cursor` of a previous page"))?)
            }
        };
        Ok(PageRequest { limit, after })
    }
}

/// Parses a query parameter, if present.
///
/// # Errors
/// 400 if it does not parse.
pub(crate) fn query_value<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(str::parse).transpose().map_err(|error: T::Err| refused(name, error))
}

/// Parses a day in a query, if present, within the years that we accept.
///
/// # Errors
/// 400 if it does not parse or is implausible.
pub(crate) fn query_day(name: &str, text: Option<&str>) -> Result<Option<NaiveDate>, Problem> {
    let day = query_value::<NaiveDate>(name, text)?;
    day.map(plausible_day).transpose().map_err(|error| refused(name, error))
}

/// Parses a time in a query, if present, within the same years.
///
/// # Errors
/// 400 if it does not parse or is implausible.
pub(crate) fn query_time(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let time = query_value::<DateTime<Utc>>(name, text)?;
    time.map(plausible_time).transpose().map_err(|error| refused(name, error))
}

/// 400: a query parameter is invalid.
pub(crate) fn refused(name: &str, detail: impl Display) -> Problem {
    Problem::invalid(vec![FieldProblem { pointer: name.to_owned(), detail: detail.to_string() }])
}

impl<T> PageRequest<T> {
    /// The number of entries to read: one more than the page size, to determine whether there is a next page.
    pub(crate) const fn to_read(&self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// The entries of the page, and the cursor of the next page, from the entries read.
    pub(crate) fn cut<E>(&self, mut entries: Vec<E>, cursor: impl Fn(&E) -> String) -> (Vec<E>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next_cursor = entries.last().filter(|_| has_more).map(cursor);
        (entries, next_cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_days_are_refused() {
        assert!(query_day("to", Some("2026-11-02")).unwrap().is_some());
        for text in ["+262142-12-31", "-5000-01-01", "2200-01-01", "2026-02-30", ""] {
            assert!(query_day("to", Some(text)).is_err(), "{text}");
        }
        assert!(query_time("as_of", Some("9999-12-31T23:59:59Z")).is_err());
    }
}
