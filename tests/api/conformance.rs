//! Schemathesis generates valid and invalid requests from the description, and compares the responses with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request};
use tokio::net::TcpListener;
use xtask::paths::workspace_root;
use xtask::python::Venv;

use super::gateway::Gateway;
use super::tightened;
use super::world::{Role, world};

/// The number of generated requests per operation, in addition to those for its examples and for each of its limits.
const REQUESTS_MAX: &str = "25";

/// The seed, for the same requests in every run.
const SEED: &str = "4711";

/// Excluded checks:
/// - `positive_data_acceptance`: the validity of a body depends on several of its members at once (decimals on the
///   currency, the length of a transaction id on its provider), which the schema does not express.
const EXCLUDED_CHECKS: &str = "positive_data_acceptance";

/// A temporary folder for Schemathesis's input and output.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("quittance-conformance-{}", process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Leftover files are small and in the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The API as Schemathesis sees it: the description that it serves is tightened on the way.
async fn serve(gateway: Gateway, request: Request<Body>) -> Response {
    let is_description = request.uri().path() == "/openapi.json" && request.method() == Method::GET;
    let response = gateway.answer(request).await;
    if !is_description {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let document = serde_json::from_slice(&body).expect("the description is JSON");
    Response::from_parts(parts, Body::from(tightened(document).to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_does_what_its_description_says() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The description names its server, so that Schemathesis needs no other address.
    let description = format!("http://{}/openapi.json", listener.local_addr().unwrap());
    let api = Router::new().fallback(move |mut request: Request<Body>| {
        request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("http"));
        serve(gateway.clone(), request)
    });
    let server = tokio::spawn(async move { axum::serve(listener, api).await });

    let folder = Folder::new();
    let venv = Venv::ensure(&workspace_root()).unwrap();
    let mut command = Command::new(venv.bin().join("schemathesis"));
    command
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .args(["run", &description, "--seed", SEED, "--max-examples", REQUESTS_MAX])
        // One worker: `ast.parse` of CPython 3.11 counts its recursion depth for all threads together, and occasionally
        // fails with two.
        .args(["--workers", "1"])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all", "--exclude-checks", EXCLUDED_CHECKS])
        // This check is about the speed of generating requests, not about the API: a positive amount is a rare text.
        .args(["--suppress-health-check", "filter_too_much"])
        .args(["--header", &format!("Authorization: Bearer {}", Role::Everything.token())])
        .args(["--generation-database", "none", "--warnings", "off", "--output-truncate", "false"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    server.abort();
    let reported = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{reported}\n{}", String::from_utf8_lossy(&output.stderr));
}
