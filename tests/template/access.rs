//! Access: the functions' policies and the user pool's clients.

use serde_json::{Map, Value};

use super::document::Template;

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

/// Every statement in a policy, including those inside an `Fn::If`.
fn statements(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Object(members) if members.contains_key("Effect") => vec![members],
        Value::Object(members) => members.values().flat_map(statements).collect(),
        Value::Array(items) => items.iter().flat_map(statements).collect(),
        _ => Vec::new(),
    }
}

/// Whether a resource is `*`, on either side of an `Fn::If` too.
fn is_everything(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "*",
        Value::Array(items) => items.iter().any(is_everything),
        Value::Object(members) => members.values().any(is_everything),
        _ => false,
    }
}

#[test]
fn no_function_may_do_everything_with_a_service_or_anything_with_everything() {
    let mut seen = 0;
    for (name, function) in Template::read().all("AWS::Serverless::Function") {
        let policies = function.property("/Policies");
        for statement in statements(policies) {
            seen += 1;
            let actions = texts(&statement["Action"]);
            assert!(!actions.is_empty(), "{name}: {statement:?}");
            for action in &actions {
                assert!(!action.ends_with(":*") && *action != "*", "{name} may {action}");
            }
            // The emulator does not know the identity for SES; in AWS the statement names it.
            let is_local_email = actions == ["ses:SendEmail"]
                && statement["Resource"]["Fn::If"][0] == "IsInAws"
                && !is_everything(&statement["Resource"]["Fn::If"][1]);
            // A phone number is not a resource: a role that may publish to everything must be denied every topic.
            let is_topics_denial = |other: &&Map<String, Value>| {
                other["Effect"] == "Deny"
                    && texts(&other["Action"]) == ["sns:Publish"]
                    && other["Resource"]["Fn::Sub"] == "arn:${AWS::Partition}:sns:*:*:*"
            };
            let is_text_message =
                actions == ["sns:Publish"] && statements(policies).into_iter().filter(is_topics_denial).count() == 1;
            assert!(
                is_local_email || is_text_message || !is_everything(&statement["Resource"]),
                "{name} may {actions:?} on everything"
            );
        }
        assert!(texts(policies).is_empty(), "{name} has a managed policy: {policies}");
        // For the reader of a queue SAM adds a managed policy that covers every queue of the account.
        let events = function.property("/Events").as_object().into_iter().flat_map(Map::values);
        assert!(events.into_iter().all(|event| event["Type"] != "SQS"), "{name} has a queue among its events");
    }
    assert!(seen >= 30, "only {seen} statements were found");
}

#[test]
fn a_client_that_creates_payments_never_confirms_them() {
    for (name, client) in Template::read().all("AWS::Cognito::UserPoolClient") {
        let scopes = texts(client.property("/AllowedOAuthScopes"));
        let has = |scope: &str| scopes.iter().any(|held| held.ends_with(scope));
        assert!(!(has("payments:create") && has("payments:confirm")), "{name} has both");
    }
}

#[test]
fn only_finance_chooses_the_client_of_a_user() {
    for (name, client) in Template::read().all("AWS::Cognito::UserPoolClient") {
        // Without the list, Cognito lets users write every attribute.
        let has_users = !client.property("/ExplicitAuthFlows").is_null();
        let writable = texts(client.property("/WriteAttributes"));
        assert!(!has_users || !writable.is_empty(), "{name} has no WriteAttributes");
        assert!(!writable.contains(&"custom:client_id"), "{name} writes custom:client_id");
    }
}

/// The resources that a value refers to, at any depth.
fn referred(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let named = members.get("Ref").and_then(Value::as_str);
            let got = members.get("Fn::GetAtt").and_then(|attribute| match attribute {
                Value::Array(parts) => parts.first()?.as_str(),
                other => other.as_str()?.split('.').next(),
            });
            named.into_iter().chain(got).chain(members.values().flat_map(referred)).collect()
        }
        Value::Array(items) => items.iter().flat_map(referred).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_function_that_knows_a_queue_may_use_it() {
    let template = Template::read();
    for (name, function) in template.all("AWS::Serverless::Function") {
        let allowed = referred(function.property("/Policies"));
        let settings = function.property("/Environment/Variables").as_object().cloned().unwrap_or_default();
        for (setting, value) in settings.iter().filter(|(setting, _)| setting.ends_with("QUEUE_URL")) {
            let queue = value["Ref"].as_str().unwrap();
            assert!(allowed.contains(&queue), "{name} has {setting} and no right to {queue}");
        }
    }
}
