//! `billing.uploads`: uploaded files, and the progress of reading them.

use chrono::{DateTime, Utc};
use quittance_domain::id::{ClientId, UploadId};
use quittance_domain::upload::{UploadKind, UploadStatus};
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

#[derive(Debug, Clone)]
pub struct Upload {
    pub id: UploadId,
    /// The kind of file.
    pub kind: UploadKind,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// The client on whose behalf it was uploaded.
    pub client_id: Option<ClientId>,
    /// The file's key in the uploads bucket.
    pub object_key: String,
    /// The announced media type.
    pub content_type: String,
    /// The options for reading a CSV file that is ambiguous.
    pub options: Value,
    /// The data that a client entered with an image.
    pub typed: Option<Value>,
    pub status: UploadStatus,
    /// Why it was refused.
    pub refusal: Option<String>,
    /// When the upload was started.
    pub created_at: DateTime<Utc>,
    /// The progress; none before the whole file was checked.
    pub progress: Option<ImportProgress>,
}

/// The progress of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProgress {
    /// The detected format, for people.
    pub format: String,
    /// S3's ETag of the content that was checked.
    pub etag: String,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// How many lines it has.
    pub lines_total: u64,
    /// How many of them are queued or left out.
    pub lines_done: u64,
    /// Where to resume; none at the start.
    pub checkpoint: Option<Value>,
}

struct Row {
    id: Uuid,
    kind: String,
    uploaded_by: String,
    client_id: Option<Uuid>,
    object_key: String,
    content_type: String,
    options: Value,
    typed: Option<Value>,
    status: String,
    refusal: Option<String>,
    created_at: DateTime<Utc>,
    format: Option<String>,
    etag: Option<String>,
    digest: Option<String>,
    lines_total: Option<i64>,
    lines_done: i64,
    checkpoint: Option<Value>,
}

impl TryFrom<Row> for Upload {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("billing.uploads", error);
        let progress = match (row.format, row.etag, row.digest, row.lines_total) {
            (Some(format), Some(etag), Some(digest), Some(total)) => Some(ImportProgress {
                format,
                etag,
                digest,
                lines_total: u64::try_from(total).map_err(|error| corrupt(&error))?,
                lines_done: u64::try_from(row.lines_done).map_err(|error| corrupt(&error))?,
                checkpoint: row.checkpoint,
            }),
            _ => None,
        };
        Ok(Self {
            id: UploadId::from_uuid(row.id),
            kind: row.kind.parse().map_err(|error| corrupt(&error))?,
            uploaded_by: row.uploaded_by,
            client_id: row.client_id.map(ClientId::from_uuid),
            object_key: row.object_key,
            content_type: row.content_type,
            options: row.options,
            typed: row.typed,
            status: row.status.parse().map_err(|error| corrupt(&error))?,
            refusal: row.refusal,
            created_at: row.created_at,
            progress,
        })
    }
}

/// Inserts the announcement of a file.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, upload: &Upload) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into billing.uploads (id, kind, uploaded_by, client_id, object_key, content_type, options, typed)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        upload.id.as_uuid(),
        upload.kind.as_str(),
        upload.uploaded_by,
        upload.client_id.map(ClientId::as_uuid),
        upload.object_key,
        upload.content_type,
        upload.options,
        upload.typed,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The upload with this object key.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn id_by_key(database: &Database, object_key: &str) -> Result<Option<UploadId>, StoreError> {
    let id = sqlx::query_scalar!("select id from billing.uploads where object_key = $1", object_key)
        .fetch_optional(database.pool().await?)
        .await?;
    Ok(id.map(UploadId::from_uuid))
}

/// Reads an upload; with `client_id`, only if it was made on behalf of that client.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find(
    database: &Database,
    id: UploadId,
    client_id: Option<ClientId>,
) -> Result<Option<Upload>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, kind, uploaded_by, client_id, object_key, content_type, options, typed, status, refusal, created_at,
             format, etag, digest, lines_total, lines_done, checkpoint
         from billing.uploads where id = $1 and ($2::uuid is null or client_id = $2)",
        id.as_uuid(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(Upload::try_from).transpose()
}

/// Leases an unfinished upload, so that nobody else reads it until then. Returns whether it was free.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lease(database: &Database, id: UploadId, until: DateTime<Utc>) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "update billing.uploads set leased_until = $2
         where id = $1 and status in ('awaiting_file', 'importing') and coalesce(leased_until < now(), true)",
        id.as_uuid(),
        until,
    )
    .execute(database.pool().await?)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Releases the lease.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn release(database: &Database, id: UploadId) -> Result<(), StoreError> {
    sqlx::query!("update billing.uploads set leased_until = null where id = $1", id.as_uuid())
        .execute(database.pool().await?)
        .await?;
    Ok(())
}

/// Records that the whole file is readable.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn begin(transaction: &mut Transaction, id: UploadId, progress: &ImportProgress) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.uploads set status = 'importing', format = $2, etag = $3, digest = $4, lines_total = $5
         where id = $1 and status = 'awaiting_file'",
        id.as_uuid(),
        progress.format,
        progress.etag,
        progress.digest,
        i64::try_from(progress.lines_total).unwrap_or(i64::MAX),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Records how many lines are queued, and where to resume.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn advance(database: &Database, id: UploadId, lines_done: u64, checkpoint: &Value) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.uploads set lines_done = $2, checkpoint = $3 where id = $1 and status = 'importing'",
        id.as_uuid(),
        i64::try_from(lines_done).unwrap_or(i64::MAX),
        checkpoint,
    )
    .execute(database.pool().await?)
    .await?;
    Ok(())
}

/// Records that all lines of a file have been queued.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn accept(transaction: &mut Transaction, id: UploadId) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.uploads
         set status = 'accepted', lines_done = lines_total, checkpoint = null, leased_until = null, finished_at = now()
         where id = $1 and status = 'importing'",
        id.as_uuid(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Records why a file was refused as a whole.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn refuse(transaction: &mut Transaction, id: UploadId, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.uploads set status = 'refused', refusal = $2, leased_until = null, finished_at = now()
         where id = $1 and status = 'awaiting_file'",
        id.as_uuid(),
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
