//! The HTTP API's authorisation. That its routes equal those of the routers and the description is tested in
//! `tests/api/routes.rs`.

use std::collections::BTreeSet;

use quittance_lambda::caller::Permission;
use quittance_lambda::rate_limits::RateLimit;
use serde_json::Value;

use super::document::{Resource, Template};

/// Routes without a token: webhooks are signed, the description is public, and unknown paths answer 404.
const OPEN: [&str; 5] = ["POST /webhooks/{provider}", "GET /openapi.json", "GET /docs", "GET /docs/{file}", "$default"];

fn key(route: &Resource) -> &str {
    route.property("/RouteKey").as_str().expect("a route has a key")
}

#[test]
fn every_route_requires_a_token_but_webhooks_the_openapi_document_and_unknown_ones() {
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
fn a_caller_has_the_requests_per_minute_that_the_description_says() {
    let template = Template::read();
    for (parameter, limit) in
        [("CallerRequestsPerMinute", RateLimit::Api), ("CallerPaymentsPerMinute", RateLimit::Payments)]
    {
        let default = template.at(&format!("/Parameters/{parameter}/Default"));
        assert_eq!(default.as_u64(), Some(limit.default_per_minute().into()), "{parameter}");
    }
    let limited: Vec<&str> = Permission::ALL
        .iter()
        .filter(|permission| permission.rate_limit() == RateLimit::Payments)
        .map(|permission| permission.describe())
        .collect();
    assert_eq!(limited, [Permission::ClaimPayments.describe(), Permission::RefundPayments.describe()]);
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
