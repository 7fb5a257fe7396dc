//! Structural rules: the permitted dependencies, the maximum size of a file, and that a changed migration is deployed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use xtask::paths::workspace_root;

/// A longer file has to be split.
const LINES_MAX: usize = 400;

/// The prefix of the workspace's own packages.
const OURS: &str = "quittance-";

/// Functions without access to the database.
const WITHOUT_DATABASE: [&str; 3] = ["claims", "gateway", "receipt"];

/// All packages that are linked into `package`, without those for tests.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace_root())
        .args(["tree", "--locked", "--edges", "normal", "--no-dedupe", "--prefix", "none", "--package", package])
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let names: BTreeSet<String> =
        lines.lines().filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect();
    assert!(names.contains(package), "cargo tree told nothing of {package}");
    names
}

/// Our own packages among the dependencies of `package`.
pub(crate) fn ours(package: &str) -> BTreeSet<String> {
    let is_ours = |name: &String| name.starts_with(OURS) && name != package;
    dependencies(package).into_iter().filter(is_ours).map(|name| name.replacen(OURS, "", 1)).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

pub(crate) fn folders(parent: &str) -> Vec<String> {
    let entries = fs::read_dir(workspace_root().join(parent)).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry can be read"))
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().expect("names are UTF-8"))
        .collect();
    names.sort();
    names
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_domain_is_pure() {
    let names = dependencies("quittance-domain");
    let impure = |name: &&String| {
        name.starts_with("aws") || ["tokio", "sqlx", "reqwest", "axum", "hyper", "rand"].contains(&name.as_str())
    };
    assert_eq!(names.iter().filter(impure).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(ours("quittance-domain"), set(&[]));
}

#[test]
fn shared_crates_depend_on_the_domain_alone() {
    for common in folders("common").iter().filter(|name| *name != "domain") {
        let leans_on = ours(&format!("{OURS}{common}"));
        let may_lean_on = match common.as_str() {
            // Documents are written in the client's language.
            "documents" => set(&["domain", "wording"]),
            _ => set(&["domain"]),
        };
        assert!(leans_on.is_subset(&may_lean_on), "common/{common} leans on {leans_on:?}");
    }
}

#[test]
fn rooms_lean_on_what_is_common_and_never_on_each_other() {
    let common: BTreeSet<String> = folders("common").into_iter().collect();
    let functions = folders("functions");
    assert!(functions.len() >= 11, "only {functions:?}");
    for function in functions {
        let leans_on = ours(&format!("{OURS}{function}"));
        assert!(leans_on.is_subset(&common), "functions/{function} leans on {leans_on:?}");
    }
}

#[test]
fn the_operators_tool_depends_on_one_function_whose_decisions_it_rehearses() {
    let common: BTreeSet<String> = folders("common").into_iter().collect();
    let functions: BTreeSet<String> = &ours("quittance-operator") - &common;
    assert_eq!(functions, set(&["processor"]));
}

#[test]
fn rooms_that_need_no_database_cannot_reach_one() {
    for function in WITHOUT_DATABASE {
        let names = dependencies(&format!("{OURS}{function}"));
        for unwanted in ["quittance-store", "sqlx", "aws-sdk-rds"] {
            assert!(!names.contains(unwanted), "functions/{function} reaches {unwanted}");
        }
    }
}

#[test]
fn the_tools_build_without_any_aws_sdk_so_that_progress_shows_at_once() {
    let names = dependencies("xtask");
    let slow: Vec<&String> = names.iter().filter(|name| name.starts_with("aws-sdk-") || *name == "sqlx").collect();
    assert_eq!(slow, Vec::<&String>::new());
    assert_eq!(ours("xtask"), set(&["domain", "formats", "providers"]), "they are pure and small");
}

#[test]
fn each_file_is_short_enough_to_be_read_at_once() {
    let root = workspace_root();
    let long: Vec<String> = [sources(&root.join("common")), sources(&root.join("functions"))]
        .concat()
        .iter()
        .map(|path| (path, fs::read_to_string(path).expect("a source is UTF-8").lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{} has {lines}", path.strip_prefix(&root).unwrap_or(path).display()))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "at most {LINES_MAX} lines, tests included");
}

#[test]
fn nothing_shared_is_called_utils_or_helpers() {
    let shapeless = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "utils" || stem == "helpers");
    let found: Vec<PathBuf> = sources(&workspace_root().join("common")).into_iter().filter(shapeless).collect();
    assert_eq!(found, Vec::<PathBuf>::new(), "name the file after what it holds");
}

#[test]
fn the_template_carries_the_digest_of_the_migrations() {
    let root = workspace_root();
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("common/store/migrations"))
        .expect("the migrations are there")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let digest = files
        .iter()
        .fold(Sha256::new(), |digest, file| digest.chain_update(fs::read(file).expect("a migration can be read")));
    let digest = hex::encode(digest.finalize());
    let template = fs::read_to_string(root.join("template.yaml")).expect("the template is there");
    let kept = template.lines().find_map(|line| line.trim().strip_prefix("MigrationsDigest: "));
    assert_eq!(
        kept,
        Some(digest.as_str()),
        "the migrations changed, so CloudFormation must run the migrator: write `MigrationsDigest: {digest}` into template.yaml"
    );
}
