//! The description against the last release's: what `docs/versioning.md` calls a breaking change needs a new version of
//! the API.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use xtask::paths::workspace_root;

use super::{Operation, committed, operations, resolved};

/// The folder of the released descriptions, `openapi-<version>.json`.
const RELEASES: &str = "docs/releases";

/// Changes since the last release that only look like breaking ones, and why they are not.
const HARMLESS: [(&str, &str); 8] = [
    ("body/payments[]/invoice_number: the pattern of invoice_number", "no printed number is otherwise"),
    ("body/payments[]/invoice_number: maxLength is Some(50.0) and was None", "no printed number is longer"),
    ("the pattern of account", "what does not match was refused before"),
    ("the pattern of twin", "other names were refused before, as those of unknown payments"),
    ("body/twin: maxLength is Some(100.0) and was None", "longer names were refused before"),
    ("the pattern of cursor", "no cursor is otherwise"),
    ("cursor: maxLength is Some(500.0) and was None", "no cursor is longer"),
    ("subjectsequence is {\"integer\", \"null\"} and was {\"integer\"}", "it was null before, for old deliveries"),
];

/// Whether a schema is of what callers send or of what they receive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Sent,
    Received,
}

/// The breaking changes from one document to another.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
}

impl Comparison<'_> {
    fn operations(&mut self) {
        let (old, new) = (operations(self.old), operations(self.new));
        for before in &old {
            match new.iter().find(|operation| operation.key() == before.key()) {
                Some(after) => self.operation(before, after),
                None => self.found.push(format!("{} is gone", before.key())),
            }
        }
        for (name, event) in self.old["webhooks"].as_object().into_iter().flatten() {
            let body = |webhook: &Value| webhook["post"]["requestBody"]["content"].clone();
            let (old, new) = (body(event), body(&self.new["webhooks"][name]));
            self.contents(&format!("the event {name}"), &old, &new, Direction::Received);
        }
    }

    fn operation(&mut self, before: &Operation, after: &Operation) {
        let key = before.key();
        let (old, new) = (parameters(self.old, before), parameters(self.new, after));
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in &old {
            let name = parameter["name"].as_str().unwrap_or_default();
            match new.iter().find(|other| same(parameter, other)) {
                Some(other) => {
                    self.schema(&format!("{key}: {name}"), &parameter["schema"], &other["schema"], Direction::Sent);
                }
                None => self.found.push(format!("{key}: the parameter {name} is gone")),
            }
        }
        for parameter in new.iter().filter(|parameter| parameter["required"] == true) {
            if !old.iter().any(|other| same(parameter, other) && other["required"] == true) {
                self.found.push(format!("{key}: the parameter {} is required", parameter["name"]));
            }
        }
        let body = |operation: &Operation| operation.body["requestBody"]["content"].clone();
        self.contents(&format!("{key}: the body"), &body(before), &body(after), Direction::Sent);
        for (status, response) in before.body["responses"].as_object().into_iter().flatten() {
            let (old, new) = (resolved(self.old, response), resolved(self.new, &after.body["responses"][status]));
            let (old, new) = (old["content"].clone(), new["content"].clone());
            self.contents(&format!("{key}: the {status}"), &old, &new, Direction::Received);
        }
    }

    fn contents(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        for (kind, content) in old.as_object().into_iter().flatten() {
            match new.get(kind) {
                Some(other) => self.schema(place, &content["schema"], &other["schema"], direction),
                None => self.found.push(format!("{place} as {kind} is gone")),
            }
        }
    }

    fn schema(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        for name in ["allOf", "oneOf", "anyOf"] {
            let (before, after) = (parts(old, name), parts(new, name));
            if before.len() > 1 && before.len() == after.len() {
                before.iter().zip(&after).for_each(|(old, new)| self.schema(place, old, new, direction));
            }
        }
        let (old, old_types) = plain(self.old, old);
        let (new, new_types) = plain(self.new, new);
        let (narrow, wide) = match direction {
            Direction::Sent => (&old_types, &new_types),
            Direction::Received => (&new_types, &old_types),
        };
        if !wide.is_empty() && !narrow.is_subset(wide) {
            self.found.push(format!("{place} is {new_types:?} and was {old_types:?}"));
        }
        if direction == Direction::Sent {
            self.bounds(place, &old, &new);
        }
        self.members(place, &old, &new, direction);
        if old["items"].is_object() && new["items"].is_object() {
            self.schema(&format!("{place}[]"), &old["items"], &new["items"], direction);
        }
    }

    fn bounds(&mut self, place: &str, old: &Value, new: &Value) {
        let name = place.rsplit([' ', '/']).next().unwrap_or_default();
        let [before, after] = [old, new].map(|schema| schema["pattern"].as_str().unwrap_or_default());
        let is_alternative = !before.is_empty() && after.contains(before.trim_matches(['^', '$']));
        if !after.is_empty() && after != before && !is_alternative {
            self.found.push(format!("{place}: the pattern of {name}"));
        }
        for (bound, is_upper) in [
            ("maxLength", true),
            ("maximum", true),
            ("maxItems", true),
            ("minLength", false),
            ("minimum", false),
            ("minItems", false),
        ] {
            let [before, after] = [old, new].map(|schema| schema[bound].as_f64());
            let is_narrower = match (before, after) {
                (Some(before), Some(after)) if is_upper => after < before,
                (Some(before), Some(after)) => after > before,
                (None, Some(after)) => is_upper || after > 1.0,
                (_, None) => false,
            };
            if is_narrower {
                self.found.push(format!("{place}: {bound} is {after:?} and was {before:?}"));
            }
        }
        if !old["default"].is_null() && !new["default"].is_null() && old["default"] != new["default"] {
            self.found.push(format!("{place}: the default is {} and was {}", new["default"], old["default"]));
        }
        let names = |schema: &Value| schema["enum"].as_array().cloned().unwrap_or_default();
        let (before, after) = (names(old), names(new));
        if !after.is_empty()
            && (before.is_empty() || before.iter().any(|name| !name.is_null() && !after.contains(name)))
        {
            self.found.push(format!("{place} is one of {after:?} and was one of {before:?}"));
        }
    }

    fn members(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let required = |schema: &Value, name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        for (name, member) in old["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            let Some(other) = new["properties"].get(name) else {
                self.found.push(format!("{place} is gone"));
                continue;
            };
            if direction == Direction::Received && required(old, name) && !required(new, name) {
                self.found.push(format!("{place} may be absent"));
            }
            self.schema(&place, member, other, direction);
        }
        for name in new["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if direction == Direction::Sent && !required(old, name) {
                self.found.push(format!("{place}/{name} is required"));
            }
        }
    }
}

fn parameters(document: &Value, operation: &Operation) -> Vec<Value> {
    let parameters = operation.body["parameters"].as_array().into_iter().flatten();
    parameters.map(|parameter| resolved(document, parameter).clone()).collect()
}

/// The parts of a composed schema besides null.
fn parts(schema: &Value, name: &str) -> Vec<Value> {
    let parts = schema[name].as_array().into_iter().flatten();
    parts.filter(|part| part["type"] != "null").cloned().collect()
}

/// A schema without references and alternatives of null, and its types.
fn plain(document: &Value, schema: &Value) -> (Value, BTreeSet<String>) {
    let schema = resolved(document, schema);
    let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|name| schema[name].as_array());
    let Some(alternatives) = alternatives else {
        let types = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(|one| one.as_str().map(ToOwned::to_owned)).collect(),
            Value::String(one) => BTreeSet::from([one.clone()]),
            _ => BTreeSet::new(),
        };
        return (schema.clone(), types);
    };
    let is_null = |alternative: &&Value| alternative["type"] == "null";
    let others: Vec<&Value> = alternatives.iter().filter(|alternative| !is_null(alternative)).collect();
    let (plain, mut types) = match others.as_slice() {
        [only] => plain(document, only),
        _ => (Value::Null, BTreeSet::new()),
    };
    if alternatives.iter().any(|alternative| is_null(&alternative)) && !types.is_empty() {
        types.insert("null".to_owned());
    }
    (plain, types)
}

fn breaking(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, found: Vec::new() };
    comparison.operations();
    comparison.found
}

/// The description of the last release.
fn released() -> Value {
    let files = fs::read_dir(workspace_root().join(RELEASES)).expect("there are released descriptions");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    let version = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let version = name.strip_prefix("openapi-").unwrap_or_else(|| panic!("{name} names no version"));
        version.split('.').map(|number| number.parse().expect("a version has numbers")).collect()
    };
    files.sort_by_key(version);
    let text = fs::read_to_string(files.last().expect("there is a release")).expect("it can be read");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn the_api_still_does_what_the_last_release_promised() {
    let mut found = breaking(&released(), &committed());
    found.retain(|change| !HARMLESS.iter().any(|(harmless, _)| change.ends_with(harmless)));
    assert!(found.is_empty(), "breaking changes, which need a new version (docs/versioning.md): {found:#?}");
}

#[test]
fn a_breaking_change_is_found() {
    let old = committed();
    let client = "/components/schemas/NewClient";
    let changes: [(&str, &str, Value); 7] = [
        ("/paths", "/v1/cases", Value::Null),
        (client, "required", serde_json::json!(["name", "email", "address", "tax_id"])),
        (&format!("{client}/properties"), "tax_id", Value::Null),
        (&format!("{client}/properties/name"), "maxLength", 100.into()),
        ("/components/schemas/Money", "required", serde_json::json!(["value"])),
        ("/components/schemas/UploadKind", "enum", serde_json::json!(["bank_statement"])),
        ("/components/schemas/EmailAddress", "type", "object".into()),
    ];
    assert!(breaking(&old, &old).is_empty());
    for (place, name, value) in changes {
        let mut new = old.clone();
        let holder = new.pointer_mut(place).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("no {place}"));
        if value.is_null() {
            holder.remove(name)
        } else {
            holder.insert(name.to_owned(), value)
        };
        assert!(!breaking(&old, &new).is_empty(), "{place}/{name}");
    }
}
