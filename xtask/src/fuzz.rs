//! `fuzz`: generates external input and passes it to the code that parses it first.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{checks::install_tool, paths, say};

const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// The folder of the fuzzer's crate.
const FOLDER: &str = "tests/fuzz";

/// Longer input finds nothing that shorter input does not.
const INPUT_BYTES_MAX: u32 = 4096;

/// Runs each named target (all, if none is named) for so many seconds, starting from the committed corpus. Inputs that
/// reach more code are kept in `target/fuzz/corpus`, inputs that fail in `target/fuzz/artifacts`.
///
/// # Errors
/// When there is no nightly compiler, a target is unknown, or one fails.
pub fn fuzz(wanted: &[String], seconds: u32) -> Result<()> {
    let root = paths::workspace_root();
    let targets = targets(&root)?;
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        bail!("there is no target {unknown}; there are {}", targets.join(", "));
    }
    let is_there = Command::new("cargo").args(["+nightly", "--version"]).output().is_ok_and(|out| out.status.success());
    if !is_there {
        bail!("the fuzzer needs a nightly compiler: rustup toolchain install nightly --profile minimal");
    }
    let tools = install_tool(&root, "cargo-fuzz", CARGO_FUZZ_VERSION, &[])?;
    for target in targets.iter().filter(|target| wanted.is_empty() || wanted.contains(target)) {
        say::step(&format!("{target}, for {seconds} s"));
        run(&root, &tools, target, seconds).with_context(|| {
            format!("{target} fails; once it is fixed, move the input from target/fuzz/artifacts to {FOLDER}/corpus")
        })?;
    }
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(FOLDER).join("fuzz_targets"))? {
        names.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Without a sanitizer: none of our code is unsafe.
fn run(root: &Path, tools: &Path, target: &str, seconds: u32) -> Result<()> {
    let [artifacts, found] = ["artifacts", "corpus"].map(|kind| root.join("target/fuzz").join(kind).join(target));
    fs::create_dir_all(&artifacts)?;
    fs::create_dir_all(&found)?;
    let path = env::join_paths(
        [PathBuf::from(tools)].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )?;
    // The proxy that rustup puts in front of every toolchain's cargo, not the cargo that runs this program.
    let status = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", "--fuzz-dir", FOLDER, "--target-dir", "target/fuzz", "--sanitizer", "none"])
        .arg(target)
        // The first folder receives new inputs.
        .args([found, root.join(FOLDER).join("corpus").join(target)])
        .args(["--".to_owned(), format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .current_dir(root)
        .env("PATH", path)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .status()
        .context("could not run cargo fuzz")?;
    if !status.success() {
        bail!("cargo fuzz ended with {status}");
    }
    Ok(())
}
