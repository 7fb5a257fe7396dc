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
    let mut declared = declared();
    let unknown = Declared { function: "billing".to_owned(), requires_token: false };
    assert_eq!(declared.remove(UNKNOWN), Some(unknown), "what no route knows is answered by billing");
    assert_eq!(declared, routed, "template.yaml and the routers of functions/");
    let described: Vec<String> = operations(&committed()).iter().map(Operation::key).collect();
    assert_eq!(routed.into_keys().collect::<Vec<_>>(), sorted(described), "the description");
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}
