//! The permission of an operation: one statement for the router, the OpenAPI document and the check.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::caller::{Caller, Permission, Reach};
use crate::openapi::operation;
use crate::problem::Problem;
use crate::rate_limits::RateLimit;
use crate::request_guard::RequestGuard;

/// A caller that has a permission of the operation.
#[derive(Debug, Clone)]
pub struct Permit {
    /// Who calls.
    pub caller: Caller,
    /// The data that the first permission which the caller has covers.
    pub reach: Reach,
}

/// A route that requires one of these permissions: API Gateway requires a token, the OpenAPI document names the
/// permissions, and callers without them are answered 403 before the handler runs.
pub fn requires<S>(permissions: &'static [Permission], routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (schemas, paths, router) = operation::requires(permissions, routes);
    let router =
        router.layer(from_fn(async move |request: Request, next: Next| check(permissions, request, next).await));
    (schemas, paths, router)
}

async fn check(permissions: &[Permission], request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admitted(permissions, &mut parts).await {
        Ok(permit) => {
            parts.extensions.insert(permit);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Counts the request against the limit of the operation's first permission, and finds the caller's permission.
async fn admitted(permissions: &[Permission], parts: &mut Parts) -> Result<Permit, Problem> {
    let caller = Caller::from_request_parts(parts, &()).await?;
    let limit = permissions.first().map_or(RateLimit::Api, |permission| permission.rate_limit());
    if let Some(guard) = parts.extensions.get::<Arc<RequestGuard>>().cloned() {
        guard.count(&caller.name, limit).await?;
    }
    permit(permissions, caller)
}

fn permit(permissions: &[Permission], caller: Caller) -> Result<Permit, Problem> {
    let mut refusal = Problem::forbidden("the operation requires no permission that anybody has");
    for permission in permissions {
        match caller.may(*permission) {
            Ok(reach) => return Ok(Permit { caller, reach }),
            Err(problem) => refusal = problem,
        }
    }
    Err(refusal)
}

impl<S: Sync> FromRequestParts<S> for Permit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // Fails closed: a route that was added without `requires` lets nobody in.
        parts.extensions.get().cloned().ok_or_else(|| Problem::forbidden("the route has no permission"))
    }
}
