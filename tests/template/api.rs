//! The HTTP API: the template's routes and the routers' routes are the same.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use xtask::paths::workspace_root;

use super::document::{Resource, Template};

/// Routes that need no token: webhooks are signed, and what is unknown is answered 404.
const OPEN: [&str; 2] = ["POST /webhooks/{provider}", "$default"];

/// The route keys of the template that lead to a function.
fn declared(room: &str) -> BTreeSet<String> {
    let leads_there = |route: &Resource| {
        let integration = format!("integrations/${{{room}Integration}}");
        route.property("/Target/Fn::Sub").as_str() == Some(integration.as_str())
    };
    let routes = Template::read().all("AWS::ApiGatewayV2::Route");
    let keys = routes.into_iter().filter(|(_, route)| leads_there(route)).map(|(_, route)| key(route).to_owned());
    keys.filter(|key| key != "$default").collect()
}

fn key(route: &Resource) -> &str {
    route.property("/RouteKey").as_str().expect("a route has a key")
}

/// The routes of a router: `.route("/v1/x", get(a).post(b))`.
fn routed(room: &str) -> BTreeSet<String> {
    let file = workspace_root().join(format!("functions/{room}/src/lib.rs"));
    let source: String = fs::read_to_string(file).expect("the source is there").split_whitespace().collect();
    let mut keys = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, methods) = route.split_once("\",").expect("a route has a path and its methods");
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.starts_with(&format!("{method}("))
                || methods.split(".route(").next().is_some_and(|own| own.contains(&format!(").{method}(")))
            {
                keys.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    keys
}

#[test]
fn every_route_of_the_template_is_answered_and_every_answer_has_its_route() {
    for (name, room) in [("Validator", "validator"), ("Billing", "billing")] {
        let routes = declared(name);
        assert!(!routes.is_empty(), "no route leads to {room}");
        assert_eq!(routes, routed(room), "template.yaml and functions/{room}/src/lib.rs");
    }
}

#[test]
fn every_route_asks_for_a_token_but_webhooks_and_unknown_ones() {
    let template = Template::read();
    for (name, route) in template.all("AWS::ApiGatewayV2::Route") {
        let (authorization, authorizer) = (route.property("/AuthorizationType"), route.property("/AuthorizerId/Ref"));
        if OPEN.contains(&key(route)) {
            assert_eq!((authorization, authorizer), (&Value::from("NONE"), &Value::Null), "{name}");
        } else {
            assert_eq!(authorization, "JWT", "{name}");
            assert_eq!(
                template.resource(authorizer.as_str().expect("an authorizer")).kind,
                "AWS::ApiGatewayV2::Authorizer"
            );
        }
    }
}

#[test]
fn what_no_route_knows_is_answered_by_a_function_and_not_by_api_gateway() {
    let routes = Template::read().all("AWS::ApiGatewayV2::Route");
    assert!(routes.into_iter().any(|(_, route)| key(route) == "$default" && !route.property("/Target").is_null()));
}

#[test]
fn each_throttled_route_is_there_before_its_limits() {
    let template = Template::read();
    let (stage, waits_for) = (template.resource("ApiStage"), template.at("/Resources/ApiStage/DependsOn"));
    let waits_for: Vec<&str> = waits_for.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let routes: BTreeSet<&str> = waits_for
        .iter()
        .map(|name| template.resource(name).property("/RouteKey").as_str().unwrap_or_default())
        .collect();
    let limits = stage.property("/RouteSettings").as_object().expect("routes have limits of their own");
    assert_eq!(limits.keys().map(String::as_str).collect::<BTreeSet<_>>(), routes);
    for (route, limit) in limits {
        let number = |name: &str| limit[name].as_u64().unwrap_or_default();
        assert!(
            number("ThrottlingBurstLimit") >= number("ThrottlingRateLimit") && number("ThrottlingRateLimit") > 0,
            "{route}"
        );
    }
}
