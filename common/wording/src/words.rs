//! The texts of each language.

use icu_locale_core::{Locale, locale};
use quittance_domain::language::Language;

/// The texts of one language, ordered by key.
type Texts = &'static [(&'static str, &'static str)];

/// Every language that has a file, ordered by code.
const LANGUAGES: &[(&str, Texts)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The languages with translations.
pub fn languages() -> impl Iterator<Item = Language> {
    LANGUAGES.iter().filter_map(|(code, _)| code.parse().ok())
}

/// The texts of a language; English if it has none.
#[must_use]
pub fn words(language: Language) -> Words {
    let has = |code: &str| LANGUAGES.iter().find(|(name, _)| *name == code);
    let (code, texts) = has(language.as_str()).or_else(|| has("en")).copied().unwrap_or(("en", &[]));
    Words { code, texts }
}

/// The texts of one language. Keys are `<section>.<name>`, as in `receipt.title`.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    code: &'static str,
    texts: Texts,
}

impl Words {
    /// The code of the language that is actually used.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// A text; the key itself if there is none, so that a gap is visible. Tests check that there is none.
    #[must_use]
    pub fn text(self, key: &'static str) -> &'static str {
        self.find(key).unwrap_or(key)
    }

    /// A text by a computed key, as in `provider.stripe`.
    #[must_use]
    pub fn find(self, key: &str) -> Option<&'static str> {
        let place = self.texts.binary_search_by_key(&key, |(name, _)| *name).ok()?;
        self.texts.get(place).map(|(_, text)| *text)
    }

    /// A text with `{name}` replaced by each value, in one pass: braces within a value stay as they are.
    #[must_use]
    pub fn fill(self, key: &'static str, values: &[(&str, &str)]) -> String {
        fill(self.text(key), values)
    }

    /// The same by a computed key, if there is such a text.
    pub(crate) fn filled_by(self, key: &str, values: &[(&str, &str)]) -> Option<String> {
        self.find(key).map(|text| fill(text, values))
    }

    /// The texts of one section, by name, for templates.
    pub fn section(self, section: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        let within = move |key: &'static str| key.strip_prefix(section)?.strip_prefix('.');
        self.texts.iter().filter_map(move |(key, text)| Some((within(key)?, *text)))
    }

    /// The locale that amounts and dates follow.
    pub(crate) fn locale(self) -> Locale {
        self.text("format.locale").parse().unwrap_or(locale!("en-GB"))
    }
}

fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let named = after.split_once('}');
        let value = named.and_then(|(name, _)| values.iter().find(|(known, _)| *known == name));
        match (named, value) {
            (Some((_, behind)), Some((_, value))) => {
                filled.push_str(value);
                rest = behind;
            }
            _ => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The placeholders, by key.
    fn placeholders(texts: Texts) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let names = |text: &'static str| {
            text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
        };
        texts.iter().map(|(key, text)| (*key, names(text))).collect()
    }

    #[test]
    fn every_language_says_the_same_things_with_the_same_values() {
        let english = placeholders(words(Language::ENGLISH).texts);
        assert!(english.len() > 20, "{english:?}");
        for (code, texts) in LANGUAGES {
            let here = placeholders(texts);
            let missing: Vec<_> = english.iter().filter(|(key, names)| here.get(*key) != Some(names)).collect();
            let more: Vec<_> = here.keys().filter(|key| !english.contains_key(*key)).collect();
            assert!(missing.is_empty() && more.is_empty(), "{code}.toml lacks {missing:?}, and has {more:?} alone");
        }
    }

    #[test]
    fn every_language_has_customs_that_are_known() {
        for (code, texts) in LANGUAGES {
            let locale = Words { code, texts }.text("format.locale").parse::<Locale>();
            assert!(locale.is_ok_and(|locale| locale.id.language.as_str() == *code), "{code}.toml: format.locale");
            assert!(texts.iter().all(|(_, text)| !text.trim().is_empty()), "{code}.toml");
        }
    }

    #[test]
    fn a_language_without_a_file_speaks_english() {
        assert_eq!(words("xx".parse().unwrap()).code(), "en");
        assert_eq!(words("de".parse().unwrap()).code(), "de");
    }

    #[test]
    fn values_are_filled_in_once_and_never_read_as_text_to_fill() {
        let values = [("name", "{amount}"), ("amount", "EUR 1")];
        assert_eq!(fill("{name} paid {amount} {other} {", &values), "{amount} paid EUR 1 {other} {");
    }
}
