//! Builds the functions for this machine and lays each out as Lambda requires: a folder with a file `bootstrap`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::say;

/// Programs that remove debug information; the first one present is used. Stripping is optional: it saves time, because
/// the emulator zips, uploads and unpacks every binary.
const STRIPPERS: [(&str, &[&str]); 2] = [("strip", &["-o"]), ("objcopy", &["--strip-all"])];

/// The built functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstraps {
    /// The folder of each function.
    pub folders: BTreeMap<String, PathBuf>,
    /// Changes when a binary does.
    pub fingerprint: String,
}

/// The command that runs cargo on the workspace at `root`.
#[must_use]
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // Cargo's variables about this package are wrong for the packages built next, and would make cargo rebuild some.
    for name in env::vars_os().map(|(name, _)| name) {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds all functions and lays them out in `stack/bootstraps`; unchanged ones are left alone.
///
/// # Errors
/// When the build fails or a file can't be written.
pub fn build(root: &Path, stack: &Path) -> Result<Bootstraps> {
    say::step("building the functions");
    let mut command = cargo(root);
    // The whole workspace is selected, though only the functions' binaries are built: so dependencies get the same
    // features as in `cargo test --workspace` and are compiled once for both.
    command.args(["build", "--workspace", "--message-format=json-render-diagnostics"]);
    for binary in binary_names(root)? {
        command.args(["--bin", &binary]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo build failed ({}); its messages are above", output.status);
    }
    let binaries = binaries(&String::from_utf8_lossy(&output.stdout), root);
    let mut bootstraps = Bootstraps { folders: BTreeMap::new(), fingerprint: String::new() };
    for (function, binary) in binaries {
        let folder = stack.join("bootstraps").join(&function);
        let stamp = lay_out(&binary, &folder).with_context(|| format!("could not lay out the function {function}"))?;
        bootstraps.fingerprint.push_str(&format!("{function} {stamp}\n"));
        bootstraps.folders.insert(function, folder);
    }
    Ok(bootstraps)
}

/// The names of the functions' binaries.
fn binary_names(root: &Path) -> Result<Vec<String>> {
    let output = cargo(root)
        .args(["metadata", "--no-deps", "--format-version=1"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed ({}); its messages are above", output.status);
    }
    let names = names_in(&serde_json::from_slice(&output.stdout)?, root);
    if names.is_empty() {
        bail!("no folder in {} builds a binary (src/main.rs)", root.join("functions").display());
    }
    Ok(names)
}

fn names_in(metadata: &Value, root: &Path) -> Vec<String> {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list(metadata, "packages")
        .iter()
        .filter(|package| function(package, root).is_some())
        .flat_map(|package| list(package, "targets"))
        .filter(|target| list(target, "kind").iter().any(|kind| kind == "bin"))
        .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
        .collect()
}

/// The function whose manifest a message or package names.
fn function(described: &Value, root: &Path) -> Option<String> {
    let manifest = Path::new(described.get("manifest_path")?.as_str()?);
    let function = manifest.parent()?.strip_prefix(root.join("functions")).ok()?;
    Some(function.to_str()?.to_owned())
}

/// The binary of each function, from cargo's messages.
pub(crate) fn binaries(messages: &str, root: &Path) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let binary = message.get("executable")?.as_str()?;
            Some((function(&message, root)?, PathBuf::from(binary)))
        })
        .collect()
}

/// Puts a stripped copy of a binary into `folder/bootstrap` unless it is already there; returns its fingerprint.
fn lay_out(binary: &Path, folder: &Path) -> Result<String> {
    let stamp = stamp(binary)?;
    let (stamp_file, bootstrap) = (folder.with_extension("stamp"), folder.join("bootstrap"));
    if bootstrap.is_file() && fs::read_to_string(&stamp_file).is_ok_and(|known| known == stamp) {
        return Ok(stamp);
    }
    fs::create_dir_all(folder)?;
    // The old file may be running: it is replaced, never overwritten.
    let staging = folder.with_extension("new");
    strip(binary, &staging)?;
    fs::rename(&staging, &bootstrap)?;
    fs::write(&stamp_file, &stamp)?;
    Ok(stamp)
}

fn strip(binary: &Path, target: &Path) -> Result<()> {
    for (program, arguments) in STRIPPERS {
        let mut command = Command::new(program);
        command.args(arguments);
        // `strip -o target binary`, but `objcopy --strip-all binary target`.
        if program == "strip" {
            command.arg(target).arg(binary);
        } else {
            command.arg(binary).arg(target);
        }
        if command.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    fs::copy(binary, target).map(drop).with_context(|| format!("could not copy {}", binary.display()))
}

/// Size and modification time of a file: cargo writes a binary again exactly when it was linked again.
fn stamp(file: &Path) -> Result<String> {
    let facts = fs::metadata(file).with_context(|| format!("could not inspect {}", file.display()))?;
    let modified = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{}-{}", facts.len(), modified.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_binaries_of_functions_are_taken() {
        let messages = [
            r#"{"reason":"compiler-artifact","manifest_path":"/r/functions/relay/Cargo.toml","executable":"/t/debug/relay"}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/r/functions/relay/Cargo.toml","executable":null}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/r/tests/Cargo.toml","executable":"/t/debug/other"}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "warning: not JSON",
        ];
        assert_eq!(
            binaries(&messages.join("\n"), Path::new("/r")),
            BTreeMap::from([("relay".to_owned(), PathBuf::from("/t/debug/relay"))])
        );
    }

    #[test]
    fn the_binaries_to_build_are_those_of_functions() {
        let metadata = serde_json::json!({ "packages": [
            { "manifest_path": "/r/functions/relay/Cargo.toml",
              "targets": [{ "kind": ["lib"], "name": "relay_lib" }, { "kind": ["bin"], "name": "relay" }] },
            { "manifest_path": "/r/xtask/Cargo.toml", "targets": [{ "kind": ["bin"], "name": "xtask" }] },
        ] });
        assert_eq!(names_in(&metadata, Path::new("/r")), ["relay"]);
    }

    #[test]
    fn an_unchanged_binary_is_left_alone_and_a_changed_one_replaced() {
        let dir = env::temp_dir().join(format!("quittance-layout-test-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (binary, folder) = (dir.join("built"), dir.join("room"));
        fs::write(&binary, "one").unwrap();
        let first = lay_out(&binary, &folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("bootstrap")).unwrap(), "one");

        fs::write(folder.join("bootstrap"), "kept").unwrap();
        assert_eq!(lay_out(&binary, &folder).unwrap(), first);
        assert_eq!(fs::read_to_string(folder.join("bootstrap")).unwrap(), "kept");

        fs::write(&binary, "other").unwrap();
        assert_ne!(lay_out(&binary, &folder).unwrap(), first);
        assert_eq!(fs::read_to_string(folder.join("bootstrap")).unwrap(), "other");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing but the bootstrap is deployed");
        fs::remove_dir_all(&dir).unwrap();
    }
}
