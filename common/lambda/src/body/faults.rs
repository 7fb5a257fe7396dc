//! The faults of a body, each with its JSON pointer.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::str::FromStr;

use deserr::{
    DeserializeError, ErrorKind, IntoValue, MergeWithError, Value, ValueKind, ValuePointerRef, take_cf_content,
};

use crate::problem::{FieldProblem, Problem};

/// A pointer repeats at most this many characters of a member's name.
const NAME_LENGTH_MAX: usize = 100;

/// The longest text that is parsed, in characters; its parser may repeat it to the caller.
const PARSED_LENGTH_MAX: usize = 500;

/// All faults of a body.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldProblem>);

impl Faults {
    /// One fault.
    pub fn at(location: ValuePointerRef<'_>, detail: impl Display) -> Self {
        Self(vec![FieldProblem { pointer: pointer(location), detail: detail.to_string() }])
    }

    /// A value of another kind than the member has.
    pub fn wrong_kind<V: IntoValue>(actual: Value<V>, accepted: &[ValueKind], location: ValuePointerRef<'_>) -> Self {
        take_cf_content(Self::error(None, ErrorKind::IncorrectValueKind { actual, accepted }, location))
    }

    /// A fault of a member, by its JSON pointer.
    pub fn of(pointer: &str, detail: impl Display) -> Self {
        Self(vec![FieldProblem { pointer: pointer.to_owned(), detail: detail.to_string() }])
    }

    /// Adds a fault of a member, by its JSON pointer.
    pub fn add(&mut self, pointer: &str, detail: impl Display) {
        self.0.push(FieldProblem { pointer: pointer.to_owned(), detail: detail.to_string() });
    }

    /// Adds the faults of another part.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value, or none and its faults added.
    pub fn keep<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        result.map_err(|faults| self.merge(faults)).ok()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problem with all faults.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        Problem::invalid(self.0)
    }

    /// The problem with all faults of a query: parameters are named without the pointer's slash.
    #[must_use]
    pub fn into_query_problem(self) -> Problem {
        let name = |FieldProblem { pointer, detail }: FieldProblem| FieldProblem {
            pointer: pointer.strip_prefix('/').map(ToOwned::to_owned).unwrap_or(pointer),
            detail,
        };
        Problem::invalid(self.0.into_iter().map(name).collect())
    }

    /// Nothing, if there is no fault.
    ///
    /// # Errors
    /// All faults.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl DeserializeError for Faults {
    fn error<V: IntoValue>(
        known: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let place = || pointer(location);
        let (pointer, detail) = match error {
            ErrorKind::MissingField { field } => (member(&place(), field), "is missing".to_owned()),
            ErrorKind::UnknownKey { key, .. } => (member(&place(), key), "is not known here".to_owned()),
            ErrorKind::IncorrectValueKind { accepted, .. } => (place(), format!("must be {}", kinds(accepted))),
            ErrorKind::UnknownValue { accepted, .. } => (place(), format!("must be one of {}", accepted.join(", "))),
            ErrorKind::BadSequenceLen { expected, .. } => (place(), format!("must have {expected} items")),
            ErrorKind::Unexpected { msg } => (place(), msg),
        };
        let mut faults = known.unwrap_or_default();
        faults.0.push(FieldProblem { pointer, detail });
        ControlFlow::Continue(faults)
    }
}

impl MergeWithError<Self> for Faults {
    fn merge(known: Option<Self>, other: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut faults = known.unwrap_or_default();
        faults.0.extend(other.0);
        ControlFlow::Continue(faults)
    }
}

/// A text that must parse as `T`.
///
/// # Errors
/// The fault at the location.
pub fn parsed<T: FromStr<Err: Display>, V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
) -> Result<T, Faults> {
    let text = text(value, location)?;
    if text.chars().count() > PARSED_LENGTH_MAX {
        return Err(Faults::at(location, format!("must have at most {PARSED_LENGTH_MAX} characters")));
    }
    text.parse().map_err(|error| Faults::at(location, error))
}

/// A text.
pub(super) fn text<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<String, Faults> {
    match value {
        Value::String(text) => Ok(text),
        actual => Err(Faults::wrong_kind(actual, &[ValueKind::String], location)),
    }
}

fn kinds(accepted: &[ValueKind]) -> String {
    let name = |kind: &ValueKind| match kind {
        ValueKind::Null => "null",
        ValueKind::Boolean => "true or false",
        ValueKind::Integer | ValueKind::NegativeInteger | ValueKind::Float => "a number",
        ValueKind::String => "a text",
        ValueKind::Sequence => "a list",
        ValueKind::Map => "an object",
    };
    accepted.iter().map(name).collect::<Vec<_>>().join(" or ")
}

/// JSON Pointer (RFC 6901 §3: `~` and `/` are escaped).
fn pointer(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => member(&pointer(*prev), key),
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", pointer(*prev)),
    }
}

fn member(parent: &str, name: &str) -> String {
    let name: String = name.chars().take(NAME_LENGTH_MAX).collect();
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}
