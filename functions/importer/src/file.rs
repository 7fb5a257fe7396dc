//! Downloads an uploaded file to the function's own disk: statements are larger than its memory, and archives are read
//! from their end.

use std::error::Error;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use aws_sdk_s3::error::ProvideErrorMetadata;
use sha2::{Digest, Sha256};

/// An object of the uploads bucket, copied.
#[derive(Debug)]
pub struct DownloadedFile {
    /// The content, from its first byte. The file has no name and is deleted with this value.
    pub file: File,
    /// S3's ETag of this content.
    pub etag: String,
    /// SHA-256, in hex.
    pub digest: String,
}

/// Why there is no local copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("the object is larger than allowed")]
    TooLarge,
    #[error("the object is not the one that was checked")]
    Replaced,
    #[error("file {key} cannot be read")]
    Unreadable { key: String, source: Box<dyn Error + Send + Sync> },
    #[error("file {key} cannot be stored on the disk")]
    NotStored { key: String, source: std::io::Error },
}

/// Copies an object; with `etag`, only if it still has this content.
pub(crate) async fn copy(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    etag: Option<&str>,
    bytes_max: u32,
) -> Result<DownloadedFile, DownloadError> {
    let unreadable = |source: Box<dyn Error + Send + Sync>| DownloadError::Unreadable { key: key.to_owned(), source };
    let not_stored = |source: std::io::Error| DownloadError::NotStored { key: key.to_owned(), source };
    let answer = s3.get_object().bucket(bucket).key(key).set_if_match(etag.map(str::to_owned)).send().await;
    let mut object = answer.map_err(|error| match error.code() {
        Some("PreconditionFailed") => DownloadError::Replaced,
        _ => unreadable(Box::new(error.into_service_error())),
    })?;
    let mut file = tempfile::tempfile().map_err(not_stored)?;
    let (mut digest, mut length) = (Sha256::new(), 0_u64);
    while let Some(bytes) = object.body.next().await {
        let bytes = bytes.map_err(|error| unreadable(error.into()))?;
        length = length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if length > u64::from(bytes_max) {
            return Err(DownloadError::TooLarge);
        }
        digest.update(&bytes);
        file.write_all(&bytes).map_err(not_stored)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(not_stored)?;
    let etag = object.e_tag.unwrap_or_default();
    Ok(DownloadedFile { file, etag, digest: hex::encode(digest.finalize()) })
}
