//! The bodies of all operations: every fault is reported at once, with its JSON pointer.

use axum::body::Body;
use http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::authorisation::request;
use super::gateway::Gateway;
use super::world::{Role, world};
use super::{Operation, committed, operations, resolved};

/// The number of spoiled bodies for each operation.
const CASES: usize = 24;

/// A member of a body, by its JSON pointer, and a value of the wrong kind for it.
#[derive(Debug, Clone)]
struct Member {
    pointer: String,
    wrong: Value,
    is_required: bool,
}

/// The innermost members of an object for which some value is of the wrong kind: those that the example has, and those
/// of its own that it leaves out.
fn members(document: &Value, shape: &Value, example: &Value, at: &str) -> Vec<Member> {
    let required =
        |name: &str| shape["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let properties = shape["properties"].as_object().cloned().unwrap_or_default();
    let read = |(name, inner): (String, Value)| {
        let inner = resolved(document, inner.get("oneOf").map_or(&inner, |kinds| &kinds[0]));
        let (value, pointer) = (&example[&name], format!("{at}/{name}"));
        if value.is_object() && inner["properties"].is_object() {
            return members(document, inner, value, &pointer);
        }
        let items = resolved(document, &inner["items"]);
        if value[0].is_object() && items["properties"].is_object() {
            return members(document, items, &value[0], &format!("{pointer}/0"));
        }
        let is_free = inner["properties"].is_null() && inner["type"].to_string().contains("object");
        let wrong = if inner["type"].to_string().contains("boolean") { json!("wrong") } else { json!(true) };
        if is_free { Vec::new() } else { vec![Member { is_required: required(&name), pointer, wrong }] }
    };
    properties.into_iter().flat_map(read).collect()
}

/// The example with each of these members spoiled or, if it is required, left out, and the pointers of the faults.
fn spoiled(example: &Value, chosen: &[(Member, bool)]) -> (Value, Vec<String>) {
    let mut body = example.clone();
    body["no/such"] = json!(1);
    let mut pointers = vec!["/no~1such".to_owned()];
    for (member, is_left_out) in chosen {
        pointers.push(member.pointer.clone());
        let (parent, name) = member.pointer.rsplit_once('/').expect("a pointer of a member");
        let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object of the example");
        if *is_left_out && member.is_required {
            parent.remove(name);
        } else {
            parent.insert(name.to_owned(), member.wrong.clone());
        }
    }
    pointers.sort();
    (body, pointers)
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
    let (mut checked, mut nested) = (0, 0);
    for operation in operations(&document) {
        let shape = &operation.body["requestBody"]["content"]["application/json"]["schema"];
        let shape = resolved(&document, shape);
        let Some(example) = shape["examples"].get(0) else { continue };
        let members = members(&document, shape, example, "");
        nested += members.iter().filter(|member| member.pointer.matches('/').count() > 1).count();
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
    assert!(checked >= 19 && nested >= 15, "{checked} bodies with {nested} nested members");
}
