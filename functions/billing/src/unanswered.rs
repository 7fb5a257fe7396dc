//! Requests that match no route: billing answers them for the whole API, and takes the methods of each path from the
//! description.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use quittance_lambda::problem::{Problem, unknown_route};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::docs::DOCUMENT;

/// The paths of the API with their methods.
static METHODS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(read);

#[derive(Deserialize)]
struct Paths {
    paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
}

fn read() -> BTreeMap<String, Vec<String>> {
    let Ok(Paths { paths }) = serde_json::from_str(DOCUMENT) else {
        // A test parses the document; without it every path is unknown.
        return BTreeMap::new();
    };
    let methods = |item: BTreeMap<String, IgnoredAny>| item.into_keys().map(|method| method.to_uppercase()).collect();
    paths.into_iter().map(|(path, item)| (path, methods(item))).collect()
}

/// Responds to a request that matches no route: 405 with the path's methods, or 404.
pub(crate) async fn answer(request: Request) -> Response {
    let known = METHODS.iter().find(|(path, _)| fits(path, request.uri().path()));
    let methods = known.map(|(_, methods)| methods.as_slice()).unwrap_or_default();
    if methods.is_empty() || methods.iter().any(|method| method == request.method().as_str()) {
        return unknown_route(request).await.into_response();
    }
    let allowed = methods.join(", ");
    let detail = format!("nothing was changed; {} allows {allowed}", request.uri().path());
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "No such method", detail);
    let mut response = problem.into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn fits(route: &str, path: &str) -> bool {
    let is_alike = |(wanted, given): (&str, &str)| wanted == given || (wanted.starts_with('{') && !given.is_empty());
    route.split('/').count() == path.split('/').count() && route.split('/').zip(path.split('/')).all(is_alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: &str, path: &str) -> (u16, Option<String>) {
        let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let response = answer(request).await;
        let allowed = response.headers().get(ALLOW).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), allowed)
    }

    #[tokio::test]
    async fn a_path_of_either_function_has_its_methods_and_any_other_is_unknown() {
        let methods = |text: &str| Some(text.to_owned());
        assert_eq!(ask("PUT", "/v1/payments").await, (405, methods("GET, POST")));
        assert_eq!(ask("GET", "/v1/cases/7/apply").await, (405, methods("POST")));
        assert_eq!(ask("GET", "/v2/anything").await, (404, None));
        assert_eq!(
            ask("POST", "/v1/cases/7/apply").await,
            (404, None),
            "the validator's, which API Gateway asks itself"
        );
    }
}
