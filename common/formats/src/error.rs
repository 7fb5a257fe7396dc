//! Why a file cannot be read, and where the problem is.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::limits::SHOWN_LENGTH_MAX;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePosition {
    /// The name of the file within the archive.
    pub member: Option<String>,
    /// The line of the (decompressed) file, from 1.
    pub line: u64,
    /// The statement within the file, from 1; 0 outside of statements.
    pub statement: u64,
    /// The entry within the statement, from 1; 0 outside of entries.
    pub entry: u64,
    /// The detail within the entry, from 1, if the entry has details.
    pub detail: Option<u32>,
}

impl fmt::Display for FilePosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = &self.member {
            write!(formatter, "{}, ", quote(member))?;
        }
        write!(formatter, "line {}", self.line)?;
        if self.statement > 0 {
            write!(formatter, ", statement {}", self.statement)?;
        }
        if self.entry > 0 {
            write!(formatter, ", entry {}", self.entry)?;
        }
        match self.detail {
            Some(detail) => write!(formatter, ", detail {detail}"),
            None => Ok(()),
        }
    }
}

/// Why a file is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct BrokenFile {
    /// The position.
    pub place: FilePosition,
    /// What is wrong, and what would be valid. Repeats at most [`SHOWN_LENGTH_MAX`] characters of the file.
    pub reason: String,
}

impl BrokenFile {
    /// The line of the (decompressed) file, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.place.line
    }

    pub(crate) fn at(line: u64, reason: impl fmt::Display) -> Self {
        Self { place: FilePosition { line, ..FilePosition::default() }, reason: reason.to_string() }
    }
}

/// Why the next item cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is refused; reading it again gives the same result.
    #[error(transparent)]
    Broken(#[from] BrokenFile),
    /// The file's bytes are not available; reading it again may succeed.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Why the file is refused, if so.
    #[must_use]
    pub fn broken(self) -> Option<BrokenFile> {
        match self {
            Self::Broken(broken) => Some(broken),
            Self::Io(_) => None,
        }
    }
}

pub(crate) fn broken<T>(line: u64, reason: impl fmt::Display) -> Result<T, ReadError> {
    Err(BrokenFile::at(line, reason).into())
}

/// The part of the input that an error repeats: its beginning, without control characters, and only the ends of what
/// may be an account number.
pub(crate) fn quote(text: &str) -> String {
    let plain: String = text.chars().filter(|letter| !letter.is_control()).take(SHOWN_LENGTH_MAX).collect();
    let is_account = |word: &str| {
        word.len() >= 15
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && word.bytes().filter(u8::is_ascii_digit).count() >= 8
    };
    let hidden = |word: &str| match (word.get(..4), word.get(word.len().saturating_sub(2)..)) {
        (Some(start), Some(end)) if is_account(word) => format!("{start}…{end}"),
        _ => word.to_owned(),
    };
    plain.split(' ').map(hidden).collect::<Vec<_>>().join(" ")
}
