//! One reader for all statements: it detects a file's format, and reads it item by item.

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::camt::{self, Camt, CamtKind};
use crate::csv::{self, CsvOptions, CsvStatement, Dialect};
use crate::error::{ReadError, broken};
use crate::item::FileItem;
use crate::mt940::{self, Mt940};
use crate::stream::Stream;

/// The detected format of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// camt.052, camt.053 or camt.054 of a version.
    Camt(CamtKind),
    /// MT940, with the encoding of what was read so far, for people.
    Mt940(String),
    /// CSV, with its dialect.
    Csv(Box<Dialect>),
}

impl std::fmt::Display for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Camt(kind) => write!(formatter, "{kind}"),
            Self::Mt940(encoding) => write!(formatter, "MT940 ({encoding})"),
            Self::Csv(dialect) => write!(formatter, "{dialect}"),
        }
    }
}

/// A position to resume from, after any item: small, and sufficient together with the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The offset in the (decompressed) file.
    offset: u64,
    /// The line, from 1.
    line: u64,
    /// Movements returned so far.
    number: u64,
    /// Movements of the entry at this position that were already returned.
    skip: u32,
    state: State,
}

impl Checkpoint {
    /// The offset in the (decompressed) file where reading resumes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of movements returned so far.
    #[must_use]
    pub const fn movements(&self) -> u64 {
        self.number
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Camt(Box<camt::State>),
    Mt940(Box<mt940::State>),
    Csv(Box<csv::State>),
}

/// Reads a statement's movements one by one, never holding more than an entry.
pub struct StatementReader<R> {
    engine: Engine<R>,
    number: u64,
}

enum Engine<R> {
    Camt(Box<Camt<R>>),
    Mt940(Box<Mt940<R>>),
    Csv(Box<CsvStatement<R>>),
}

impl<R: Read> StatementReader<R> {
    /// Opens a file outside of an archive, at its first byte: XML and MT940 are detected by their beginning, everything
    /// else is CSV. The options apply to CSV only.
    ///
    /// # Errors
    /// [`ReadError::Broken`] if it is not a readable statement, [`ReadError::Io`] if its bytes are not available.
    pub fn open(source: R, options: &CsvOptions) -> Result<Self, ReadError> {
        let mut stream = Stream::new(source, 0);
        let sample = stream.sample()?;
        let engine = if sample.iter().all(u8::is_ascii_whitespace) {
            return broken(1, "the file is empty");
        } else if is_xml(sample) {
            Engine::Camt(Box::new(Camt::open(stream)?))
        } else if mt940::is_mt940(sample) {
            Engine::Mt940(Box::new(Mt940::new(stream, 1, mt940::State::default())))
        } else {
            Engine::Csv(Box::new(CsvStatement::open(stream, options)?))
        };
        Ok(Self { engine, number: 0 })
    }

    /// Resumes from a checkpoint. `source` is the same file from its first byte on; everything before the checkpoint is
    /// skipped.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the bytes are not available, or the file is shorter than before.
    pub fn resume(source: R, checkpoint: Checkpoint) -> Result<Self, ReadError> {
        let mut stream = Stream::new(source, 0);
        stream.skip(checkpoint.offset)?;
        Ok(Self::go_on(stream, checkpoint))
    }

    /// Resumes from a checkpoint. The first byte of `source` is at the file's offset [`Checkpoint::offset`].
    #[must_use]
    pub fn resume_at(source: R, checkpoint: Checkpoint) -> Self {
        let stream = Stream::new(source, checkpoint.offset);
        Self::go_on(stream, checkpoint)
    }

    fn go_on(stream: Stream<R>, checkpoint: Checkpoint) -> Self {
        let Checkpoint { line, number, skip, state, .. } = checkpoint;
        let engine = match state {
            State::Camt(state) => Engine::Camt(Box::new(Camt::resume(stream, line, skip, *state))),
            State::Mt940(state) => Engine::Mt940(Box::new(Mt940::new(stream, line, *state))),
            State::Csv(state) => Engine::Csv(Box::new(CsvStatement::resume(stream, line, *state))),
        };
        Self { engine, number }
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> Format {
        match &self.engine {
            Engine::Camt(camt) => Format::Camt(camt.kind()),
            Engine::Mt940(mt940) => Format::Mt940(mt940.encoding().to_owned()),
            Engine::Csv(csv) => Format::Csv(Box::new(csv.dialect().clone())),
        }
    }

    /// The next movement, or the end of a statement; none at the end of the file.
    ///
    /// # Errors
    /// [`ReadError`]; after one, the reader must not be used again.
    pub fn next_item(&mut self) -> Result<Option<FileItem>, ReadError> {
        let mut item = match &mut self.engine {
            Engine::Camt(camt) => camt.next()?,
            Engine::Mt940(mt940) => mt940.next()?,
            Engine::Csv(csv) => csv.next()?,
        };
        if let Some(FileItem::Movement(movement)) = &mut item {
            self.number = self.number.saturating_add(1);
            movement.number = self.number;
        }
        Ok(item)
    }

    /// The position after the last item that was returned.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let (offset, line, skip, state) = match &self.engine {
            Engine::Camt(camt) => {
                let (offset, line, skip, state) = camt.pause();
                (offset, line, skip, State::Camt(Box::new(state)))
            }
            Engine::Mt940(mt940) => {
                let (offset, line, state) = mt940.pause();
                (offset, line, 0, State::Mt940(Box::new(state)))
            }
            Engine::Csv(csv) => {
                let (offset, line, state) = csv.pause();
                (offset, line, 0, State::Csv(Box::new(state)))
            }
        };
        Checkpoint { offset, line, number: self.number, skip, state }
    }
}

/// Whether a file is XML, in any encoding.
fn is_xml(sample: &[u8]) -> bool {
    let is_utf16 = [&b"\xff\xfe<\0"[..], b"\xfe\xff\0<", b"<\0", b"\0<"].iter().any(|start| sample.starts_with(start));
    let bare = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    is_utf16 || bare.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
pub(crate) mod tests;
