//! Reads the whole file before anything of it is queued: it is accepted or refused as a whole.

use std::io::{Seek, SeekFrom};

use quittance_formats::{BrokenFile, Check, FileItem, Movement, ReadError, StatementSummary};
use quittance_store::uploads::{ImportProgress, Upload};

use crate::file::DownloadedFile;
use crate::import::ImportError;
use crate::lines::meaning;
use crate::reading::{FilePiece, FileReading, attachment_refusal};

/// The maximum number of lines of a file. A bank's largest customers have a million entries a day.
pub(crate) const LINES_MAX: u64 = 2_000_000;

#[derive(Debug)]
pub(crate) enum CheckedFile {
    /// Every line is usable; with the position to start from.
    Sound(ImportProgress, FileReading),
    /// The file is refused, with the reason.
    Refused(String),
}

/// Why a file is unusable, or cannot be read at present.
enum UnusableFile {
    Refused(String),
    Away(std::io::Error),
}

impl From<ReadError> for UnusableFile {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken(broken) => Self::Refused(broken.to_string()),
            ReadError::Io(error) => Self::Away(error),
        }
    }
}

impl From<std::io::Error> for UnusableFile {
    fn from(error: std::io::Error) -> Self {
        Self::Away(error)
    }
}

/// Reads the file to its end.
///
/// # Errors
/// [`ImportError::Disk`] if the disk fails.
pub(crate) fn check(upload: &Upload, copied: DownloadedFile) -> Result<CheckedFile, ImportError> {
    match read(upload, copied) {
        Ok((progress, reading)) => Ok(CheckedFile::Sound(progress, reading)),
        Err(UnusableFile::Refused(reason)) => Ok(CheckedFile::Refused(reason)),
        Err(UnusableFile::Away(error)) => Err(ImportError::Disk(error)),
    }
}

fn read(upload: &Upload, copied: DownloadedFile) -> Result<(ImportProgress, FileReading), UnusableFile> {
    let DownloadedFile { mut file, etag, digest } = copied;
    if let Some(reason) = attachment_refusal(upload, &mut file)? {
        return Err(UnusableFile::Refused(reason));
    }
    let mut reading = FileReading::open(upload, file.try_clone()?)?;
    let mut lines_total = 0_u64;
    while let Some(piece) = reading.next()? {
        match piece {
            FilePiece::Statement(FileItem::Movement(movement)) => {
                check_movement(&movement)?;
                lines_total = movement.number;
            }
            FilePiece::Statement(FileItem::StatementEnd(summary)) => check_sums(&summary)?,
            FilePiece::Confirmation(confirmation) => lines_total = confirmation.number,
        }
        if lines_total > LINES_MAX {
            return Err(UnusableFile::Refused(format!("the file has more than {LINES_MAX} lines; split it")));
        }
    }
    // Includes what the reader detected on the way, such as the encoding of an MT940 file.
    let format = reading.format();
    file.seek(SeekFrom::Start(0))?;
    let progress = ImportProgress { format, etag, digest, lines_total, lines_done: 0, checkpoint: None };
    Ok((progress, FileReading::open(upload, file)?))
}

/// Checks that every amount can be represented exactly.
fn check_movement(movement: &Movement) -> Result<(), UnusableFile> {
    let broken = |error: quittance_domain::money::MoneyError| {
        let broken = BrokenFile { place: movement.place.clone(), reason: format!("amount: {error}") };
        UnusableFile::Refused(broken.to_string())
    };
    meaning(movement).map(drop).map_err(broken)
}

/// Checks the balances: a statement whose entries do not lead from its opening to its closing balance is truncated or
/// corrupt.
fn check_sums(summary: &StatementSummary) -> Result<(), UnusableFile> {
    let reason = match (&summary.check, summary.contradictions.first()) {
        (Check::Contradicts { expected, found }, _) => format!(
            "the opening balance and the entries make {expected}, the closing balance is {found}; ask the bank for the \
             whole statement"
        ),
        (Check::Incomplete(what), _) => what.clone(),
        (_, Some(contradiction)) => contradiction.clone(),
        (_, None) => return Ok(()),
    };
    Err(UnusableFile::Refused(format!("{}: {reason}", summary.place)))
}
