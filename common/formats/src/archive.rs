//! Files in a zip archive, decompressed while they are read (PKWARE APPNOTE 6.3).

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;

use crate::error::{BrokenFile, ReadError, broken, quote};
use crate::limits::{ARCHIVE_BYTES_MAX, ARCHIVE_MEMBERS_MAX, ARCHIVE_RATIO_FREE_BYTES, ARCHIVE_RATIO_MAX};

/// The first bytes of an archive: a local file header, or the end of an empty directory.
const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// The maximum number of bytes read to find the directory: [`ARCHIVE_MEMBERS_MAX`] files with long names need far less,
/// and the size of what is read determines how much memory the directory takes.
const DIRECTORY_BYTES_MAX: u64 = 1024 * 1024;

/// File extensions of nested archives.
const NESTED: [&str; 9] = [".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    start: u64,
    packed: u64,
    crc: u32,
    is_deflated: bool,
}

pub(crate) fn is_archive(start: &[u8]) -> bool {
    MAGIC.iter().any(|magic| start.starts_with(magic))
}

/// A source that several readers use in turn.
pub(crate) type Shared<R> = Arc<Mutex<R>>;

/// Why the archive itself is refused, detected while reading.
pub(crate) type ArchiveError = Arc<Mutex<Option<String>>>;

/// The files of an archive in order, without folders and the metadata files of Apple's systems.
pub(crate) fn members<R: Read + Seek>(source: &Shared<R>) -> Result<Vec<Member>, ReadError> {
    let bounded = Bounded { source: Arc::clone(source), left: DIRECTORY_BYTES_MAX };
    let mut archive = zip::ZipArchive::new(bounded).map_err(refused)?;
    if archive.len() > ARCHIVE_MEMBERS_MAX || archive.has_duplicate_names() {
        return broken(1, format!("the archive has more than {ARCHIVE_MEMBERS_MAX} files, or one name twice"));
    }
    let mut members = Vec::new();
    let mut names = BTreeSet::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(refused)?;
        let Ok(name) = std::str::from_utf8(file.name_raw()) else {
            return broken(1, "a file in the archive has a name that is not UTF-8");
        };
        if let Some(why) = unfit(name, &file) {
            return broken(1, format!("`{}` in the archive {why}", quote(name)));
        }
        if !names.insert(name.to_owned()) {
            return broken(1, format!("`{}` occurs twice in the archive", quote(name)));
        }
        let is_hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
        let Some(start) = file.data_start().filter(|_| !file.is_dir() && !is_hidden) else { continue };
        members.push(Member {
            name: name.to_owned(),
            start,
            packed: file.compressed_size(),
            crc: file.crc32(),
            is_deflated: file.compression() == CompressionMethod::Deflated,
        });
    }
    if members.is_empty() {
        return broken(1, "the archive has no file");
    }
    Ok(members)
}

/// Why a file of an archive is refused.
fn unfit<R: Read + ?Sized>(name: &str, file: &zip::read::ZipFile<'_, R>) -> Option<&'static str> {
    let is_climbing = name.split(['/', '\\']).any(|part| part == "..");
    let is_absolute = name.starts_with(['/', '\\']) || name.get(1..2) == Some(":");
    if name.is_empty() || is_climbing || is_absolute || name.chars().any(char::is_control) {
        return Some("has a name that leads out of it");
    }
    if file.encrypted() {
        return Some("is encrypted; pack it without a password");
    }
    if file.is_symlink() {
        return Some("is a link; pack the file itself");
    }
    let lower = name.to_ascii_lowercase();
    if NESTED.iter().any(|ending| lower.ends_with(ending)) {
        return Some("is an archive itself; pack only statements");
    }
    match file.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        _ => Some("is packed in a way that is not read; use deflate"),
    }
}

fn refused(error: zip::result::ZipError) -> ReadError {
    match error {
        zip::result::ZipError::Io(error) if !is_content(error.kind()) => ReadError::Io(error),
        // Without the library's error text, which may repeat the input.
        _ => BrokenFile::at(1, "the archive's directory cannot be read; it may be cut off, or too large").into(),
    }
}

/// Whether an error is about the content rather than about reading it.
const fn is_content(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// A source with a limit on the bytes read.
struct Bounded<R> {
    source: Shared<R>,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too much is read"));
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let read = source.read(buffer.get_mut(..wanted).unwrap_or_default());
        self.left = self.left.saturating_sub(read.as_ref().map_or(0, |read| *read as u64));
        read
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).seek(to)
    }
}

/// The compressed bytes of a file.
struct Packed<R> {
    source: Shared<R>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

enum Inflate<R> {
    Stored(Take<Packed<R>>),
    Deflated(Box<DeflateDecoder<BufReader<Take<Packed<R>>>>>),
}

/// A file of an archive, decompressed while it is read, and checked at its end.
pub(crate) struct Unpacked<R> {
    inflate: Inflate<R>,
    crc: crc32fast::Hasher,
    expected: u32,
    bytes: u64,
    /// Its maximum size in bytes.
    bytes_max: u64,
    refusal: ArchiveError,
}

impl<R: Read + Seek> Unpacked<R> {
    /// Opens a file; `unpacked_before` is the total decompressed size of the files before it.
    pub(crate) fn open(
        source: &Shared<R>,
        member: &Member,
        unpacked_before: u64,
        refusal: &ArchiveError,
    ) -> io::Result<Self> {
        source.lock().unwrap_or_else(PoisonError::into_inner).seek(SeekFrom::Start(member.start))?;
        let packed = Packed { source: Arc::clone(source) }.take(member.packed);
        let inflate = if member.is_deflated {
            Inflate::Deflated(Box::new(DeflateDecoder::new(BufReader::new(packed))))
        } else {
            Inflate::Stored(packed)
        };
        let by_ratio = member.packed.saturating_mul(ARCHIVE_RATIO_MAX).max(ARCHIVE_RATIO_FREE_BYTES);
        Ok(Self {
            inflate,
            crc: crc32fast::Hasher::new(),
            expected: member.crc,
            bytes: 0,
            bytes_max: by_ratio.min(ARCHIVE_BYTES_MAX.saturating_sub(unpacked_before)),
            refusal: Arc::clone(refusal),
        })
    }
}

impl<R> Unpacked<R> {
    fn refuse(&self, why: &str) -> io::Error {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        io::Error::new(io::ErrorKind::InvalidData, "refused")
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inflate {
            Inflate::Stored(stored) => stored.read(buffer),
            Inflate::Deflated(deflated) => deflated.read(buffer),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) if is_content(error.kind()) => {
                return Err(self.refuse("it cannot be unpacked; the archive is damaged"));
            }
            Err(error) => return Err(error),
        };
        self.bytes = self.bytes.saturating_add(read as u64);
        if self.bytes > self.bytes_max {
            return Err(self.refuse("it unpacks to far more than a statement can have; upload it unpacked"));
        }
        self.crc.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && !buffer.is_empty() && self.crc.clone().finalize() != self.expected {
            return Err(self.refuse("its checksum is wrong; the archive is damaged"));
        }
        Ok(read)
    }
}
