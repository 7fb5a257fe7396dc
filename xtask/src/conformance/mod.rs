//! Tests our parsers on real-world samples.

mod expected_camt;
mod expected_mt940;
mod gateways;
mod signatures;
mod statements;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

/// Larger files are not samples for us.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A sample and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, relative to the given folder.
    pub file: String,
    /// The detected format.
    pub format: &'static str,
    /// Whether it was parsed correctly.
    pub is_right: bool,
    /// What was parsed, or what is wrong.
    pub verdict: String,
}

/// A parser's result for a sample: what was parsed, or what is wrong.
type Verdict = anyhow::Result<String>;

/// The results of a folder.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The recognised samples, in the order of their files.
    pub findings: Vec<Finding>,
    /// Files that none of our parsers is for.
    pub unrecognised: Vec<String>,
}

/// Tests every sample below a folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn run(folder: &Path) -> Result<Report> {
    let mut report = Report::default();
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let bytes = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        let samples = statements::sample(&file, &bytes).map_or_else(|| recognise(&bytes), |sample| vec![sample]);
        if samples.is_empty() {
            report.unrecognised.push(name);
            continue;
        }
        report.findings.extend(samples.into_iter().map(|(format, verdict)| {
            let is_right = verdict.is_ok();
            let verdict = verdict.unwrap_or_else(|wrong| format!("{wrong:#}"));
            Finding { file: name.clone(), format, is_right, verdict }
        }));
    }
    Ok(report)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= FILE_BYTES_MAX {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The samples in a file, each with its format and result; none if none of our parsers is for the file.
fn recognise(bytes: &[u8]) -> Vec<(&'static str, Verdict)> {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    let signed = signatures::samples(&json);
    if signed.is_empty() { gateways::samples(&json) } else { signed }
}

impl Report {
    /// Whether everything is correct.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.findings.iter().all(|finding| finding.is_right)
    }

    /// The table, with the counts in the last line.
    #[must_use]
    pub fn table(&self) -> String {
        let width =
            |text: fn(&Finding) -> &str| self.findings.iter().map(|finding| text(finding).chars().count()).max();
        let (file, format) = (width(|finding| &finding.file), width(|finding| finding.format));
        let (file, format) = (file.unwrap_or_default(), format.unwrap_or_default());
        let mut table = String::new();
        for finding in &self.findings {
            let mark = if finding.is_right { "right" } else { "WRONG" };
            // Writing to a text does not fail.
            let _ = writeln!(table, "{:file$}  {:format$}  {mark}  {}", finding.file, finding.format, finding.verdict);
        }
        let wrong = self.findings.iter().filter(|finding| !finding.is_right).count();
        let _ = write!(
            table,
            "{} samples: {} right, {wrong} wrong; {} files not recognised",
            self.findings.len(),
            self.findings.len().saturating_sub(wrong),
            self.unrecognised.len(),
        );
        table
    }
}
