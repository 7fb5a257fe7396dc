//! What surrounds the routes of every HTTP function: the prefix `/api`, the request guard, errors as problems, and
//! CORS.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER, VARY};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Uri};
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::deprecation::{DEPRECATION, SUNSET};
use crate::problem::{as_problem, unknown_route};
use crate::request_guard::{self, RequestGuard};
use crate::settings::Settings;
use crate::{correlation, idempotency_key};

/// The prefix under which version 1 of the API is served as well.
const PREFIX: &str = "/api";

/// Webhooks come from servers: they are not shared with browsers.
const WEBHOOKS: &str = "/webhooks/";

/// How long a browser may remember the answer to a preflight request.
const PREFLIGHT_LIFETIME: Duration = Duration::from_mins(10);

/// The origins whose pages may call the API from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

/// An origin that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CORS_ORIGINS has {0:?}, which is no origin; write them as in https://app.example, separated by commas")]
pub struct InvalidOrigin(String);

impl Origins {
    /// The origins in `CORS_ORIGINS`, separated by commas; none if it is not set.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let text = settings.optional("CORS_ORIGINS").unwrap_or_default();
        settings.group(|_| Self::parse(&text))
    }

    /// Parses origins that are separated by commas: scheme, host and port, without a path (RFC 6454 §6.2). `*` is none.
    ///
    /// # Errors
    /// [`InvalidOrigin`] naming the first that is none.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let origin = |text: &str| {
            let invalid = || InvalidOrigin(text.to_owned());
            let uri: Uri = text.parse().map_err(|_| invalid())?;
            let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(invalid()) };
            // A browser sends an origin in this form only, so any other would never match.
            let is_canonical = format!("{scheme}://{authority}") == text && text == text.to_lowercase();
            let is_web = ["http", "https"].contains(&scheme) && !authority.as_str().contains(['@', '*']);
            if !is_canonical || !is_web {
                return Err(invalid());
            }
            HeaderValue::from_str(text).map_err(|_| invalid())
        };
        let origins = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a response is shared with the page that sent the request.
    fn share(&self, request: &Request) -> bool {
        let origin = request.headers().get(ORIGIN);
        !request.uri().path().starts_with(WEBHOOKS) && origin.is_some_and(|origin| self.0.contains(origin))
    }

    fn layer(&self) -> CorsLayer {
        let own = [idempotency_key::HEADER, correlation::HEADER].map(HeaderName::from_static);
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.0.clone()))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(own.into_iter().chain([AUTHORIZATION, CONTENT_TYPE, IF_MATCH]).collect::<Vec<_>>())
            .expose_headers([ETAG, LOCATION, RETRY_AFTER, LINK, DEPRECATION, SUNSET])
            .max_age(PREFLIGHT_LIFETIME)
    }
}

/// The routes with what surrounds them.
pub fn surround(routes: Router, guard: &Arc<RequestGuard>, origins: &Origins) -> Router {
    let watched = routes
        .layer(from_fn(without_empty_segments))
        .layer(map_response(as_problem))
        .layer(from_fn_with_state(Arc::clone(guard), request_guard::watch));
    let shared = origins.layer().layer(watched.clone().into_service::<axum::body::Body>());
    let origins = origins.clone();
    Router::new().fallback(async move |request: Request| {
        let request = without_prefix(request);
        let answered: Result<Response, Infallible> = match origins.share(&request) {
            true => shared.clone().oneshot(request).await.map(|response| response.map(axum::body::Body::new)),
            false => watched.clone().oneshot(request).await.map(|response| unshared(response, &origins)),
        };
        answered.unwrap_or_else(|never| match never {})
    })
}

/// Refuses paths with an empty segment, which the router would take for an empty id.
async fn without_empty_segments(request: Request, next: Next) -> Response {
    match request.uri().path().contains("//") {
        true => unknown_route(request).await.into_response(),
        false => next.run(request).await,
    }
}

/// A response without CORS, which a cache must not give to a page of another origin.
fn unshared(mut response: Response, origins: &Origins) -> Response {
    if !origins.0.is_empty() {
        response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// `/api/v1/…` is the same as `/v1/…`, for routes, idempotency keys and logs.
fn without_prefix(mut request: Request) -> Request {
    let uri = request.uri();
    let rest = uri.path_and_query().and_then(|path| path.as_str().strip_prefix(PREFIX));
    let Some(rest) = rest.filter(|rest| rest.starts_with("/v1/")) else { return request };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = rest.parse::<PathAndQuery>().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn an_origin_is_matched_in_the_form_that_browsers_send_only() {
        let origins = Origins::parse("https://app.example, http://localhost:3000").unwrap();
        let request =
            |path: &str, origin: &str| Request::builder().uri(path).header(ORIGIN, origin).body(Body::empty());
        for (path, origin, is_shared) in [
            ("/v1/clients", "https://app.example", true),
            ("/v1/clients", "http://localhost:3000", true),
            ("/v1/clients", "https://app.example.evil.example", false),
            ("/v1/clients", "https://evil-app.example", false),
            ("/v1/clients", "http://app.example", false),
            ("/v1/clients", "https://APP.example", false),
            ("/v1/clients", "null", false),
            ("/webhooks/stripe", "https://app.example", false),
        ] {
            assert_eq!(origins.share(&request(path, origin).unwrap()), is_shared, "{origin} at {path}");
        }
        for text in ["*", "https://*.example", "app.example", "https://app.example/", "HTTPS://app.example", "null"] {
            assert_eq!(Origins::parse(text), Err(InvalidOrigin(text.to_owned())));
        }
        assert_eq!(Origins::parse(""), Ok(Origins::default()));
    }

    #[test]
    fn the_prefix_is_taken_off_version_1_only() {
        let path = |uri: &str| {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            without_prefix(request).uri().to_string()
        };
        assert_eq!(path("/api/v1/clients?limit=2"), "/v1/clients?limit=2");
        assert_eq!(path("https://api.example/api/v1/clients"), "https://api.example/v1/clients");
        for other in ["/v1/clients", "/api", "/api/v2/clients", "/api/webhooks/stripe", "/apiv1/clients", "/api/v1"] {
            assert_eq!(path(other), other);
        }
    }
}
