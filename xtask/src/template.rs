//! The template as the local stack deploys it: every function's code is a folder with its built binary.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// Replaces each `CodeUri: functions/<name>` with the folder of that function's bootstrap; everything else is
/// unchanged, so that what is tested locally is what is deployed to AWS.
///
/// # Errors
/// When a function has no bootstrap, or nothing was replaced.
pub fn localized(template: &str, bootstraps: &BTreeMap<String, PathBuf>) -> Result<String> {
    let mut replaced = 0;
    let mut lines = Vec::new();
    for line in template.lines() {
        match code_uri(line) {
            None => lines.push(line.to_owned()),
            Some((indent, function)) => {
                let Some(folder) = bootstraps.get(function) else {
                    bail!("template.yaml names functions/{function}, but that folder builds no binary (src/main.rs)");
                };
                lines.push(format!("{indent}CodeUri: {}", yaml_quoted(folder)));
                replaced += 1;
            }
        }
    }
    if replaced == 0 {
        bail!("template.yaml has no line `CodeUri: functions/<name>`");
    }
    Ok(lines.join("\n") + "\n")
}

/// The indentation and the function of a `CodeUri` line.
fn code_uri(line: &str) -> Option<(&str, &str)> {
    let trimmed = line.trim_start();
    let indent = line.get(..line.len() - trimmed.len())?;
    let value = trimmed.strip_prefix("CodeUri:")?.split(" #").next()?.trim();
    let value = value.trim_matches(['"', '\'']);
    let function = value.strip_prefix("./").unwrap_or(value).strip_prefix("functions/")?.trim_end_matches('/');
    Some((indent, function))
}

fn yaml_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bootstraps() -> BTreeMap<String, PathBuf> {
        BTreeMap::from([("relay".to_owned(), PathBuf::from("/it's/relay"))])
    }

    #[test]
    fn every_spelling_of_a_rooms_folder_is_replaced_and_nothing_else() {
        for line in [
            "      CodeUri: functions/relay",
            "      CodeUri: ./functions/relay/",
            "      CodeUri: \"functions/relay\"  # built by cargo",
        ] {
            let template = format!("Resources:\n{line}\n      Description: CodeUri: functions/relay\n");
            assert_eq!(
                localized(&template, &bootstraps()).unwrap(),
                "Resources:\n      CodeUri: '/it''s/relay'\n      Description: CodeUri: functions/relay\n",
                "{line}"
            );
        }
    }

    #[test]
    fn a_room_without_a_binary_is_named() {
        let error = localized("CodeUri: functions/ghost\n", &bootstraps()).unwrap_err().to_string();
        assert!(error.contains("functions/ghost"), "{error}");
    }

    #[test]
    fn a_template_without_functions_is_not_deployed_silently() {
        assert!(localized("Resources: {}\n", &bootstraps()).is_err());
    }
}
