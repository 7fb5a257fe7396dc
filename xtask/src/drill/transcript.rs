//! The transcript of a drill, line by line as it happens: on the terminal, and in a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::Utc;

use crate::play::check::Check;

/// How many lines of a command's output are shown, from its beginning and from its end.
const SHOWN_HEAD: usize = 6;
const SHOWN_TAIL: usize = 6;
/// The maximum width of a line.
const SHOWN_WIDTH: usize = 160;

pub(super) struct Transcript {
    file: File,
    path: PathBuf,
    /// Standard output is for programs, so people read standard error.
    is_quiet: bool,
}

impl Transcript {
    /// Starts a transcript; that of an earlier drill is removed.
    pub(super) fn begin(path: &Path, is_quiet: bool) -> Result<Self> {
        let failed = || format!("could not write {}", path.display());
        path.parent().map_or(Ok(()), fs::create_dir_all).with_context(failed)?;
        let file = File::create(path).with_context(failed)?;
        let mut transcript = Self { file, path: path.to_owned(), is_quiet };
        transcript.write(&format!("# Drill of {}\n", Utc::now().format("%Y-%m-%d %H:%M UTC")))?;
        Ok(transcript)
    }

    /// Starts a part of the drill.
    pub(super) fn part(&mut self, title: &str) -> Result<()> {
        self.write(&format!("\n## {title}\n"))
    }

    /// Records an action or observation.
    pub(super) fn narrate(&mut self, what: &str) -> Result<()> {
        let now = Utc::now().format("%H:%M:%S");
        self.write(&format!("- {now} {what}"))
    }

    /// Records a checked condition.
    pub(super) fn check(&mut self, check: &Check) -> Result<()> {
        let verdict = if check.holds { "holds" } else { "**BROKEN**" };
        self.narrate(&format!("{verdict}: {} ({})", check.rule, check.seen))
    }

    /// Records a command with its output.
    pub(super) fn command(&mut self, line: &str, output: &str, end: &str) -> Result<()> {
        self.narrate(&format!("`{line}` ({end})"))?;
        if output.trim().is_empty() {
            return Ok(());
        }
        self.write(&format!("\n```text\n{}\n```\n", shortened(output)))
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if self.is_quiet {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
        writeln!(self.file, "{text}").with_context(|| format!("could not write {}", self.path.display()))
    }
}

/// The beginning and the end of a text, with each line truncated.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let cut = |line: &&str| {
        let kept: String = line.chars().take(SHOWN_WIDTH).collect();
        if kept.len() < line.len() { format!("{kept}…") } else { kept }
    };
    let left_out = lines.len().saturating_sub(SHOWN_HEAD + SHOWN_TAIL);
    let mut shown: Vec<String> = Vec::new();
    if left_out == 0 {
        shown.extend(lines.iter().map(cut));
    } else {
        shown.extend(lines.iter().take(SHOWN_HEAD).map(cut));
        shown.push(format!("… {left_out} lines …"));
        shown.extend(lines.iter().skip(SHOWN_HEAD + left_out).map(cut));
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_is_shown_by_its_beginning_and_its_end() {
        let text: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        let shown = shortened(&text);
        assert!(shown.starts_with("line 1\nline 2\n") && shown.ends_with("line 39\nline 40"), "{shown}");
        assert!(shown.contains("line 6\n… 28 lines …\nline 35"), "{shown}");
        assert_eq!(shortened("one\n\ntwo\n"), "one\ntwo");
    }
}
