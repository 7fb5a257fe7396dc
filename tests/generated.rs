//! Generated parts of documents, between `<!-- generated: name -->` and `<!-- end -->`.

use std::env;
use std::fs;

use xtask::checks::RENEW_VARIABLE;
use xtask::paths::workspace_root;

/// Compares a generated part of a document with the committed one; `cargo xtask docs` writes it instead.
pub(crate) fn assert_current(document: &str, name: &str, generated: &str) {
    let path = workspace_root().join(document);
    let text = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{document} has no `{}`", begin.trim()));
    let (committed, after) =
        rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{document} has no end of {name}"));
    if env::var_os(RENEW_VARIABLE).is_some() {
        fs::write(&path, format!("{before}{begin}{generated}<!-- end -->{after}")).unwrap();
    } else {
        assert_eq!(committed, generated, "{document} is out of date: `cargo xtask docs` renews {name}");
    }
}
