//! The bodies of all operations: every fault is reported at once, with its JSON pointer.

use axum::body::Body;
use http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::authorisation::request;
use super::gateway::Gateway;
use super::world::{Role, world};
use super::{Operation, committed, operations, resolved};

/// The number of spoiled bodies for each operation.
const CASES: usize = 24;

/// A member of a body, and a value of the wrong kind for it.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    wrong: Value,
    is_required: bool,
}

/// The members for which some value is of the wrong kind.
fn members(document: &Value, body: &Value) -> Vec<Member> {
    let required =
        |name: &str| body["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let properties = body["properties"].as_object().cloned().unwrap_or_default();
    let read = |(name, shape): (String, Value)| {
        let shape = resolved(document, shape.get("oneOf").map_or(&shape, |kinds| &kinds[0]));
        let is_free = shape["properties"].is_null() && shape["type"].to_string().contains("object");
        let wrong = if shape["type"].to_string().contains("boolean") { json!("wrong") } else { json!(true) };
        (!is_free).then(|| Member { is_required: required(&name), name, wrong })
    };
    properties.into_iter().filter_map(read).collect()
}

/// The example with each of these members spoiled or, if it is required, left out, and the pointers of the faults.
fn spoiled(example: &Value, chosen: &[(Member, bool)]) -> (Value, Vec<String>) {
    let mut body: Map<String, Value> = example.as_object().cloned().expect("the example of a body is an object");
    body.insert("no/such".to_owned(), json!(1));
    let mut pointers = vec!["/no~1such".to_owned()];
    for (member, is_left_out) in chosen {
        pointers.push(format!("/{}", member.name));
        if *is_left_out && member.is_required {
            body.remove(&member.name);
        } else {
            body.insert(member.name.clone(), member.wrong.clone());
        }
    }
    pointers.sort();
    (Value::Object(body), pointers)
}

async fn faults(gateway: &Gateway, document: &Value, operation: &Operation, body: &Value) -> (StatusCode, Vec<String>) {
    let (parts, _) = request(document, operation, Role::Everything).into_parts();
    let response = gateway.answer(Request::from_parts(parts, Body::from(body.to_string()))).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let problem: Value = serde_json::from_slice(&body).expect("a problem");
    let pointer = |fault: &Value| fault["pointer"].as_str().unwrap_or_default().to_owned();
    let mut pointers: Vec<String> = problem["errors"].as_array().into_iter().flatten().map(pointer).collect();
    pointers.sort();
    (parts.status, pointers)
}

#[tokio::test]
async fn each_wrong_missing_or_unknown_member_of_a_body_is_reported_at_once() {
    let (document, test) = (committed(), world().await);
    let gateway = Gateway::before(&test).await;
    let mut runner = TestRunner::deterministic();
    let mut checked = 0;
    for operation in operations(&document) {
        let shape = &operation.body["requestBody"]["content"]["application/json"]["schema"];
        let shape = resolved(&document, shape);
        let Some(example) = shape["examples"].get(0) else { continue };
        let members = members(&document, shape);
        let count = members.len();
        let chosen = proptest::sample::subsequence(members, 0..=count)
            .prop_flat_map(|chosen| chosen.into_iter().map(|member| (Just(member), any::<bool>())).collect::<Vec<_>>());
        for _ in 0..CASES {
            let chosen = chosen.new_tree(&mut runner).expect("a choice of members").current();
            let (body, expected) = spoiled(example, &chosen);
            let (status, found) = faults(&gateway, &document, &operation, &body).await;
            assert_eq!((status.as_u16(), &found), (400, &expected), "{}: {body}", operation.id());
        }
        checked += 1;
    }
    assert!(checked >= 19, "{checked} bodies");
}
