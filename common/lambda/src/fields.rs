//! Reads a JSON body member by member, so that all problems are reported at once.

use std::fmt::Display;
use std::str::FromStr;

use chrono::NaiveDate;
use quittance_domain::calendar::plausible_day;
use quittance_domain::money::{Money, MoneyError, PositiveMoney};
use serde_json::{Map, Value};

use crate::problem::{FieldProblem, Problem};
use crate::unique_json::{REPEATED, UniqueJson};

/// The largest body of a request.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The longest text of a member without a tighter limit.
const TEXT_LENGTH_MAX: usize = 500;

/// The members of a JSON object that have not been read yet, and the problems found so far.
#[derive(Debug)]
pub struct Fields {
    pointer: String,
    members: Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    /// Parses a body.
    ///
    /// # Errors
    /// 413 above [`BODY_BYTES_MAX`], 400 if it is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.len() > BODY_BYTES_MAX {
            return Err(Problem::too_large(BODY_BYTES_MAX));
        }
        match serde_json::from_slice(body) {
            Ok(UniqueJson(Value::Object(members))) => {
                Ok(Self { pointer: String::new(), members, problems: Vec::new() })
            }
            Ok(_) => Err(whole("the body must be a JSON object".to_owned())),
            Err(error) if error.is_data() => {
                Err(whole(format!("{REPEATED}: line {} column {}", error.line(), error.column())))
            }
            Err(error) => Err(whole(format!("the body is not JSON: line {} column {}", error.line(), error.column()))),
        }
    }

    /// Records a problem with a member.
    pub fn problem(&mut self, name: &str, detail: impl Display) {
        let pointer = self.at(name);
        self.problems.push(FieldProblem { pointer, detail: detail.to_string() });
    }

    /// A required text that must parse.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name, 1, TEXT_LENGTH_MAX)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(name, error);
                None
            }
        }
    }

    /// A text that may be absent or null, and must parse if present.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        if self.is_absent(name) { None } else { self.required(name) }
    }

    /// A required text that is not blank, with a length within the given characters.
    pub fn text(&mut self, name: &str, length_min: usize, length_max: usize) -> Option<String> {
        match self.members.remove(name) {
            Some(Value::String(text)) if (length_min..=length_max).contains(&text.chars().count()) => {
                if text.chars().any(char::is_control) {
                    self.problem(name, "control characters are not allowed");
                    return None;
                }
                if length_min > 0 && text.trim().is_empty() {
                    self.problem(name, "must not be blank");
                    return None;
                }
                Some(text)
            }
            Some(Value::String(_)) => {
                self.problem(name, format!("must have {length_min} to {length_max} characters"));
                None
            }
            Some(_) => {
                self.problem(name, "must be a string");
                None
            }
            None => {
                self.problem(name, "is missing");
                None
            }
        }
    }

    /// A text that may be absent or null.
    pub fn optional_text(&mut self, name: &str, length_max: usize) -> Option<String> {
        if self.is_absent(name) { None } else { self.text(name, 1, length_max) }
    }

    /// A positive whole number.
    pub fn count(&mut self, name: &str, count_max: u32) -> Option<u32> {
        let value = self.members.remove(name);
        let count = value.as_ref().and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        match count {
            Some(count) if (1..=count_max).contains(&count) => Some(count),
            _ => {
                self.problem(name, format!("must be a whole number from 1 to {count_max}"));
                None
            }
        }
    }

    /// Whether a member is present and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// A boolean.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.members.remove(name) {
            Some(Value::Bool(flag)) => Some(flag),
            _ => {
                self.problem(name, "must be true or false");
                None
            }
        }
    }

    /// A required object, read by `read`.
    pub fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut fields = self.object(name)?;
        let value = read(&mut fields);
        self.absorb(fields);
        value
    }

    /// A plausible day in RFC 3339 format.
    pub fn day(&mut self, name: &str) -> Option<NaiveDate> {
        let text = self.text(name, 1, TEXT_LENGTH_MAX)?;
        // The parser is more lenient: it accepts `2026-1-5`.
        let Some(day) = text.parse::<NaiveDate>().ok().filter(|day| day.to_string() == text) else {
            self.problem(name, "must be a day, as in 2026-12-31");
            return None;
        };
        plausible_day(day).map_err(|error| self.problem(name, error)).ok()
    }

    /// `{"value": "100.00", "currency": "EUR"}` above zero.
    pub fn money(&mut self, name: &str) -> Option<PositiveMoney> {
        let mut fields = self.object(name)?;
        let currency = fields.text("currency", 3, 3);
        let value = fields.text("value", 1, 40);
        let money = currency.zip(value).and_then(|(currency, value)| {
            let money = Money::parse(&value, &currency).and_then(Money::positive);
            let member =
                |error: &MoneyError| if matches!(error, MoneyError::UnknownCurrency(_)) { "currency" } else { "value" };
            money.map_err(|error| fields.problem(member(&error), error)).ok()
        });
        self.absorb(fields);
        money
    }

    /// An amount that may be absent or null.
    pub fn optional_money(&mut self, name: &str) -> Option<PositiveMoney> {
        if self.is_absent(name) { None } else { self.money(name) }
    }

    /// A list of texts, none of which is blank.
    pub fn texts(&mut self, name: &str, count_max: usize, length_max: usize) -> Option<Vec<String>> {
        let items = self.list(name, count_max)?;
        let is_fit = |text: &&str| {
            text.chars().count() <= length_max && !text.chars().any(char::is_control) && !text.trim().is_empty()
        };
        let texts: Vec<String> = items.iter().filter_map(Value::as_str).filter(is_fit).map(ToOwned::to_owned).collect();
        if texts.len() != items.len() {
            self.problem(
                name,
                format!(
                    "must contain strings of 1 to {length_max} characters, none of them blank or with control characters"
                ),
            );
            return None;
        }
        Some(texts)
    }

    /// A list of texts that may be absent or null.
    pub fn optional_texts(&mut self, name: &str, count_max: usize, length_max: usize) -> Option<Vec<String>> {
        if self.is_absent(name) { None } else { self.texts(name, count_max, length_max) }
    }

    /// A raw member, for callers that parse it themselves; it may be absent or null.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// A list of texts that may be absent, null or empty.
    pub fn texts_or_none(&mut self, name: &str, count_max: usize, length_max: usize) -> Vec<String> {
        if self.members.get(name).is_some_and(|value| value.as_array().is_some_and(Vec::is_empty)) {
            self.members.remove(name);
            return Vec::new();
        }
        self.optional_texts(name, count_max, length_max).unwrap_or_default()
    }

    /// A member that only we set. A caller may send back the value that it read; another value is refused.
    pub fn read_only(&mut self, name: &str, current: &Value) {
        if self.members.remove(name).is_some_and(|value| value != *current) {
            self.problem(name, "is read-only: leave it out, or send it unchanged");
        }
    }

    /// A list of objects, each read by `read`.
    pub fn objects<T>(
        &mut self,
        name: &str,
        count_max: usize,
        read: impl Fn(&mut Fields) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(name, count_max)?;
        let mut values = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let pointer = format!("{}/{index}", self.at(name));
            let Value::Object(members) = item else {
                self.problems.push(FieldProblem { pointer, detail: "must be an object".to_owned() });
                continue;
            };
            let mut fields = Self { pointer, members, problems: Vec::new() };
            values.extend(read(&mut fields));
            self.absorb(fields);
        }
        Some(values)
    }

    /// Ends reading: every remaining member is unknown.
    ///
    /// # Errors
    /// 400 with every problem found.
    pub fn finish(self) -> Result<(), Problem> {
        let problems = self.into_problems();
        if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems)) }
    }

    fn list(&mut self, name: &str, count_max: usize) -> Option<Vec<Value>> {
        match self.members.remove(name) {
            Some(Value::Array(items)) if (1..=count_max).contains(&items.len()) => Some(items),
            _ => {
                self.problem(name, format!("must be a list of 1 to {count_max}"));
                None
            }
        }
    }

    fn object(&mut self, name: &str) -> Option<Self> {
        match self.members.remove(name) {
            Some(Value::Object(members)) => Some(Self { pointer: self.at(name), members, problems: Vec::new() }),
            Some(_) => {
                self.problem(name, "must be an object");
                None
            }
            None => {
                self.problem(name, "is missing");
                None
            }
        }
    }

    fn is_absent(&mut self, name: &str) -> bool {
        if self.members.get(name).is_some_and(Value::is_null) {
            self.members.remove(name);
        }
        !self.members.contains_key(name)
    }

    fn absorb(&mut self, fields: Self) {
        self.problems.extend(fields.into_problems());
    }

    fn into_problems(mut self) -> Vec<FieldProblem> {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            self.problem(&name, "is unknown");
        }
        self.problems
    }

    /// JSON Pointer to a member (RFC 6901 §3: `~` and `/` are escaped).
    fn at(&self, name: &str) -> String {
        let name: String = name.chars().take(100).collect();
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}

fn whole(detail: String) -> Problem {
    Problem::invalid(vec![FieldProblem { pointer: String::new(), detail }])
}

#[cfg(test)]
mod tests {
    use quittance_domain::id::InvoiceId;

    use super::*;

    fn pointers(fields: Fields) -> Vec<String> {
        fields.into_problems().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_pointers() {
        let body = br#"{"invoice_id": "x", "amount": {"value": "10.5", "currency": "JPY", "cents": 1}, "a/b": 1, "lines": [{"n": 0}, 5]}"#;
        let mut fields = Fields::parse(body).unwrap();
        assert_eq!(fields.required::<InvoiceId>("invoice_id"), None);
        assert_eq!(fields.money("amount"), None);
        assert_eq!(fields.text("note", 1, 9), None);
        fields.objects("lines", 9, |line| line.count("n", 5));
        let found = pointers(fields);
        for pointer in ["/invoice_id", "/amount/value", "/amount/cents", "/note", "/lines/0/n", "/lines/1", "/a~1b"] {
            assert!(found.contains(&pointer.to_owned()), "{pointer} in {found:?}");
        }
    }

    #[test]
    fn a_body_with_a_member_twice_is_refused_whole() {
        let amount = r#"{"value": "1.00", "currency": "EUR", "value": "9.00"}"#;
        for body in [r#"{"a": 1, "a": 2}"#.to_owned(), format!(r#"{{"amount": {amount}}}"#)] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn blank_texts_are_refused_alone_and_in_lists() {
        let mut fields = Fields::parse(br#"{"name": "  ", "address": [""], "lines": ["A 1", " "]}"#).unwrap();
        assert_eq!(fields.text("name", 1, 9), None);
        assert_eq!((fields.texts("address", 9, 9), fields.texts("lines", 9, 9)), (None, None));
        assert_eq!(pointers(fields), ["/name", "/address", "/lines"]);
    }

    #[test]
    fn what_was_read_may_be_sent_back_and_nothing_else_where_only_we_write() {
        let mut fields = Fields::parse(br#"{"id": "x", "address": "a@b.example", "notices": []}"#).unwrap();
        fields.read_only("id", &Value::from("x"));
        fields.read_only("address", &Value::from("c@d.example"));
        assert_eq!(fields.texts_or_none("notices", 9, 9), Vec::<String>::new());
        assert_eq!(pointers(fields), ["/address"]);
    }

    #[test]
    fn negative_and_zero_amounts_and_numbers_are_refused() {
        for amount in [
            r#"{"value":"-1","currency":"EUR"}"#,
            r#"{"value":"0","currency":"EUR"}"#,
            r#"{"value":1,"currency":"EUR"}"#,
            "5",
            "null",
        ] {
            let mut fields = Fields::parse(format!(r#"{{"amount":{amount}}}"#).as_bytes()).unwrap();
            assert_eq!(fields.money("amount"), None, "{amount}");
            assert!(!pointers(fields).is_empty());
        }
    }

    #[test]
    fn a_day_is_written_in_one_way_only() {
        for (text, is_fit) in [("2026-12-31", true), ("2026-1-5", false), ("1969-12-31", false), ("+2026-01-01", false)]
        {
            let mut fields = Fields::parse(format!(r#"{{"day":"{text}"}}"#).as_bytes()).unwrap();
            assert_eq!(fields.day("day").is_some(), is_fit, "{text}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_or_too_large_is_refused() {
        for body in ["", "[]", "1", "{", "\u{0}"] {
            assert_eq!(Fields::parse(body.as_bytes()).unwrap_err().status(), 400);
        }
        assert_eq!(Fields::parse(&vec![b' '; BODY_BYTES_MAX + 1]).unwrap_err().status(), 413);
    }
}
