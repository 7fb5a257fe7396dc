//! An invoice that a request names by its id or by its printed number.

use std::fmt;
use std::str::FromStr;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use quittance_domain::command::InvoiceReference;
use quittance_domain::id::InvoiceId;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::faults::{Faults, parsed};

/// Numbers have no underscore, so that a misspelt id is not taken for one.
const PATTERN: &str = "^(inv_[0-9a-fA-F]{32}|[A-Za-z0-9][A-Za-z0-9./-]{0,49})$";

/// The longest printed number, in characters.
const NUMBER_LENGTH_MAX: usize = 50;

/// An invoice, by its id or by its printed number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceIdOrNumber(pub InvoiceReference);

/// The text is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an invoice's id (inv_…) or its printed number")]
pub struct NotAnInvoice;

impl FromStr for InvoiceIdOrNumber {
    type Err = NotAnInvoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self(InvoiceReference::Id(id)));
        }
        let is_number = text.len() <= NUMBER_LENGTH_MAX
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(|one| one.is_ascii_alphanumeric() || "./-".contains(one));
        is_number.then(|| Self(InvoiceReference::Number(text.to_owned()))).ok_or(NotAnInvoice)
    }
}

impl fmt::Display for InvoiceIdOrNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            InvoiceReference::Id(id) => id.fmt(formatter),
            InvoiceReference::Number(number) => number.fmt(formatter),
        }
    }
}

impl Serialize for InvoiceIdOrNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Deserr<Faults> for InvoiceIdOrNumber {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, Faults> {
        parsed(value, location)
    }
}

impl PartialSchema for InvoiceIdOrNumber {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        let text = text.description(Some("An invoice, by its id or by its printed number."));
        text.examples([InvoiceId::EXAMPLE, "INV-2026-000042"]).into()
    }
}

impl ToSchema for InvoiceIdOrNumber {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_is_named_by_its_id_or_its_number_and_nothing_else() {
        let id = InvoiceId::EXAMPLE;
        assert_eq!(id.parse(), Ok(InvoiceIdOrNumber(InvoiceReference::Id(id.parse().unwrap()))));
        for number in ["INV-2026-000042", "2026/17", "7", "R.2026-1"] {
            let read = number.parse::<InvoiceIdOrNumber>().unwrap();
            assert_eq!(read, InvoiceIdOrNumber(InvoiceReference::Number(number.to_owned())));
            assert_eq!(read.to_string(), number);
        }
        let long = "1".repeat(NUMBER_LENGTH_MAX + 1);
        for text in ["", "inv_1", &id[..35], "INV 2026", "-1", "1\n", "ü1", &long] {
            assert_eq!(text.parse::<InvoiceIdOrNumber>(), Err(NotAnInvoice), "{text}");
        }
    }
}
