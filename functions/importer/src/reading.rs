//! A file as a row of lines, whatever its kind and format.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use quittance_domain::upload::UploadKind;
use quittance_formats::{
    BrokenFile, Confirmation, ConfirmationUpload, CsvOptions, FileItem, FilePosition, Format, Movement, ReadError,
    StatementUpload,
};
use quittance_store::StoreError;
use quittance_store::uploads::{ImportProgress, Upload};
use serde_json::Value;

use crate::import::ImportError;

/// What comes next in a file.
#[derive(Debug)]
pub(crate) enum FilePiece {
    Statement(FileItem),
    Confirmation(Confirmation),
}

/// Lines that follow each other in a file.
#[derive(Debug)]
pub(crate) enum LineChunk {
    Movements(Vec<Movement>),
    Confirmations(Vec<Confirmation>),
}

impl LineChunk {
    /// Whether money went back in one of the lines.
    pub(crate) fn has_returns(&self) -> bool {
        let Self::Movements(movements) = self else { return false };
        let is_return =
            |movement: &Movement| movement.is_reversal || movement.may_be_return || movement.return_reason.is_some();
        movements.iter().any(is_return)
    }

    /// The number of the last line; none if there is no line left.
    pub(crate) fn last(&self) -> Option<u64> {
        match self {
            Self::Movements(movements) => movements.last().map(|movement| movement.number),
            Self::Confirmations(confirmations) => confirmations.last().map(|confirmation| confirmation.number),
        }
    }
}

/// A file that is being read.
pub(crate) struct FileReading {
    engine: ReadingEngine,
}

/// Where confirmations come from: the file, or what was typed in.
trait ConfirmationSource: Read + Seek + Send {}

impl<T: Read + Seek + Send> ConfirmationSource for T {}

enum ReadingEngine {
    Statement(Box<StatementUpload<File>>),
    Confirmations(Box<ConfirmationUpload<Box<dyn ConfirmationSource>>>, u64),
}

impl std::fmt::Debug for FileReading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reading").field("format", &self.format()).finish_non_exhaustive()
    }
}

impl FileReading {
    /// Opens a file at its first byte. What was typed in beside a picture stands for the picture.
    ///
    /// # Errors
    /// [`ReadError`] if it is none that can be read.
    pub(crate) fn open(upload: &Upload, file: File) -> Result<Self, ReadError> {
        let options = options(upload)?;
        let engine = match (upload.kind, &upload.typed) {
            (UploadKind::BankStatement, _) => {
                ReadingEngine::Statement(Box::new(StatementUpload::open(file, &options)?))
            }
            (UploadKind::PaymentConfirmation, typed) => {
                let source: Box<dyn ConfirmationSource> = match typed {
                    Some(typed) => Box::new(Cursor::new(typed.to_string())),
                    None => Box::new(file),
                };
                ReadingEngine::Confirmations(Box::new(ConfirmationUpload::open(source, &options)?), 0)
            }
        };
        Ok(Self { engine })
    }

    /// Goes on where an earlier invocation handed on its last chunk.
    ///
    /// # Errors
    /// [`ImportError`] if the file cannot be had, or what was kept of it is none of ours.
    pub(crate) fn resume(upload: &Upload, file: File, progress: &ImportProgress) -> Result<Self, ImportError> {
        match (&progress.checkpoint, upload.kind) {
            (Some(checkpoint), UploadKind::BankStatement) => {
                let checkpoint = serde_json::from_value(checkpoint.clone()).map_err(corrupt)?;
                let reader = StatementUpload::resume(file, checkpoint)?;
                Ok(Self { engine: ReadingEngine::Statement(Box::new(reader)) })
            }
            _ => {
                let mut reading = Self::open(upload, file)?;
                for _ in 0..progress.lines_done {
                    reading.next()?;
                }
                Ok(reading)
            }
        }
    }

    /// What the file is, in words.
    pub(crate) fn format(&self) -> String {
        match &self.engine {
            ReadingEngine::Statement(reader) => reader.format().to_string(),
            ReadingEngine::Confirmations(reader, _) => reader.format(),
        }
    }

    /// Whether finance names the payments of a statement: in a column that is called as ours is. A bank has a name of its
    /// own for each line, too, which may come again next year.
    pub(crate) fn names_payments(&self) -> bool {
        let ReadingEngine::Statement(reader) = &self.engine else { return false };
        matches!(reader.format(), Format::Csv(dialect) if dialect.header.iter().any(|name| name == "transaction_id"))
    }

    /// The next piece; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FilePiece>, ReadError> {
        Ok(match &mut self.engine {
            ReadingEngine::Statement(reader) => reader.next_item()?.map(FilePiece::Statement),
            ReadingEngine::Confirmations(reader, done) => {
                let next = reader.next_confirmation()?;
                *done = next.as_ref().map_or(*done, |next| next.number);
                next.map(FilePiece::Confirmation)
            }
        })
    }

    /// The next lines, at most so many; none at the end.
    pub(crate) fn chunk(&mut self, lines_max: usize) -> Result<LineChunk, ReadError> {
        let (mut movements, mut confirmations) = (Vec::new(), Vec::new());
        while movements.len() + confirmations.len() < lines_max {
            match self.next()? {
                Some(FilePiece::Statement(FileItem::Movement(movement))) => movements.push(*movement),
                Some(FilePiece::Statement(FileItem::StatementEnd(_))) => {}
                Some(FilePiece::Confirmation(confirmation)) => confirmations.push(confirmation),
                None => break,
            }
        }
        Ok(match &self.engine {
            ReadingEngine::Statement(_) => LineChunk::Movements(movements),
            ReadingEngine::Confirmations(..) => LineChunk::Confirmations(confirmations),
        })
    }

    /// Where to go on behind what was read.
    ///
    /// # Errors
    /// [`ImportError`] if it cannot be written down.
    pub(crate) fn checkpoint(&self) -> Result<Value, ImportError> {
        match &self.engine {
            ReadingEngine::Statement(reader) => Ok(serde_json::to_value(reader.checkpoint()).map_err(corrupt)?),
            ReadingEngine::Confirmations(_, done) => Ok(Value::from(*done)),
        }
    }
}

/// After so many lines, what else is under way gets its turn.
const TURN: usize = 100;

/// Lets what waits for the database or the queue go on from time to time.
pub(crate) async fn let_others_work(lines: usize) {
    if lines.is_multiple_of(TURN) {
        tokio::task::yield_now().await;
    }
}

/// How to read a CSV file, as whoever announced it said; the door has checked it.
fn options(upload: &Upload) -> Result<CsvOptions, ReadError> {
    let broken = |error| BrokenFile {
        place: FilePosition::default(),
        reason: format!("the options of its announcement: {error}"),
    };
    Ok(serde_json::from_value(upload.options.clone()).map_err(broken)?)
}

/// What is kept of an upload is none of ours.
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::corrupt("billing.uploads", error)
}

/// How files of a media type begin.
const PICTURES: [(&str, &[u8]); 3] =
    [("application/pdf", b"%PDF-"), ("image/png", b"\x89PNG\r\n\x1a\n"), ("image/jpeg", b"\xff\xd8\xff")];

/// Why the picture beside typed payments is none, if it is not. The file is left at its first byte.
pub(crate) fn attachment_refusal(upload: &Upload, file: &mut File) -> std::io::Result<Option<String>> {
    let Some((name, begin)) = PICTURES.iter().find(|(name, _)| upload.typed.is_some() && *name == upload.content_type)
    else {
        return Ok(None);
    };
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok((!head.starts_with(begin)).then(|| format!("the file is no {name}, which it was announced as")))
}
