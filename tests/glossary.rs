//! The glossary and the code use the same words, and one word for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use xtask::paths::workspace_root;

use crate::house::{folders, ours, sources};

/// The crates whose types the glossary names, each with the folder of its sources.
fn crates() -> BTreeMap<String, PathBuf> {
    let root = workspace_root();
    let mut crates = BTreeMap::from([("operator".to_owned(), root.join("operator/src"))]);
    for parent in ["common", "functions"] {
        for name in folders(parent) {
            let source = root.join(parent).join(&name).join("src");
            crates.insert(name, source);
        }
    }
    crates
}

/// The text of each source in a folder, without the lines that are comments.
fn code(folder: &Path) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let texts = sources(folder).into_iter().map(|path| fs::read_to_string(path).expect("a source can be read"));
    texts.map(|text| text.lines().filter(is_code).collect::<Vec<_>>().join("\n")).collect()
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The identifiers and keywords of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !is_word(letter)).filter(|word| !word.is_empty())
}

/// The names of the types that a folder's sources declare at the top level; with `is_public`, only the public ones.
fn types(folder: &Path, is_public: bool) -> BTreeSet<String> {
    let declared = |line: &str| {
        let rest = match line.strip_prefix("pub ") {
            Some(rest) => rest,
            None if is_public => return None,
            None => line.strip_prefix("pub(crate) ").unwrap_or(line),
        };
        let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| rest.strip_prefix(kind))?;
        words(rest).next().map(ToOwned::to_owned)
    };
    let mut names = BTreeSet::new();
    for text in code(folder) {
        names.extend(text.lines().filter_map(declared));
        // A macro declares the ids.
        let ids = text.split("prefixed_id!(").skip(1).filter_map(|rest| words(rest).next());
        names.extend(ids.map(ToOwned::to_owned));
    }
    names
}

/// The variants of the public enums of a folder's sources, as `Type::Variant`.
fn variants(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in code(folder) {
        for declaration in text.split("\npub enum ").skip(1) {
            let name = words(declaration).next().expect("an enum has a name");
            let variant = |line: &str| {
                let rest = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase));
                words(rest?).next().map(|variant| format!("{name}::{variant}"))
            };
            names.extend(declaration.lines().take_while(|line| !line.starts_with('}')).filter_map(variant));
        }
    }
    names
}

/// What a source names of our other crates, each name with its crate. `use quittance_store::{Database, cases};` and
/// `cases::NewCase` name `Database`, `cases` and `NewCase` of `store`.
fn imports(text: &str) -> BTreeSet<(String, String)> {
    let mut imported = BTreeSet::new();
    for path in text.split("quittance_").skip(1) {
        let Some((library, rest)) = path.split_once("::") else { continue };
        let mut depth = 0_i32;
        let end = rest.find(|letter: char| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            depth < 0 || (depth == 0 && !is_word(letter) && !matches!(letter, ':' | '}'))
        });
        let names = words(&rest[..end.unwrap_or(rest.len())]);
        imported.extend(names.map(|name| (library.to_owned(), name.to_owned())));
    }
    let is_module = |name: &str| name != "self" && name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let modules: Vec<(String, String)> = imported.iter().filter(|(_, name)| is_module(name)).cloned().collect();
    for path in text.split(|letter: char| !is_word(letter) && letter != ':') {
        let Some((module, rest)) = path.split_once("::") else { continue };
        for (library, _) in modules.iter().filter(|(_, name)| name == module) {
            imported.extend(words(rest).map(|name| (library.clone(), name.to_owned())));
        }
    }
    imported
}

/// The public types that another crate uses; tests and tools do not count.
fn crossing() -> BTreeSet<String> {
    let crates = crates();
    let public: BTreeMap<&str, BTreeSet<String>> =
        crates.iter().map(|(name, folder)| (name.as_str(), types(folder, true))).collect();
    let mut crossing = BTreeSet::new();
    for (user, folder) in &crates {
        for (library, name) in code(folder).into_iter().flat_map(|text| imports(&text)) {
            let is_public = public.get(library.as_str()).is_some_and(|types| types.contains(&name));
            if is_public && library != *user {
                crossing.insert(name);
            }
        }
    }
    crossing
}

/// The names in the last column of the glossary, each as often as it is there.
fn named() -> Vec<String> {
    let glossary = fs::read_to_string(workspace_root().join("docs/glossary.md")).expect("the glossary is there");
    let rows = glossary.lines().filter(|line| line.starts_with("| "));
    let columns = rows.filter_map(|row| row.rsplit('|').nth(1));
    columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(ToOwned::to_owned).collect()
}

#[test]
fn every_type_that_the_glossary_names_exists() {
    let named = named();
    assert!(named.len() > 200, "only {named:?}");
    let known: BTreeSet<String> =
        crates().values().flat_map(|folder| types(folder, true).into_iter().chain(variants(folder))).collect();
    let unknown: Vec<&String> = named.iter().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "no crate has {unknown:?}");
}

#[test]
fn each_public_type_that_another_crate_uses_is_in_one_row_of_the_glossary() {
    let crossing = crossing();
    assert!(crossing.len() > 200, "only {crossing:?}");
    let named = named();
    let mut mentions: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &named {
        *mentions.entry(name.as_str()).or_default() += 1;
    }
    let missing: Vec<&String> = crossing.iter().filter(|name| !mentions.contains_key(name.as_str())).collect();
    assert!(missing.is_empty(), "the last column of docs/glossary.md does not name {missing:?}");
    let repeated: Vec<&str> = mentions.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect();
    assert!(repeated.is_empty(), "the last column of docs/glossary.md names {repeated:?} more than once");
}

#[test]
fn no_two_types_that_one_function_can_import_share_a_name() {
    let root = workspace_root();
    let mut shared = Vec::new();
    for function in folders("functions") {
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for library in ours(&format!("quittance-{function}")) {
            for name in types(&root.join("common").join(&library).join("src"), true) {
                owners.entry(name).or_default().push(library.clone());
            }
        }
        for name in types(&root.join("functions").join(&function).join("src"), false) {
            owners.entry(name).or_default().push(function.clone());
        }
        shared.extend(owners.into_iter().filter(|(_, owners)| owners.len() > 1));
    }
    shared.sort();
    shared.dedup();
    assert!(shared.is_empty(), "these names mean two things: {shared:?}");
}
