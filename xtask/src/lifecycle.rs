//! `up` and `down`: from nothing to a deployed stack, and back to nothing.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow};

use crate::{
    deploy::{self, Deployed},
    functions, paths,
    postgres::random_password,
    process,
    python::Venv,
    say,
    servers::{self, ForcedPorts},
    stack::{SERVERS, Stack},
    users,
};

/// How long a command waits for another one that works on the same stack.
const LOCK_LIMIT: Duration = Duration::from_secs(60);
/// What `down` keeps: the built functions (so that the next `up` is fast) and the logs.
const KEPT: [&str; 2] = ["bootstraps", "logs"];

/// Brings the stack `name` up, or up to date; whatever runs and has not changed is left alone.
///
/// # Errors
/// When a step fails; what was started stays for inspection, until `down`.
pub fn up(name: &str, forced: ForcedPorts) -> Result<Stack> {
    let root = paths::workspace_root();
    let dir = paths::stack_dir(&root, name)?;
    let _held = lock(&dir)?;
    let venv = Venv::ensure(&root)?;
    let bootstraps = functions::build(&root, &dir)?;
    let mut stack = read_or_new(name, &dir)?;
    servers::start(&mut stack, &venv, forced)?;
    let was_deployed = stack.deployed.is_some();
    let deployed = match deploy::deploy(&mut stack, &venv, &root, &bootstraps) {
        // The emulator's CloudFormation does not support every update of what it can create from scratch.
        Err(error) if was_deployed && stack.living("emulator").is_some() => {
            say::step(&format!("the change could not be deployed, so the stack is created again: {error:#}"));
            stack.deployed = None;
            servers::start(&mut stack, &venv, forced)?;
            deploy::deploy(&mut stack, &venv, &root, &bootstraps)?
        }
        other => other?,
    };
    if deployed == Deployed::Now {
        say::step("creating users");
        users::seed(&stack)?;
    }
    say::step("the stack is up");
    Ok(stack)
}

/// Ends every process of the stack `name` and removes its data; returns the number of processes. Works on whatever
/// exists, even if `up` was killed halfway.
///
/// # Errors
/// When a process can't be ended or a file can't be removed.
pub fn down(name: &str, keep_data: bool) -> Result<usize> {
    let dir = paths::stack_dir(&paths::workspace_root(), name)?;
    if !dir.exists() && process::marked(&dir, None).is_empty() {
        return Ok(0);
    }
    let _held = lock(&dir)?;
    let stack = Stack::read(&dir.join("state.json")).unwrap_or_else(|error| {
        say::note(&format!("{error:#}; ending the processes that are found"));
        None
    });
    let data_dir = stack.as_ref().and_then(Stack::data_dir);
    let found = process::marked(&dir, data_dir.as_deref()).len();
    if let Some(stack) = &stack {
        for server in SERVERS {
            servers::stop(stack, server)?;
        }
    }
    process::kill_marked(&dir, data_dir.as_deref(), &[])?;
    if !keep_data {
        if let Some(stack) = &stack {
            remove_database(stack);
        }
        remove_files(&dir)?;
    }
    Ok(found)
}

fn lock(dir: &Path) -> Result<fs::File> {
    paths::lock(&dir.with_extension("lock"), "work on this stack", LOCK_LIMIT)
}

fn read_or_new(name: &str, dir: &Path) -> Result<Stack> {
    match Stack::read(&dir.join("state.json")) {
        Ok(Some(stack)) => Ok(stack),
        Ok(None) => Ok(Stack::new(name, dir, format!("Aa1!{}", random_password()?))),
        Err(error) => Err(anyhow!("{error:#}; `cargo xtask down --name {name}` removes it")),
    }
}

fn remove_database(stack: &Stack) {
    let Some(database) = &stack.database else { return };
    match &database.home {
        // An external server: only our database is removed. It may be unreachable, which must not prevent the rest of
        // `down`.
        None => {
            if let Err(error) = database.access.drop_database(&database.name) {
                say::note(&format!("the database {} was not removed: {error:#}", database.name));
            }
        }
        // A cluster of our own that had to be placed elsewhere.
        Some(home) if !home.starts_with(&stack.dir) => {
            if let Err(error) = fs::remove_dir_all(home) {
                say::note(&format!("{} was not removed: {error}", home.display()));
            }
            // The folder around it is removed too, if it contains nothing else.
            let _ = home.parent().map(fs::remove_dir);
        }
        Some(_) => {}
    }
}

fn remove_files(dir: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten() {
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn down_leaves_the_functions_and_the_logs() {
        let dir = std::env::temp_dir().join(format!("quittance-down-test-{}", std::process::id()));
        for folder in ["bootstraps/relay", "logs", "tmp/x", "postgres/data"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        fs::write(dir.join("state.json"), "{}").unwrap();
        remove_files(&dir).unwrap();
        let mut left: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["bootstraps", "logs"]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
