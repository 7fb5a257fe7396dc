//! The glossary and the code use the same words, and one word for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use xtask::paths::workspace_root;

use crate::house::{folders, ours, sources};

/// The names of the types that a folder's sources declare at the top level; with `is_public`, of the public ones.
fn types(folder: &Path, is_public: bool) -> BTreeSet<String> {
    let declared = |line: &str| {
        let rest = match line.strip_prefix("pub ") {
            Some(rest) => rest,
            None if is_public => return None,
            None => line.strip_prefix("pub(crate) ").unwrap_or(line),
        };
        let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| rest.strip_prefix(kind))?;
        rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().map(ToOwned::to_owned)
    };
    let texts = sources(folder).into_iter().map(|path| fs::read_to_string(path).expect("a source can be read"));
    texts.flat_map(|text| text.lines().filter_map(declared).collect::<Vec<_>>()).collect()
}

#[test]
fn every_type_that_the_glossary_names_exists() {
    let root = workspace_root();
    let glossary = fs::read_to_string(root.join("docs/glossary.md")).expect("the glossary is there");
    let last_column = |line: &str| line.rsplit('|').nth(1).map(ToOwned::to_owned);
    let rows: Vec<String> = glossary.lines().filter(|line| line.starts_with("| ")).filter_map(last_column).collect();
    let named: BTreeSet<&str> = rows.iter().flat_map(|column| column.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 50, "only {named:?}");
    let known: BTreeSet<String> =
        folders("common").iter().flat_map(|name| types(&root.join("common").join(name).join("src"), true)).collect();
    let unknown: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "no crate in common/ has {unknown:?}");
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
