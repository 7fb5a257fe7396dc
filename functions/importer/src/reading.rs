//! A file as a sequence of lines, whatever its kind and format.

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

/// The next part of a file.
#[derive(Debug)]
pub(crate) enum FilePiece {
    Statement(FileItem),
    Confirmation(Confirmation),
}

#[derive(Debug)]
pub(crate) enum LineChunk {
    Movements(Vec<Movement>),
    Confirmations(Vec<Confirmation>),
}

impl LineChunk {
    /// Whether one of the lines returns money.
    pub(crate) fn has_returns(&self) -> bool {
        let Self::Movements(movements) = self else { return false };
        let is_return =
            |movement: &Movement| movement.is_reversal || movement.may_be_return || movement.return_reason.is_some();
        movements.iter().any(is_return)
    }

    /// The number of the last line; none if there are no lines.
    pub(crate) fn last(&self) -> Option<u64> {
        match self {
            Self::Movements(movements) => movements.last().map(|movement| movement.number),
            Self::Confirmations(confirmations) => confirmations.last().map(|confirmation| confirmation.number),
        }
    }
}

pub(crate) struct FileReading {
    engine: ReadingEngine,
}

/// The source of confirmations: the file, or the entered data.
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
    /// Opens a file at its first byte. Payments entered with an image are read in place of the image.
    ///
    /// # Errors
    /// [`ReadError`] if it is not readable.
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

    /// Continues after the last chunk that an earlier invocation queued.
    ///
    /// # Errors
    /// [`ImportError`] if the file is unavailable, or its stored state is invalid.
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

    /// The detected format, for people.
    pub(crate) fn format(&self) -> String {
        match &self.engine {
            ReadingEngine::Statement(reader) => reader.format().to_string(),
            ReadingEngine::Confirmations(reader, _) => reader.format(),
        }
    }

    /// Whether finance gave the payments of a statement transaction ids, in a column with our name. The ids that a bank
    /// gives each line may be reused the next year.
    pub(crate) fn names_payments(&self) -> bool {
        let ReadingEngine::Statement(reader) = &self.engine else { return false };
        matches!(reader.format(), Format::Csv(dialect) if dialect.header.iter().any(|name| name == "transaction_id"))
    }

    /// The next part; none at the end.
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

    /// The next lines, up to a maximum; none at the end.
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

    /// The position after what was read.
    ///
    /// # Errors
    /// [`ImportError`] if it cannot be serialised.
    pub(crate) fn checkpoint(&self) -> Result<Value, ImportError> {
        match &self.engine {
            ReadingEngine::Statement(reader) => Ok(serde_json::to_value(reader.checkpoint()).map_err(corrupt)?),
            ReadingEngine::Confirmations(_, done) => Ok(Value::from(*done)),
        }
    }
}

/// The number of lines after which other tasks get a turn.
const TURN: usize = 100;

/// Yields to tasks that wait for the database or the queue from time to time.
pub(crate) async fn let_others_work(lines: usize) {
    if lines.is_multiple_of(TURN) {
        tokio::task::yield_now().await;
    }
}

/// The CSV options that were given with the announcement; the API has checked them.
fn options(upload: &Upload) -> Result<CsvOptions, ReadError> {
    let broken = |error| BrokenFile {
        place: FilePosition::default(),
        reason: format!("the options of its announcement: {error}"),
    };
    Ok(serde_json::from_value(upload.options.clone()).map_err(broken)?)
}

/// The error for invalid stored data of an upload.
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::corrupt("billing.uploads", error)
}

/// The first bytes of files by media type.
const PICTURES: [(&str, &[u8]); 3] =
    [("application/pdf", b"%PDF-"), ("image/png", b"\x89PNG\r\n\x1a\n"), ("image/jpeg", b"\xff\xd8\xff")];

/// Why the file with entered payments is not a valid image, if so. The file is rewound to its first byte.
pub(crate) fn attachment_refusal(upload: &Upload, file: &mut File) -> std::io::Result<Option<String>> {
    let Some((name, begin)) = PICTURES.iter().find(|(name, _)| upload.typed.is_some() && *name == upload.content_type)
    else {
        return Ok(None);
    };
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok((!head.starts_with(begin)).then(|| format!("the file is not {name}, as announced")))
}
