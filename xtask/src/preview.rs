//! `preview`: renders every document and message with made-up data, for inspection.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{functions::cargo, paths, say};

/// The packages with previews: each has an example `preview` that writes files to a folder, and prints their paths.
const SHOWN_BY: &[&str] = &["quittance-documents", "quittance-notification"];

/// The output folder, relative to the workspace.
const FOLDER: &str = "target/preview";

/// Renders all previews, and prints the files' paths.
///
/// # Errors
/// When a template is invalid.
pub fn preview(json: bool) -> Result<()> {
    let folder = paths::workspace_root().join(FOLDER);
    let mut written = Vec::new();
    for package in SHOWN_BY {
        say::step(&format!("previews of {package}"));
        written.extend(of_package(package, &folder)?);
    }
    if json {
        println!("{}", json!({"written": written}));
    } else {
        written.iter().for_each(|path| println!("{path}"));
    }
    Ok(())
}

fn of_package(package: &str, folder: &Path) -> Result<Vec<String>> {
    let output = cargo(&paths::workspace_root())
        .args(["run", "--quiet", "--package", package, "--example", "preview", "--"])
        .arg(folder)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("the previews of {package} were not written ({})", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect())
}
