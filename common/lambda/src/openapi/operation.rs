//! What an operation requires of its caller, and its error responses.

use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::caller::Permission;
use crate::idempotency_key;
use crate::openapi::responses::{
    FORBIDDEN, INVALID, KEY_REUSED, NOT_FOUND, ProblemResponse, TOO_LARGE, TOO_MANY, UNAUTHENTICATED, UNAVAILABLE,
};
use crate::rate_limits::RateLimit;

/// The name of the security scheme of people.
pub const PEOPLE: &str = "people";
/// The name of the security scheme of machine clients.
pub const MACHINES: &str = "machines";

/// A route that requires one of these permissions: API Gateway requires a token, and the description names the
/// permissions.
pub fn requires<S>(permissions: &[Permission], routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    let has_people = permissions.iter().any(|permission| permission.is_peoples());
    let scopes: Vec<String> = permissions.iter().map(|permission| permission.scope()).collect();
    let holders = |permission: &Permission| format!("\n- {}: {}", permission.describe(), permission.holders());
    let limit = permissions.first().map_or(RateLimit::Api, |permission| permission.rate_limit());
    let per_minute = limit.default_per_minute();
    let who: String = permissions.iter().map(holders).collect();
    refine(routes, |operation| {
        let people = has_people.then(|| SecurityRequirement::new(PEOPLE, Vec::<String>::new()));
        let machines = scopes.iter().map(|scope| SecurityRequirement::new(MACHINES, [scope]));
        operation.security = Some(people.into_iter().chain(machines).collect());
        let about = operation.description.take().unwrap_or_default();
        let about = format!(
            "{about}\n\nPermitted callers:\n{who}\n\nBy default, at most {per_minute} requests per minute and caller."
        );
        operation.description = Some(about.trim().to_owned());
        refuse(operation, &[UNAUTHENTICATED, FORBIDDEN, TOO_MANY, UNAVAILABLE]);
    })
}

/// A public route: API Gateway requires no token.
pub fn open<S>(routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    refine(routes, |operation| {
        operation.security = Some(Vec::new());
        refuse(operation, &[TOO_MANY]);
    })
}

/// Changes the description of each operation of a route.
pub(crate) fn refine<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    change: impl Fn(&mut Operation),
) -> UtoipaMethodRouter<S> {
    for item in paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        methods.into_iter().flatten().for_each(&change);
    }
    (schemas, paths, router)
}

/// Adds the error responses that follow from the operation's parameters, and the given ones; responses that the
/// operation declares itself are kept.
fn refuse(operation: &mut Operation, given: &[ProblemResponse]) {
    let takes = |place: ParameterIn| {
        operation.parameters.iter().flatten().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    let (has_path, has_query) = (takes(ParameterIn::Path), takes(ParameterIn::Query));
    let has_key = operation.parameters.iter().flatten().any(is_key);
    let has_body = operation.request_body.is_some();
    let following = [
        (has_path || has_query || has_key || has_body, INVALID),
        (has_path, NOT_FOUND),
        (has_body, TOO_LARGE),
        (has_key, KEY_REUSED),
    ];
    let following = following.into_iter().filter_map(|(follows, refusal)| follows.then_some(refusal));
    for refusal in following.chain(given.iter().copied()) {
        operation.responses.responses.entry(refusal.status.to_owned()).or_insert_with(|| refusal.reference());
    }
}

fn is_key(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == idempotency_key::NAME)
}
