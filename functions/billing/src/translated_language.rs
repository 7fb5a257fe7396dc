//! The languages of documents and messages.

use deserr::{Deserr, IntoValue, ValuePointerRef};
use quittance_domain::language::Language;
use quittance_lambda::body::Faults;
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A language that documents and messages are translated into. The schema does not list them, because that would change
/// the API's contract with every new translation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TranslatedLanguage(pub(crate) Language);

impl Deserr<Faults> for TranslatedLanguage {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let language = Language::deserialize_from_value(value, location)?;
        if quittance_wording::languages().any(|translated| translated == language) {
            return Ok(Self(language));
        }
        let translated: Vec<String> = quittance_wording::languages().map(String::from).collect();
        Err(Faults::at(location, format!("must be one of {}", translated.join(", "))))
    }
}

impl PartialSchema for TranslatedLanguage {
    fn schema() -> RefOr<Schema> {
        Language::schema()
    }
}

impl ToSchema for TranslatedLanguage {}

#[cfg(test)]
mod tests {
    use quittance_lambda::body;
    use serde_json::{Value, json};

    use super::*;

    fn parse(language: Value) -> Result<Option<TranslatedLanguage>, String> {
        body::from_value(language).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn a_client_is_written_to_in_a_language_that_there_are_words_in() {
        for (asked_for, spoken) in [(json!("de"), "de"), (json!("en"), "en"), (Value::Null, "en")] {
            assert_eq!(parse(asked_for).unwrap().unwrap_or_default().0.as_str(), spoken);
        }
        for unknown in ["xx", "DE", "deu", ""] {
            assert!(parse(json!(unknown)).is_err(), "{unknown}");
        }
        let refused = parse(json!("xx")).unwrap_err();
        assert!(refused.contains("must be one of "), "{refused}");
    }
}
