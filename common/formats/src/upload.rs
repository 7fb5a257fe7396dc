//! Reads an upload: a file, or an archive of files.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::archive::{ArchiveError, Member, Unpacked, is_archive, members};
use crate::confirmation::{Confirmation, ConfirmationReader};
use crate::csv::CsvOptions;
use crate::error::{BrokenFile, FilePosition, ReadError};
use crate::item::FileItem;
use crate::limits::CONFIRMATIONS_MAX;
use crate::reader::{Checkpoint, Format, StatementReader};

/// The bytes of the file that is being read.
enum Bytes<R> {
    Plain(Arc<Mutex<R>>),
    Unpacked(Box<Unpacked<R>>),
}

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.lock().unwrap_or_else(PoisonError::into_inner).read(buffer),
            Self::Unpacked(unpacked) => unpacked.read(buffer),
        }
    }
}

/// The files of an upload, opened one after the other.
struct Files<R> {
    source: Arc<Mutex<R>>,
    /// None if the upload is not an archive.
    members: Option<Vec<Member>>,
    refusal: ArchiveError,
}

impl<R: Read + Seek> Files<R> {
    fn open(mut source: R) -> Result<Self, ReadError> {
        let mut start = Vec::new();
        source.seek(SeekFrom::Start(0))?;
        (&mut source).take(4).read_to_end(&mut start)?;
        let source = Arc::new(Mutex::new(source));
        let members = if is_archive(&start) { Some(members(&source)?) } else { None };
        Ok(Self { source, members, refusal: ArchiveError::default() })
    }

    fn count(&self) -> usize {
        self.members.as_ref().map_or(1, Vec::len)
    }

    fn name(&self, index: usize) -> Option<String> {
        self.members.as_ref()?.get(index).map(|member| member.name.clone())
    }

    /// The bytes of a file; `unpacked_before` is the total decompressed size of those before it.
    fn bytes(&self, index: usize, unpacked_before: u64) -> Result<Bytes<R>, ReadError> {
        match &self.members {
            Some(members) => match members.get(index) {
                Some(member) => {
                    let unpacked = Unpacked::open(&self.source, member, unpacked_before, &self.refusal)?;
                    Ok(Bytes::Unpacked(Box::new(unpacked)))
                }
                None => {
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive has fewer files than it had").into())
                }
            },
            None => {
                self.source.lock().unwrap_or_else(PoisonError::into_inner).seek(SeekFrom::Start(0))?;
                Ok(Bytes::Plain(Arc::clone(&self.source)))
            }
        }
    }

    /// The same error with its file; problems of the archive itself are not treated as read errors.
    fn placed(&self, error: ReadError, index: usize) -> ReadError {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        let broken = match (refusal, error) {
            (Some(reason), ReadError::Broken(broken)) => BrokenFile { reason, ..broken },
            (Some(reason), ReadError::Io(_)) => BrokenFile::at(1, reason),
            (None, ReadError::Broken(broken)) => broken,
            (None, error) => return error,
        };
        let place = FilePosition { member: self.name(index), ..broken.place };
        BrokenFile { place, ..broken }.into()
    }
}

/// A position to resume an upload from, after any item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadCheckpoint {
    /// The file's index in the archive, from 0.
    member: usize,
    /// The total decompressed size of the files before it, in bytes.
    unpacked_before: u64,
    /// Movements returned so far.
    number: u64,
    options: CsvOptions,
    inner: Checkpoint,
}

impl UploadCheckpoint {
    /// The number of movements returned so far.
    #[must_use]
    pub const fn movements(&self) -> u64 {
        self.number
    }
}

/// Reads the statements of an upload, a file or an archive of files, movement by movement.
pub struct StatementUpload<R: Read + Seek> {
    files: Files<R>,
    options: CsvOptions,
    member: usize,
    unpacked_before: u64,
    number: u64,
    reader: StatementReader<Bytes<R>>,
}

impl<R: Read + Seek> StatementUpload<R> {
    /// Opens an upload.
    ///
    /// # Errors
    /// [`ReadError::Broken`] if it, or its first file, is not readable.
    pub fn open(source: R, options: &CsvOptions) -> Result<Self, ReadError> {
        let files = Files::open(source)?;
        let bytes = files.bytes(0, 0)?;
        let reader = StatementReader::open(bytes, options).map_err(|error| files.placed(error, 0))?;
        Ok(Self { files, options: options.clone(), member: 0, unpacked_before: 0, number: 0, reader })
    }

    /// Resumes from a checkpoint. `source` is the same upload.
    ///
    /// # Errors
    /// [`ReadError`] if it is not the same.
    pub fn resume(source: R, checkpoint: UploadCheckpoint) -> Result<Self, ReadError> {
        let files = Files::open(source)?;
        let UploadCheckpoint { member, unpacked_before, number, options, inner } = checkpoint;
        let bytes = files.bytes(member, unpacked_before)?;
        let reader = StatementReader::resume(bytes, inner).map_err(|error| files.placed(error, member))?;
        Ok(Self { files, options, member, unpacked_before, number, reader })
    }

    /// The format of the file that is being read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.reader.format()
    }

    /// The name of the file that is being read, if the upload is an archive.
    #[must_use]
    pub fn member(&self) -> Option<String> {
        self.files.name(self.member)
    }

    /// The position after the last item that was returned.
    #[must_use]
    pub fn checkpoint(&self) -> UploadCheckpoint {
        UploadCheckpoint {
            member: self.member,
            unpacked_before: self.unpacked_before,
            number: self.number,
            options: self.options.clone(),
            inner: self.reader.checkpoint(),
        }
    }

    /// The next movement, or the end of a statement; none at the end of the upload.
    ///
    /// # Errors
    /// [`ReadError`]; after one, the reader must not be used again.
    pub fn next_item(&mut self) -> Result<Option<FileItem>, ReadError> {
        loop {
            let item = self.reader.next_item().map_err(|error| self.files.placed(error, self.member))?;
            let name = || self.files.name(self.member);
            match item {
                Some(FileItem::Movement(mut movement)) => {
                    self.number = self.number.saturating_add(1);
                    movement.number = self.number;
                    movement.place.member = name();
                    return Ok(Some(FileItem::Movement(movement)));
                }
                Some(FileItem::StatementEnd(mut end)) => {
                    end.place.member = name();
                    return Ok(Some(FileItem::StatementEnd(end)));
                }
                None if self.member.saturating_add(1) >= self.files.count() => return Ok(None),
                None => self.next_member()?,
            }
        }
    }

    fn next_member(&mut self) -> Result<(), ReadError> {
        self.unpacked_before = self.unpacked_before.saturating_add(self.reader.checkpoint().offset());
        self.member = self.member.saturating_add(1);
        let bytes = self.files.bytes(self.member, self.unpacked_before)?;
        let opened = StatementReader::open(bytes, &self.options);
        self.reader = opened.map_err(|error| self.files.placed(error, self.member))?;
        Ok(())
    }
}

/// Reads the payment confirmations of an upload, a file or an archive of files, one by one.
pub struct ConfirmationUpload<R: Read + Seek> {
    files: Files<R>,
    options: CsvOptions,
    member: usize,
    number: u64,
    reader: ConfirmationReader<Bytes<R>>,
}

impl<R: Read + Seek> ConfirmationUpload<R> {
    /// Opens an upload.
    ///
    /// # Errors
    /// [`ReadError::Broken`] if it, or its first file, is not readable.
    pub fn open(source: R, options: &CsvOptions) -> Result<Self, ReadError> {
        let files = Files::open(source)?;
        let bytes = files.bytes(0, 0)?;
        let reader = ConfirmationReader::open(bytes, options).map_err(|error| files.placed(error, 0))?;
        Ok(Self { files, options: options.clone(), member: 0, number: 0, reader })
    }

    /// The format of the file that is being read, for people.
    #[must_use]
    pub fn format(&self) -> String {
        self.reader.dialect().map_or_else(|| "JSON".to_owned(), ToString::to_string)
    }

    /// The next payment; none at the end of the upload. To continue later, open the upload again and skip as many as
    /// were read: there are at most [`CONFIRMATIONS_MAX`].
    ///
    /// # Errors
    /// [`ReadError`]; after one, the reader must not be used again.
    pub fn next_confirmation(&mut self) -> Result<Option<Confirmation>, ReadError> {
        loop {
            let next = self.reader.next_confirmation().map_err(|error| self.files.placed(error, self.member))?;
            if let Some(mut confirmation) = next {
                self.number = self.number.saturating_add(1);
                if self.number > CONFIRMATIONS_MAX {
                    let why = format!("an upload has at most {CONFIRMATIONS_MAX} payments; split it");
                    return Err(self.files.placed(BrokenFile::at(confirmation.line, why).into(), self.member));
                }
                confirmation.number = self.number;
                return Ok(Some(confirmation));
            }
            self.member = self.member.saturating_add(1);
            if self.member >= self.files.count() {
                return Ok(None);
            }
            // Each file is within the limits of a reader of confirmations, so the total needs no limit.
            let bytes = self.files.bytes(self.member, 0)?;
            let opened = ConfirmationReader::open(bytes, &self.options);
            self.reader = opened.map_err(|error| self.files.placed(error, self.member))?;
        }
    }
}

#[cfg(test)]
mod tests;
