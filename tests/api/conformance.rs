//! Schemathesis generates valid and invalid requests from the description, and compares the responses with it.

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
