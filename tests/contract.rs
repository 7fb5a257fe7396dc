//! The events' wire format: one schema for all of them, generated from the types, and one sample of each type and
//! version.
//!
//! `events/contract/schema.json` shows every change as a difference. `events/contract/<version>/` has the samples of a
//! version; they are never edited, and every build reads those of all versions: an event may wait for weeks in a queue.

use std::collections::BTreeSet;
use std::{env, fs};

use quittance_domain::event::{EVENT_VERSION, InvoiceEvent};
use quittance_lambda::envelope::{CloudEvent, Payload};
use schemars::schema_for;
use serde_json::Value;
use xtask::checks::RENEW_VARIABLE;
use xtask::paths::workspace_root;

const FOLDER: &str = "events/contract";

fn committed_schema() -> String {
    fs::read_to_string(workspace_root().join(FOLDER).join("schema.json")).expect("the schema is committed")
}

/// The samples of a version, by file name.
pub(crate) fn samples(version: &str) -> Vec<(String, String)> {
    let folder = workspace_root().join(FOLDER).join(version);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_str().expect("a text").to_owned();
        (name, fs::read_to_string(&path).expect("a sample can be read"))
    };
    entries.map(|entry| read(entry.expect("an entry").path())).collect()
}

fn versions() -> Vec<String> {
    let entries = fs::read_dir(workspace_root().join(FOLDER)).expect("the contract is committed");
    let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().expect("a text")).collect()
}

#[test]
fn the_committed_schema_is_what_the_types_say() {
    let text = format!("{:#}\n", schema_for!(CloudEvent<InvoiceEvent>).to_value());
    if env::var_os(RENEW_VARIABLE).is_some() {
        fs::write(workspace_root().join(FOLDER).join("schema.json"), text).expect("the schema can be written");
        return;
    }
    assert!(
        text == committed_schema(),
        "{FOLDER}/schema.json is not what the types say: `cargo xtask openapi` renews it"
    );
}

#[test]
fn there_is_a_sample_of_every_type_in_the_version_that_is_written_now() {
    let names: BTreeSet<String> = samples(&EVENT_VERSION.to_string()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, InvoiceEvent::TYPES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_sample_fits_the_schema_and_is_written_again_as_it_was_read() {
    let schema: Value = serde_json::from_str(&committed_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, text) in samples(&EVENT_VERSION.to_string()) {
        let sample: Value = serde_json::from_str(&text).unwrap();
        let problems: Vec<String> = validator.iter_errors(&sample).map(|problem| problem.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{name}");
        let event = CloudEvent::<InvoiceEvent>::parse(&text).unwrap();
        assert_eq!(event.payload.type_name(), name);
        assert_eq!(serde_json::from_str::<Value>(&event.to_json().unwrap()).unwrap(), sample, "{name}");
    }
}

#[test]
fn samples_of_every_version_that_ever_was_are_read() {
    for version in versions() {
        for (name, text) in samples(&version) {
            let read = CloudEvent::<InvoiceEvent>::parse(&text);
            assert!(read.is_ok(), "version {version} of {name}: {}", read.unwrap_err());
        }
    }
}

#[test]
fn what_the_schema_does_not_know_it_refuses() {
    let schema: Value = serde_json::from_str(&committed_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = fs::read_to_string(workspace_root().join(FOLDER).join("1/invoice.paid.json")).unwrap();
    let sample: Value = serde_json::from_str(&text).unwrap();
    for (pointer, value) in [
        ("/type", Value::from("invoice.payed")),
        ("/data/invoice/id", Value::from("inv_1")),
        ("/data/allocated/value", Value::from(1190)),
        ("/data/payment", Value::Null),
    ] {
        let mut spoiled = sample.clone();
        *spoiled.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&spoiled), "{pointer}");
    }
}

#[test]
fn an_event_of_a_time_without_languages_is_read_as_english_and_one_that_names_a_language_keeps_it() {
    let text = fs::read_to_string(workspace_root().join(FOLDER).join("1/invoice.paid.json")).unwrap();
    let mut sample: Value = serde_json::from_str(&text).unwrap();
    for (named, spoken) in [(None, "en"), (Some("de"), "de")] {
        if let Some(language) = named {
            sample["data"]["client"]["language"] = Value::from(language);
        }
        let event = CloudEvent::<InvoiceEvent>::parse(&sample.to_string()).unwrap();
        let InvoiceEvent::Paid(settled) = &event.payload else { panic!("{}", event.payload.type_name()) };
        assert_eq!(settled.client.language.as_str(), spoken);
        assert_eq!(serde_json::from_str::<Value>(&event.to_json().unwrap()).unwrap(), sample);
    }
}
