//! Building blocks of the domain types' schemas in the OpenAPI document.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};

/// A text that matches a pattern (ECMA-262, anchored).
pub(crate) fn text_schema(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    text.description(Some(description)).examples([example]).into()
}

/// One of the given names.
pub(crate) fn name_schema<'a>(names: impl IntoIterator<Item = &'a str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

/// The longest text of an amount.
const AMOUNT_LENGTH_MAX: usize = 40;

/// `{"value": "100.00", "currency": "EUR"}`.
pub(crate) fn money_schema(pattern: &str, description: &str) -> RefOr<Schema> {
    let text = |pattern: &str, description: &str| {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(description))
    };
    let value = text(pattern, "A decimal, as a text, with no more decimals than the currency has.");
    let currency = text("^[A-Z]{3}$", "An ISO 4217 code of a currency that has a minor unit.").examples(["EUR"]);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("value", value.max_length(Some(AMOUNT_LENGTH_MAX)))
        .required("value")
        .property("currency", currency)
        .required("currency")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .examples([serde_json::json!({"value": "1190.00", "currency": "EUR"})])
        .into()
}
