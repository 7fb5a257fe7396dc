//! A command's output: text for people, JSON for scripts.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

/// The output.
#[derive(Debug, Clone)]
pub struct Report {
    /// For people.
    pub text: String,
    /// The same for scripts, with all details.
    pub json: Value,
    /// Whether nothing needs attention: the exit code is then 0, otherwise 1.
    pub is_clean: bool,
}

impl Report {
    /// Output about something that needs no attention.
    #[must_use]
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, is_clean: true }
    }

    /// The text made safe for a terminal: parked content may contain characters that move the cursor or reorder lines.
    #[must_use]
    pub fn print(&self) -> String {
        let is_harmless = |character: char| {
            let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            character == '\n' || !(character.is_control() || turns)
        };
        let printed = |character: char| if is_harmless(character) { character } else { char::REPLACEMENT_CHARACTER };
        self.text.chars().map(printed).collect()
    }

    /// The same, with whether nothing needs attention.
    #[must_use]
    pub fn clean_if(self, is_clean: bool) -> Self {
        Self { is_clean, ..self }
    }
}

/// A table with a header; a sentence if there are no rows.
#[must_use]
pub fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: Vec<[String; COLUMNS]>, if_none: &str) -> String {
    if rows.is_empty() {
        return if_none.to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head).add_rows(rows);
    table.trim_fmt()
}

/// The differences between two states, as lines `path: before → after`.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (before, after) if before == after => {}
        (before, after) if amount(after).is_some() || amount(before).is_some() => {
            lines.push(changed(path, before, after));
        }
        (_, Value::Object(members)) => {
            let nothing = Value::Null;
            for (name, value) in members {
                compare(&below(name), before.get(name).unwrap_or(&nothing), value, lines);
            }
            for (name, value) in before.as_object().into_iter().flatten() {
                if !members.contains_key(name) {
                    compare(&below(name), value, &nothing, lines);
                }
            }
        }
        (_, Value::Array(items)) => {
            let nothing = Value::Null;
            for (place, value) in items.iter().enumerate() {
                compare(&below(&place.to_string()), before.get(place).unwrap_or(&nothing), value, lines);
            }
        }
        (before, after) => lines.push(changed(path, before, after)),
    }
}

fn changed(path: &str, before: &Value, after: &Value) -> String {
    match before {
        Value::Null => format!("{path}: {}", plain(after)),
        before => format!("{path}: {} → {}", plain(before), plain(after)),
    }
}

/// The note under a list that may have been truncated.
pub(crate) fn cut_off(shown: usize, limit: i64) -> String {
    let is_cut = usize::try_from(limit).is_ok_and(|limit| shown >= limit);
    if is_cut { format!("\nThese are the first {shown}; there may be more.") } else { String::new() }
}

fn amount(value: &Value) -> Option<String> {
    let (value, currency) = (value.get("value")?.as_str()?, value.get("currency")?.as_str()?);
    Some(format!("{value} {currency}"))
}

fn plain(value: &Value) -> String {
    match value {
        money if amount(money).is_some() => amount(money).unwrap_or_default(),
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_are_removed_from_output() {
        let report = Report::new("a\u{1b}[2Jb\r\n\u{202e}c ä", Value::Null);
        assert_eq!(report.print(), "a\u{fffd}[2Jb\u{fffd}\n\u{fffd}c ä");
    }

    #[test]
    fn differences_are_shown_by_their_path_and_equal_values_are_not() {
        let before = json!({"status": "open", "paid": {"value": "0.00", "currency": "EUR"}, "gone": 1});
        let after = json!({"status": "paid", "paid": {"value": "100.00", "currency": "EUR"}, "movements": ["a"]});
        let mut lines = differences(&before, &after);
        lines.sort();
        assert_eq!(
            lines,
            ["gone: 1 → nothing", "movements.0: a", "paid: 0.00 EUR → 100.00 EUR", "status: open → paid"]
        );
        assert_eq!(differences(&after, &after), Vec::<String>::new());
    }
}
