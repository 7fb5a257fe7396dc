//! Code, description and template have the same routes, with the same authorisation.

use std::collections::BTreeMap;

use super::{Operation, as_json, committed, operations};
use crate::template::document::{Resource, Template};

/// The catch-all route for unknown paths.
pub(super) const UNKNOWN: &str = "$default";

/// A route of the template: its function, and whether it requires a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) function: String,
    pub(super) requires_token: bool,
}

/// The prefix of the routes that lead to the same operations as those without it.
const PREFIX: &str = "/api";

/// The template's routes by their keys.
pub(super) fn declared() -> BTreeMap<String, Declared> {
    let template = Template::read();
    let of = |(name, route): (&str, &Resource)| {
        let key = route.property("/RouteKey").as_str().expect("a route has a key").to_owned();
        let target = route.property("/Target/Fn::Sub").as_str().unwrap_or_default();
        let function = target.strip_prefix("integrations/${").and_then(|target| target.strip_suffix("Integration}"));
        let function = function.unwrap_or_else(|| panic!("{name} leads to no function")).to_lowercase();
        let authorizer = route.property("/AuthorizerId/Ref").as_str();
        let requires_token = match route.property("/AuthorizationType").as_str() {
            Some("NONE") => {
                assert_eq!(authorizer, None, "{name}");
                false
            }
            Some("JWT") => {
                let authorizer = authorizer.unwrap_or_else(|| panic!("{name} has no authorizer"));
                assert_eq!(template.resource(authorizer).kind, "AWS::ApiGatewayV2::Authorizer", "{name}");
                true
            }
            other => panic!("{name} has the authorisation {other:?}"),
        };
        (key, Declared { function, requires_token })
    };
    template.all("AWS::ApiGatewayV2::Route").into_iter().map(of).collect()
}

fn described(function: &str, operations: &[Operation]) -> BTreeMap<String, Declared> {
    let of = |operation: &Operation| {
        let declared = Declared { function: function.to_owned(), requires_token: !operation.is_open() };
        (operation.key(), declared)
    };
    operations.iter().map(of).collect()
}

#[test]
fn every_route_of_the_template_is_answered_and_described_and_every_answer_has_its_route() {
    let functions = [("billing", quittance_billing::description()), ("validator", quittance_validator::description())];
    let routed: BTreeMap<String, Declared> = functions
        .iter()
        .flat_map(|(function, document)| described(function, &operations(&as_json(document))))
        .collect();
    let (prefixed, mut declared): (BTreeMap<_, _>, BTreeMap<_, _>) =
        declared().into_iter().partition(|(key, _)| key.contains(PREFIX));
    for (key, route) in routed.iter().filter(|(key, _)| key.contains(" /v1/")) {
        let request = key.replacen(" /v1/", " /api/v1/", 1);
        let leads_to = fitting(prefixed.iter(), &request).map(|(_, route)| route);
        assert_eq!(leads_to, Some(route), "{request} leads to the function of {key}");
    }
    let unknown = Declared { function: "billing".to_owned(), requires_token: false };
    assert_eq!(declared.remove(UNKNOWN), Some(unknown), "what no route knows is answered by billing");
    assert_eq!(declared, routed, "template.yaml and the routers of functions/");
    let described: Vec<String> = operations(&committed()).iter().map(Operation::key).collect();
    assert_eq!(routed.into_keys().collect::<Vec<_>>(), sorted(described), "the description");
}

/// The route that API Gateway takes for a request: the one that names most of its path.
pub(super) fn fitting<'a>(
    routes: impl Iterator<Item = (&'a String, &'a Declared)>,
    request: &str,
) -> Option<(&'a String, &'a Declared)> {
    let is_named = |segment: &&str| !segment.starts_with('{');
    let rank = |route: &str| (!route.ends_with("+}"), route.split('/').filter(is_named).count());
    routes.filter(|(route, _)| fits(route, request)).max_by_key(|(route, _)| rank(route))
}

/// Whether a request's method and path match a route.
fn fits(route: &str, request: &str) -> bool {
    let (mut wanted, mut given): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), request.split('/').collect());
    if wanted.last().is_some_and(|last| last.ends_with("+}")) && given.len() >= wanted.len() {
        wanted.pop();
        given.truncate(wanted.len());
    }
    let is_alike = |(wanted, given): (&&str, &&str)| wanted == given || (wanted.starts_with('{') && !given.is_empty());
    wanted.len() == given.len() && wanted.iter().zip(&given).all(is_alike)
}

#[test]
fn a_route_fits_its_own_paths_only() {
    assert!(fits("GET /v1/cases/{id}", "GET /v1/cases/7"));
    for other in ["POST /v1/cases/7", "GET /v1/cases", "GET /v1/cases/", "GET /v1/cases/7/apply"] {
        assert!(!fits("GET /v1/cases/{id}", other), "{other}");
    }
    assert!(fits("GET /api/v1/{proxy+}", "GET /api/v1/cases/7") && fits("GET /api/v1/{proxy+}", "GET /api/v1/cases"));
    assert!(!fits("GET /api/v1/{proxy+}", "GET /api/v1") && !fits("GET /api/v1/{proxy+}", "GET /v1/cases"));
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}
