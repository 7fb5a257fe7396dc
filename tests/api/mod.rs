//! The HTTP API as a whole: its description, the template's routes, and the functions' responses.

mod authorisation;
mod bodies;
mod clients;
mod compatibility;
mod conformance;
mod description;
mod events;
mod gateway;
mod paths;
mod routes;
mod webhook_endpoints;
mod world;

use std::collections::HashMap;
use std::fs;

use serde_json::Value;
use utoipa::openapi::OpenApi;
use xtask::paths::workspace_root;

/// The committed description, which billing serves.
const DOCUMENT: &str = "functions/billing/openapi.json";

#[derive(Debug, Clone)]
struct Operation {
    method: String,
    path: String,
    body: Value,
}

impl Operation {
    fn id(&self) -> &str {
        self.body["operationId"].as_str().unwrap_or_else(|| panic!("{} has no operationId", self.key()))
    }

    /// The route key in the template.
    fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it requires no token.
    fn is_open(&self) -> bool {
        self.body["security"].as_array().unwrap_or_else(|| panic!("{} says nothing of security", self.key())).is_empty()
    }
}

/// The whole description, as generated from the code.
fn generated() -> Value {
    let mut whole = quittance_billing::description();
    whole.merge(quittance_validator::description());
    let components = whole.components.get_or_insert_default();
    components.schemas.extend(quittance_lambda::openapi::events::components());
    whole.webhooks = Some(quittance_lambda::openapi::events::webhooks());
    let mut document = as_json(&whole);
    inline_bounds(&mut document);
    document
}

/// Whether a schema is one of a bounded value: its name has its bounds, which may become wider, so that it must not be
/// a name of the contract.
fn is_bounded(name: &str) -> bool {
    let rest = ["Text", "List", "Whole"].into_iter().find_map(|kind| name.strip_prefix(kind));
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Puts the schemas of bounded values in the places that refer to them.
fn inline_bounds(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("there are schemas");
    let names: Vec<String> = schemas.keys().filter(|name| is_bounded(name)).cloned().collect();
    let bounded: HashMap<String, Value> = names
        .into_iter()
        .filter_map(|name| Some((format!("#/components/schemas/{name}"), schemas.remove(&name)?)))
        .collect();
    put(document, &bounded);
}

fn put(value: &mut Value, bounded: &HashMap<String, Value>) {
    if let Some(schema) = value["$ref"].as_str().and_then(|reference| bounded.get(reference)).cloned()
        && let (Value::Object(place), Value::Object(members)) = (&mut *value, schema)
    {
        place.remove("$ref");
        for (name, member) in members {
            place.entry(name).or_insert(member);
        }
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| put(member, bounded)),
        Value::Array(items) => items.iter_mut().for_each(|item| put(item, bounded)),
        _ => {}
    }
}

fn committed() -> Value {
    let text = fs::read_to_string(workspace_root().join(DOCUMENT)).expect("the description is committed");
    serde_json::from_str(&text).expect("the description is JSON")
}

fn as_json(document: &OpenApi) -> Value {
    serde_json::to_value(document).expect("a description can be written")
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("the document has paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("a path has operations").clone();
        let operation =
            |(method, body): (String, Value)| Operation { method: method.to_uppercase(), path: path.clone(), body };
        methods.into_iter().map(operation).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// The target of a `$ref`, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        None => value,
        Some(place) => {
            let pointer = place.strip_prefix('#').unwrap_or_else(|| panic!("{place} is elsewhere"));
            document.pointer(pointer).unwrap_or_else(|| panic!("{place} leads nowhere"))
        }
    }
}

/// The document in a strict form that allows no undeclared members, to find data that is sent but not described.
/// Readers must allow them: responses and events may get more members in later versions.
fn tightened(mut document: Value) -> Value {
    tighten(&mut document["components"]["schemas"]);
    tighten(&mut document["webhooks"]);
    document
}

fn tighten(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(tighten);
            // The two halves of an envelope do not declare each other's members; together they are strict.
            let is_whole = |known: &Value| known.get("specversion").or_else(|| known.get("dataschema")).is_none();
            if members.get("properties").is_some_and(is_whole) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            if members.contains_key("allOf") {
                members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tighten),
        _ => {}
    }
}
