//! Outgoing events conform to the description's `webhooks`.

use std::collections::BTreeSet;
use std::fs;

use aws_lambda_events::event::sqs::SqsEvent;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::ClientId;
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_webhook::compose;
use serde_json::Value;
use xtask::paths::workspace_root;

use super::description::misfits;
use super::{committed, tightened};

/// The webhook bodies of all sample events.
fn samples() -> Vec<String> {
    let mut bodies = Vec::new();
    for folder in fs::read_dir(workspace_root().join("events")).unwrap() {
        let files = fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            let text = fs::read_to_string(file).unwrap();
            let records = serde_json::from_str::<SqsEvent>(&text).map(|event| event.records).unwrap_or_default();
            bodies.extend(records.into_iter().filter_map(|record| record.body));
        }
    }
    let contract = fs::read_dir(workspace_root().join("events/contract/1")).unwrap();
    bodies.extend(contract.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()));
    let reported = |body: String| {
        let event = CloudEvent::<InvoiceEvent>::parse(&body).ok()?;
        let owner = ClientId::EXAMPLE.parse().unwrap();
        Some(compose::body(&event, Some(owner), 1, event.time.date_naive()).unwrap())
    };
    bodies.into_iter().filter_map(reported).collect()
}

fn place(event_type: &str) -> String {
    format!("#/webhooks/{event_type}/post/requestBody/content/application~1json/schema")
}

#[test]
fn every_sample_of_an_event_fits_the_description_to_the_last_member() {
    let document = tightened(committed());
    let mut seen = BTreeSet::new();
    for body in samples() {
        let event: Value = serde_json::from_str(&body).unwrap();
        let event_type = event["type"].as_str().unwrap();
        let problems = misfits(&document, &place(event_type), &event);
        assert!(problems.is_empty(), "{event_type}: {problems:#?}\n{event:#}");
        seen.insert(event_type.to_owned());
    }
    assert_eq!(seen, InvoiceEvent::TYPES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn an_event_that_lacks_something_does_not_fit() {
    let document = tightened(committed());
    let body = samples().into_iter().find(|body| body.contains(r#""type":"invoice.paid""#)).expect("a paid invoice");
    for (member, at) in [("allocated", "/data"), ("id", ""), ("number", "/data/invoice")] {
        let mut event: Value = serde_json::from_str(&body).unwrap();
        event.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(member).unwrap();
        assert!(!misfits(&document, &place("invoice.paid"), &event).is_empty(), "without {at}/{member}");
    }
}

#[test]
fn every_event_is_described_with_the_headers_that_sign_it() {
    let document = committed();
    let webhooks = document["webhooks"].as_object().unwrap();
    let known: BTreeSet<&str> = webhooks.keys().map(String::as_str).collect();
    assert_eq!(known, InvoiceEvent::TYPES.iter().copied().collect());
    for webhook in webhooks.values() {
        let headers = webhook["post"]["parameters"].as_array().unwrap();
        let names: Vec<&str> = headers.iter().filter_map(|header| header["name"].as_str()).collect();
        assert_eq!(names, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    }
}
