//! Runs `quittance`, the on-call tool, on a local stack.

use std::{
    env,
    fs::{File, TryLockError},
    io::ErrorKind,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    aws::ROOT_KEY,
    functions::cargo,
    paths::workspace_root,
    say,
    stack::{REGION, Stack},
};

/// Runs the tool with `arguments`; its output is passed through. It is built first, unless another cargo is building:
/// then the tool as last built answers at once.
///
/// # Errors
/// When the stack is not complete, or the build fails.
pub fn operate(stack: &Stack, arguments: &[String]) -> Result<ExitStatus> {
    let last_built = workspace_root().join(LAST_BUILT);
    let binary = if last_built.is_file() && is_another_cargo_building()? {
        say::step("another cargo build is running; using quittance as it was last built");
        last_built
    } else {
        build()?
    };
    command(stack, &binary)?.args(arguments).status().context("could not run quittance")
}

const LAST_BUILT: &str = "target/debug/quittance";

/// Cargo holds this file locked while it builds.
const BUILD_LOCK: &str = "target/debug/.cargo-lock";

fn is_another_cargo_building() -> Result<bool> {
    match File::open(workspace_root().join(BUILD_LOCK)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error).context("could not try cargo's lock"),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("could not open cargo's lock"),
    }
}

/// Builds the tool; returns its path.
///
/// # Errors
/// When the build fails.
pub fn build() -> Result<PathBuf> {
    let mut command = cargo(&workspace_root());
    // With the same features as the functions, so that dependencies are compiled once for all.
    command.args(["build", "--workspace", "--bin", "quittance", "--quiet", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo build failed ({}); its messages are above", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message.pointer("/target/name")? == "quittance").then_some(())?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.context("cargo built no binary quittance")
}

/// The tool with its settings for a stack.
///
/// # Errors
/// When the stack is not complete.
pub fn command(stack: &Stack, binary: &PathBuf) -> Result<Command> {
    let database = stack.database.as_ref().context("the stack has no database; `cargo xtask up` brings it up")?;
    let mut command = Command::new(binary);
    command
        .env("QUITTANCE_DEPLOYMENT", stack.cloudformation_name())
        .env("AWS_ENDPOINT_URL", stack.emulator_url()?)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_KEY)
        .env("USER", env::var("USER").unwrap_or_else(|_| "local".to_owned()))
        .env("DATABASE_HOST", &database.access.host)
        .env("DATABASE_PORT", database.access.port.to_string())
        .env("DATABASE_NAME", &database.name)
        .env("DATABASE_TLS", "disable")
        .env("DATABASE_LOGIN", stack.output("OperatorDatabaseSecretArn")?);
    Ok(command)
}
