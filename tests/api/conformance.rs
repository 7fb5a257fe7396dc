//! Schemathesis makes requests from the description, fitting and misfitting ones, and compares the answers with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use axum::Router;
use axum::body::Body;
use http::Request;
use tokio::net::TcpListener;
use xtask::paths::workspace_root;
use xtask::python::Venv;

use super::gateway::Gateway;
use super::world::{Role, world};
use super::{committed, tightened};

/// Requests made for each operation, beside those for its examples and for each single limit that it names.
const REQUESTS_MAX: &str = "25";

/// The same requests in every run.
const SEED: &str = "4711";

/// Checks that are left out:
/// - `positive_data_acceptance`: what a body may be depends on several of its members at once (decimals on the currency,
///   the length of a transaction id on its provider), which no schema says.
const EXCLUDED_CHECKS: &str = "positive_data_acceptance";

/// A folder of its own, for what Schemathesis reads and leaves behind.
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
        // What is left is small and lies among temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_does_what_its_description_says() {
    let test = world().await;
    let gateway = Gateway::before(&test).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = Router::new().fallback(move |request: Request<Body>| {
        let gateway = gateway.clone();
        async move { gateway.answer(request).await }
    });
    let server = tokio::spawn(async move { axum::serve(listener, api).await });

    let folder = Folder::new();
    let document = folder.0.join("openapi.json");
    fs::write(&document, tightened(committed()).to_string()).unwrap();
    let venv = Venv::ensure(&workspace_root()).unwrap();
    let mut command = Command::new(venv.bin().join("schemathesis"));
    command
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .args(["run", "openapi.json", "--url", &url, "--seed", SEED, "--max-examples", REQUESTS_MAX])
        // One worker: `ast.parse` of CPython 3.11 counts its depth for all threads together, and now and then fails in two.
        .args(["--workers", "1"])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all", "--exclude-checks", EXCLUDED_CHECKS])
        // It is about how fast requests are made up, not about the API: a positive amount is a rare text.
        .args(["--suppress-health-check", "filter_too_much"])
        .args(["--header", &format!("Authorization: Bearer {}", Role::Everything.token())])
        .args(["--generation-database", "none", "--warnings", "off", "--output-truncate", "false"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    server.abort();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
