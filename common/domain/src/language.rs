//! Languages of documents and messages to clients.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::{PartialSchema, ToSchema};

use crate::api_schema::text_schema;

/// The text is not a language code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a language is named by the two small letters of ISO 639-1, as in \"en\"")]
pub struct LanguageError;

/// A language by its ISO 639-1 code. The domain does not decide which languages documents and messages support.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Language([u8; 2]);

impl Language {
    /// The default language.
    pub const ENGLISH: Self = Self(*b"en");

    /// The pattern of every code (ECMA-262).
    pub const PATTERN: &'static str = "^[a-z]{2}$";

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Two ASCII letters are always UTF-8.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether it is the default, which events omit.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::ENGLISH
    }
}

impl PartialSchema for Language {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        text_schema(Self::PATTERN, "A language (ISO 639-1).", "de")
    }
}

impl ToSchema for Language {}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [first, second] if first.is_ascii_lowercase() && second.is_ascii_lowercase() => Ok(Self([*first, *second])),
            _ => Err(LanguageError),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.as_str().to_owned()
    }
}

impl TryFrom<String> for Language {
    type Error = LanguageError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl JsonSchema for Language {
    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": Self::PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_two_small_letters_and_nothing_else() {
        assert_eq!("de".parse::<Language>().map(|language| language.to_string()), Ok("de".to_owned()));
        for text in ["", "d", "DE", "De", "deu", "d1", "ü", "de ", "de-DE"] {
            assert_eq!(text.parse::<Language>(), Err(LanguageError), "{text:?}");
        }
    }

    #[test]
    fn english_is_the_default_language() {
        assert_eq!(Language::default().as_str(), "en");
    }
}
