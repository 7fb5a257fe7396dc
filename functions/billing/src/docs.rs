//! `GET /openapi.json` and `GET /docs`: the API's description, for machines and for people.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use lambda_http::request::RequestContext;
use quittance_lambda::openapi;
use quittance_lambda::problem::Problem;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_swagger_ui::Config;

/// The description of the whole API, generated from the functions' code: `cargo xtask openapi` renews it.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// The page. Its paths are relative, so that it works under any stage.
const PAGE: &str = include_str!("docs.html");

/// Starts Swagger UI on the page; a separate file, because the policy allows no inline scripts.
const START: &str = include_str!("docs.js");

const START_NAME: &str = "start.js";

/// How the caller reached API Gateway.
const FORWARDED_PROTOCOL: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The files that the page loads, besides [`START`].
const ASSETS: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Nothing is loaded from or sent to other origins, no inline scripts, no framing. Swagger UI draws its icons from
/// `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The description changes with a deployment; a cached copy may be minutes old.
const MINUTES: &str = "public, max-age=300";

/// The files of Swagger UI only change with its version.
const A_DAY: &str = "public, max-age=86400";

/// This document.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the file `openapi.json`")]
pub(crate) struct OpenApiDocument {
    /// The version of OpenAPI.
    #[schema(pattern = r"^3\.1\.[0-9]+$")]
    openapi: String,
    /// About the API.
    info: Map<String, Value>,
    /// The servers of the API.
    servers: Vec<Map<String, Value>>,
    /// The operations.
    paths: Map<String, Value>,
    /// The outgoing events.
    webhooks: Map<String, Value>,
    /// Shared definitions.
    components: Map<String, Value>,
    /// The groups of operations.
    tags: Vec<Map<String, Value>>,
}

/// A file of the page.
#[derive(Debug)]
enum FileName {}

impl PartialSchema for FileName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String);
        name.enum_values(Some(ASSETS.into_iter().chain([START_NAME]))).into()
    }
}

impl ToSchema for FileName {}

/// Returns the OpenAPI document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "describe",
    tag = "description",
    responses((
        status = 200, description = "This document.", body = OpenApiDocument,
        headers(("Cache-Control" = String, description = "How long it may be cached."))
    ))
)]
pub(crate) async fn describe(request: Request) -> Response {
    answer("application/json", MINUTES, located(DOCUMENT, base(&request).as_deref()))
}

/// The address of the API, if the request came by the name that API Gateway has for it; `https` unless a header says
/// otherwise.
fn base(request: &Request) -> Option<String> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.extensions().get::<RequestContext>() else { return None };
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = context.domain_name.as_deref().filter(|name| header(HOST) == Some(name))?;
    let scheme = header(FORWARDED_PROTOCOL).filter(|scheme| ["http", "https"].contains(scheme)).unwrap_or("https");
    let stage = context.stage.as_deref().filter(|stage| *stage != "$default");
    Some(format!("{scheme}://{host}{}", stage.map(|stage| format!("/{stage}")).unwrap_or_default()))
}

/// The description with the address at which it was read: its committed form has a relative one, which readers resolve
/// against the document's own address.
fn located(document: &'static str, base: Option<&str>) -> Cow<'static, str> {
    let relative = json!(openapi::SERVER).to_string();
    match base {
        Some(base) => document.replacen(&relative, &json!(base).to_string(), 1).into(),
        None => document.into(),
    }
}

/// Shows the API reference.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "showDescription",
    tag = "description",
    responses((
        status = 200, description = "A page that shows this document.", body = String, content_type = "text/html",
        headers(
            ("Cache-Control" = String, description = "How long it may be cached."),
            ("Content-Security-Policy" = String, description = "Allows content of this origin only.")
        )
    ))
)]
pub(crate) async fn page() -> Response {
    answer("text/html; charset=utf-8", MINUTES, PAGE)
}

/// Returns an asset of the API reference.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "showFileOfDescription",
    tag = "description",
    params(("file" = inline(FileName), Path, description = "The file's name.")),
    responses((
        status = 200, description = "The file.",
        content((String = "text/css"), (String = "text/javascript")),
        headers(("Cache-Control" = String, description = "How long it may be cached."))
    ))
)]
pub(crate) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    if name == START_NAME {
        return Ok(answer("text/javascript; charset=utf-8", MINUTES, START));
    }
    let known = ASSETS.into_iter().find(|asset| *asset == name);
    let found = known.and_then(|asset| utoipa_swagger_ui::serve(asset, Arc::new(Config::default())).ok().flatten());
    let file = found.ok_or_else(|| Problem::not_found("file", name.chars().take(60).collect::<String>()))?;
    let content_type =
        if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let mut response = answer(content_type, A_DAY, file.bytes.into_owned());
    if file.gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn answer(content_type: &'static str, cache: &'static str, body: impl Into<Body>) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_loads_existing_files_and_nothing_from_other_hosts() {
        let files: Vec<&str> =
            PAGE.split("\"docs/").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
        assert_eq!(files, ["swagger-ui.css", "swagger-ui-bundle.js", START_NAME]);
        for name in files {
            let response = file(Path(name.to_owned())).await.unwrap();
            assert!(response.headers().contains_key(CACHE_CONTROL), "{name}");
        }
        assert!(file(Path("index.html".to_owned())).await.is_err(), "only what the page needs is given out");
        assert!(!PAGE.contains("//") && !START.contains("://"));
    }
}
