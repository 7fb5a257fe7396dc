//! The committed description equals the generated one, and is consistent.

use std::collections::BTreeSet;
use std::{env, fs};

use http::{HeaderMap, HeaderValue};
use quittance_domain::id::{InvoiceId, Provider, TransactionId};
use quittance_domain::money::Money;
use quittance_lambda::idempotency_key;
use serde_json::{Value, json};
use xtask::paths::workspace_root;

use super::{DOCUMENT, committed, generated, operations, resolved};

/// With this variable the test writes the file in place of comparing it: `cargo xtask openapi` sets it.
const RENEW: &str = xtask::checks::RENEW_VARIABLE;

#[test]
fn the_committed_description_is_what_the_code_generates() {
    let text = format!("{:#}\n", generated());
    let file = workspace_root().join(DOCUMENT);
    if env::var_os(RENEW).is_some() {
        fs::write(&file, text).expect("the description can be written");
        return;
    }
    let kept = fs::read_to_string(&file).expect("the description is committed");
    let difference = text.lines().zip(kept.lines()).position(|(new, old)| new != old);
    assert!(
        text == kept,
        "{DOCUMENT} is not what the code says (from line {}): `cargo xtask openapi` renews it",
        difference.unwrap_or_else(|| text.lines().count().min(kept.lines().count())) + 1
    );
}

#[test]
fn every_reference_resolves_and_every_operation_id_is_unique() {
    let document = committed();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    let mut seen = 0;
    visit(&document, &mut |value| {
        if value["$ref"].is_string() {
            resolved(&document, value);
            seen += 1;
        }
    });
    assert!(seen > 100, "only {seen} references");
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations.iter().map(super::Operation::id).collect();
    assert_eq!(ids.len(), operations.len(), "two operations have one id");
    let tags: BTreeSet<&str> =
        document["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str()).collect();
    for operation in &operations {
        let tag = operation.body["tags"][0].as_str().unwrap_or_default();
        assert!(tags.contains(tag), "{} has the tag `{tag}`, which the document does not explain", operation.key());
    }
}

#[test]
fn every_example_fits_its_own_shape() {
    let document = committed();
    let mut seen = 0;
    for (name, shape) in document["components"]["schemas"].as_object().expect("there are shapes") {
        let place = format!("#/components/schemas/{name}");
        for example in shape["examples"].as_array().into_iter().flatten() {
            let problems = misfits(&document, &place, example);
            assert!(problems.is_empty(), "the example of {name}: {problems:?}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} examples");
}

#[test]
fn a_name_fits_its_shape_just_when_it_parses() {
    let document = committed();
    let fits =
        |name: &str, text: &str| misfits(&document, &format!("#/components/schemas/{name}"), &text.into()).is_empty();
    let id = "inv_019a3f5f00017a3cb4c5d6e7f8091a2b";
    let long = "x".repeat(101);
    for text in
        ["", id, &id.to_uppercase(), &id[1..], "stripe:pi_1", "PO-1", "a b", "a/b", "ü", "stripe", "Stripe", &long]
    {
        assert_eq!(fits("InvoiceId", text), text.parse::<InvoiceId>().is_ok(), "{text}");
        assert_eq!(fits("TransactionId", text), text.parse::<TransactionId>().is_ok(), "{text}");
        assert_eq!(fits("Provider", text), text.parse::<Provider>().is_ok(), "{text}");
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_str(text).unwrap());
        let shape = "#/paths/~1v1~1clients/post/parameters/0/schema";
        assert_eq!(
            misfits(&document, shape, &text.into()).is_empty(),
            idempotency_key::read(&headers).is_ok(),
            "{text}"
        );
    }
    for value in ["1", "100.00", "0", "0.00", "-1", "1.", ".5", "1e3", "", "1,5", "00.10"] {
        let amount = json!({"value": value, "currency": "EUR"});
        let parsed = Money::parse(value, "EUR").and_then(Money::positive);
        let fits = misfits(&document, "#/components/schemas/PositiveMoney", &amount).is_empty();
        assert_eq!(fits, parsed.is_ok(), "{value}");
    }
}

/// How a value violates a schema of the document.
pub(super) fn misfits(document: &Value, place: &str, value: &Value) -> Vec<String> {
    let mut whole = document.clone();
    whole["$ref"] = place.into();
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&whole).expect("a schema");
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn visit(value: &Value, look: &mut impl FnMut(&Value)) {
    look(value);
    match value {
        Value::Object(members) => members.values().for_each(|member| visit(member, look)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, look)),
        _ => {}
    }
}
