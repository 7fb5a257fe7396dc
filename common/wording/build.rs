//! Embeds the languages: every `languages/<code>.toml` becomes one entry of a table in the crate, with its keys in
//! order.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use toml::{Table, Value};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=languages");
    let mut files = fs::read_dir("languages")?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut code = "&[\n".to_owned();
    for file in files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a language's file is named by its code")?;
        if name.len() != 2 || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("{}: name it by the two small letters of ISO 639-1", file.display()).into());
        }
        let table: Table =
            fs::read_to_string(&file)?.parse().map_err(|error| format!("{}: {error}", file.display()))?;
        let mut words = Vec::new();
        flatten("", &table, &mut words).map_err(|problem| format!("{}: {problem}", file.display()))?;
        words.sort();
        writeln!(code, "({name:?}, &{words:?}),")?;
    }
    code.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("languages.rs"), code)?;
    Ok(())
}

/// `[receipt] title = "…"` is `receipt.title`.
fn flatten(prefix: &str, table: &Table, words: &mut Vec<(String, String)>) -> Result<(), Box<dyn Error>> {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::String(text) => words.push((key, text.clone())),
            Value::Table(table) => flatten(&key, table, words)?,
            _ => return Err(format!("`{key}` is no text").into()),
        }
    }
    Ok(())
}
