//! Translates sentences that are stored in English.

use quittance_domain::language::Language;

use crate::{Words, words};

/// A sentence of the given section, generated from the English texts, in another language; any other text, such as a
/// remark that somebody wrote, is unchanged. Values with a text in the section `value` are translated too.
#[must_use]
pub fn translated(language: Language, section: &str, text: &str) -> String {
    let (spoken, english) = (words(language), words(Language::ENGLISH));
    let found = english.section(section).find_map(|(name, pattern)| Some((name, values(pattern, text)?)));
    let Some((name, values)) = found else { return text.to_owned() };
    let reported: Vec<(&str, &str)> = values.into_iter().map(|(name, value)| (name, of_value(spoken, value))).collect();
    spoken.filled_by(&format!("{section}.{name}"), &reported).unwrap_or_else(|| text.to_owned())
}

fn of_value(spoken: Words, value: &str) -> &str {
    spoken.find(&format!("value.{value}")).unwrap_or(value)
}

/// The values with which the pattern produces the text, if it does. A value is one word.
fn values<'a>(pattern: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (before, mut pattern) = pattern.split_once('{').unwrap_or((pattern, ""));
    let mut text = text.strip_prefix(before)?;
    let mut values = Vec::new();
    while let Some((name, rest)) = pattern.split_once('}') {
        let (literal, next) = rest.split_once('{').unwrap_or((rest, ""));
        let end = if literal.is_empty() { text.len() } else { text.find(literal)? };
        let (value, behind) = text.split_at_checked(end)?;
        if value.is_empty() || value.contains(char::is_whitespace) {
            return None;
        }
        values.push((name, value));
        (pattern, text) = (next, behind.strip_prefix(literal)?);
    }
    text.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_english_texts_are_translated_into_the_clients_language() {
        let german = "de".parse().unwrap();
        for (kept, reported) in [
            ("Invoice INV-1 issued", "Rechnung INV-1 ausgestellt"),
            ("Payment stripe:pi_1 of invoice INV-1", "Zahlung stripe:pi_1 der Rechnung INV-1"),
            ("Surplus of payment manual:a reduced: refunded", "Guthaben aus Zahlung manual:a verringert: erstattet"),
            ("Goodwill of the 3rd", "Goodwill of the 3rd"),
            ("Invoice INV-1 issued twice", "Invoice INV-1 issued twice"),
        ] {
            assert_eq!(translated(german, "entry", kept), reported);
            assert_eq!(translated(Language::ENGLISH, "entry", kept), kept);
        }
    }
}
