//! Queries of requests: as for bodies, one struct gives the parser and the description, and all faults are reported at
//! once. `#[derive(Deserr, IntoParams)]` with `#[deserr(error = Faults, deny_unknown_fields)]` and
//! `#[into_params(parameter_in = Query)]`; every value is a text.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use deserr::Deserr;
use form_urlencoded::parse;
use http::request::Parts;
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::body::Faults;
use crate::body::values::Text;
use crate::problem::{FieldProblem, Problem};

/// Where a page begins.
type Cursor = Text<1, PARSED_LENGTH_MAX>;

/// The longest text that is parsed, in characters.
const PARSED_LENGTH_MAX: usize = 500;

const LIMIT_DEFAULT: u16 = 50;
const LIMIT_MAX: u16 = 200;

/// The query of a request.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<T>(pub T);

impl<T: Deserr<Faults>, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let read = members(parts).and_then(|members| deserr::deserialize(Value::Object(members)));
        read.map(Self).map_err(Faults::into_query_problem)
    }
}

/// A request for a page of a list: filters, page size, and where the page begins.
#[derive(Debug, Clone)]
pub struct ListRequest<F, C> {
    /// The filters, and the order if there is a choice.
    pub filters: F,
    /// The page.
    pub page: Page<C>,
}

/// The query of a list without filters.
#[derive(Debug, Clone, Copy, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct NoFilters {}

/// The parameters that every list takes.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the query")]
pub struct PageParameters {
    /// The maximum number of entries.
    #[param(inline, required = false)]
    limit: Limit,
    /// The `next_cursor` of the previous page; without it, the first page is returned. Opaque, and valid for the same
    /// filters and order only.
    #[param(inline, nullable = false)]
    cursor: Option<Cursor>,
}

/// A page: its size, and the entry after which it begins.
#[derive(Debug, Clone)]
pub struct Page<C> {
    limit: Limit,
    /// The entry after which the page begins; none for the first page.
    pub after: Option<C>,
}

/// The size of a page.
#[derive(Debug, Clone, Copy)]
struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        number.map(Self).ok_or_else(|| format!("must be a whole number from 1 to {LIMIT_MAX}"))
    }
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LIMIT_MAX));
        limit.default(Some(LIMIT_DEFAULT.into())).into()
    }
}

impl ToSchema for Limit {}

impl<F: Deserr<Faults>, C: FromStr, S: Sync> FromRequestParts<S> for ListRequest<F, C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::read(parts)?;
        let page = query.page();
        query.finish(|filters| Some(Self { filters: filters?, page: page? }))
    }
}

/// A query that is parsed part by part, and all its faults.
#[derive(Debug)]
pub(crate) struct Query {
    members: Map<String, Value>,
    faults: Faults,
}

impl Query {
    /// The query of a request; a parameter that is given twice is a fault.
    pub(crate) fn read(parts: &Parts) -> Result<Self, Problem> {
        let members = members(parts).map_err(Faults::into_query_problem)?;
        Ok(Self { members, faults: Faults::default() })
    }

    /// The part with these parameters.
    pub(crate) fn take<T: Deserr<Faults>>(&mut self, names: &[&str]) -> Option<T> {
        let part = names.iter().filter_map(|name| self.members.remove_entry(*name));
        let part = deserr::deserialize(Value::Object(part.collect()));
        self.faults.keep(part)
    }

    /// The page.
    pub(crate) fn page<C: FromStr>(&mut self) -> Option<Page<C>> {
        let limit = self.parsed::<Limit>("limit", |error| error);
        let after = self.parsed("cursor", |_| "must be the `next_cursor` of a previous page".to_owned());
        Some(Page { limit: limit?.unwrap_or_default(), after: after? })
    }

    /// A parameter, if it is given; none if it cannot be parsed.
    fn parsed<T: FromStr>(&mut self, name: &str, detail: impl FnOnce(T::Err) -> String) -> Option<Option<T>> {
        let text = self.members.remove(name);
        let fault = |detail: String| Faults::of(&format!("/{name}"), detail);
        let parsed = match text.as_ref().and_then(Value::as_str) {
            None => Ok(None),
            Some(text) if text.chars().count() > PARSED_LENGTH_MAX => {
                Err(fault(format!("must have at most {PARSED_LENGTH_MAX} characters")))
            }
            Some(text) => text.parse().map(Some).map_err(|error| fault(detail(error))),
        };
        self.faults.keep(parsed)
    }

    /// What `combine` makes of the parameters that are left.
    ///
    /// # Errors
    /// 400 with all faults.
    pub(crate) fn finish<T: Deserr<Faults>, R>(
        mut self,
        combine: impl FnOnce(Option<T>) -> Option<R>,
    ) -> Result<R, Problem> {
        let rest = deserr::deserialize(Value::Object(self.members));
        let rest = self.faults.keep(rest);
        combine(rest).filter(|_| self.faults.is_empty()).ok_or_else(|| self.faults.into_query_problem())
    }
}

impl<C> Page<C> {
    /// The number of entries to read: one more than the page size, to determine whether there is a next page.
    #[must_use]
    pub fn to_read(&self) -> i64 {
        i64::from(self.limit.0) + 1
    }

    /// The page size.
    #[must_use]
    pub fn size(&self) -> usize {
        self.limit.0.into()
    }

    /// The entries of the page, and the cursor of the next page, from the entries read.
    pub fn cut<E>(&self, mut entries: Vec<E>, cursor: impl Fn(&E) -> String) -> (Vec<E>, Option<String>) {
        let has_more = entries.len() > self.size();
        entries.truncate(self.size());
        let next_cursor = entries.last().filter(|_| has_more).map(cursor);
        (entries, next_cursor)
    }
}

/// 400: a parameter of the query is invalid.
pub fn refused(name: &str, detail: impl Display) -> Problem {
    Problem::invalid(vec![FieldProblem { pointer: name.to_owned(), detail: detail.to_string() }])
}

/// The parameters of a query, each with its text.
fn members(parts: &Parts) -> Result<Map<String, Value>, Faults> {
    let (mut members, mut faults) = (Map::new(), Faults::default());
    for (name, text) in parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if members.insert(name.to_string(), Value::String(text.into_owned())).is_some() {
            faults.add(&format!("/{name}"), "is given twice");
        }
    }
    faults.finish().map(|()| members)
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use chrono::NaiveDate;

    use super::*;
    use crate::body::times::Day;

    #[derive(Debug, Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Filters {
        #[deserr(default)]
        on: Option<Day>,
    }

    async fn list(query: &str) -> Result<ListRequest<Filters, u64>, Vec<String>> {
        let request = Request::builder().uri(format!("/v1/things?{query}")).body(()).unwrap();
        let list = ListRequest::from_request_parts(&mut request.into_parts().0, &()).await;
        list.map_err(|problem| {
            let problem = serde_json::to_value(problem).unwrap();
            let errors = problem["errors"].as_array().cloned().unwrap_or_default();
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
        })
    }

    #[tokio::test]
    async fn all_faults_of_a_query_are_reported_at_once_by_name() {
        let mut faults = list("limit=0&cursor=x&on=2026-02-30&colour=red").await.unwrap_err();
        faults.sort();
        assert_eq!(faults, ["colour", "cursor", "limit", "on"]);
        assert_eq!(list("on=2026-11-02&on=2026-11-03").await.unwrap_err(), ["on"]);
        for limit in ["201", "-1", "1.0", "", "%20"] {
            assert_eq!(list(&format!("limit={limit}")).await.unwrap_err(), ["limit"], "{limit}");
        }
    }

    #[tokio::test]
    async fn a_page_has_at_most_as_many_entries_as_asked_for_and_says_where_the_next_begins() {
        let request = list("on=2026-11-02&limit=2&cursor=7").await.unwrap();
        assert_eq!(request.filters.on.map(Day::get), NaiveDate::from_ymd_opt(2026, 11, 2));
        assert_eq!((request.page.after, request.page.to_read()), (Some(7), 3));
        assert_eq!(request.page.cut(vec![8, 9, 10], u64::to_string), (vec![8, 9], Some("9".to_owned())));
        assert_eq!(request.page.cut(vec![8, 9], u64::to_string), (vec![8, 9], None));
        assert_eq!(list("").await.unwrap().page.to_read(), i64::from(LIMIT_DEFAULT) + 1);
    }
}
