//! `billing.uploads`: files that people bring, and what each line became.

use chrono::{DateTime, Utc};
use quittance_domain::id::{ClientId, UploadId};
use quittance_domain::money::Money;
use rust_decimal::Decimal;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

/// The largest file, in bytes: what the presigned URL takes and what the importer reads.
pub const FILE_BYTES_MAX: u32 = 5 * 1024 * 1024;

/// What a file is. Taken from our record, never from the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadKind {
    /// A client's list of payments it says it made.
    PaymentConfirmation,
    /// What the bank says happened on our account.
    BankStatement,
}

impl UploadKind {
    /// The name used in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentConfirmation => "payment_confirmation",
            Self::BankStatement => "bank_statement",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        [Self::PaymentConfirmation, Self::BankStatement]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("billing.uploads", format!("`{text}` is no kind of upload")))
    }
}

/// An upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The upload.
    pub id: UploadId,
    /// What the file is.
    pub kind: UploadKind,
    /// Who brought it.
    pub uploaded_by: String,
    /// For whom it speaks.
    pub client_id: Option<ClientId>,
    /// Where the file lies in the uploads bucket.
    pub object_key: String,
    /// `awaiting_file`, `accepted` or `refused`.
    pub status: String,
    /// Why it was refused.
    pub refusal: Option<String>,
    /// When the upload was started.
    pub created_at: DateTime<Utc>,
}

/// A line that was taken from a file.
#[derive(Debug, Clone)]
pub struct UploadLine {
    /// Line of the file, from 1, counting the header.
    pub line: i32,
    /// The payment it speaks of.
    pub transaction_id: String,
    /// The amount it names.
    pub amount: Money,
}

/// Notes that a file is going to come.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, upload: &Upload) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into billing.uploads (id, kind, uploaded_by, client_id, object_key) values ($1, $2, $3, $4, $5)",
        upload.id.as_uuid(),
        upload.kind.as_str(),
        upload.uploaded_by,
        upload.client_id.map(ClientId::as_uuid),
        upload.object_key,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Reads an upload by the key of its file.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find_by_key(database: &Database, object_key: &str) -> Result<Option<Upload>, StoreError> {
    let row = sqlx::query!(
        "select id, kind, uploaded_by, client_id, object_key, status, refusal, created_at
         from billing.uploads where object_key = $1",
        object_key,
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(|row| {
        Ok(Upload {
            id: UploadId::from_uuid(row.id),
            kind: UploadKind::parse(&row.kind)?,
            uploaded_by: row.uploaded_by,
            client_id: row.client_id.map(ClientId::from_uuid),
            object_key: row.object_key,
            status: row.status,
            refusal: row.refusal,
            created_at: row.created_at,
        })
    })
    .transpose()
}

/// Notes that all lines of a file have been handed on.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn accept(
    transaction: &mut Transaction,
    id: UploadId,
    digest: &str,
    lines: &[UploadLine],
) -> Result<(), StoreError> {
    let numbers: Vec<i32> = lines.iter().map(|line| line.line).collect();
    let names: Vec<String> = lines.iter().map(|line| line.transaction_id.clone()).collect();
    let amounts: Vec<Decimal> = lines.iter().map(|line| line.amount.amount()).collect();
    let currencies: Vec<String> = lines.iter().map(|line| line.amount.currency().to_string()).collect();
    sqlx::query!(
        "insert into billing.upload_lines (upload_id, line, transaction_id, amount, currency)
         select $1, * from unnest($2::integer[], $3::text[], $4::numeric[], $5::text[])",
        id.as_uuid(),
        &numbers,
        &names,
        &amounts,
        &currencies,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "update billing.uploads set status = 'accepted', digest = $2, finished_at = now()
         where id = $1 and status = 'awaiting_file'",
        id.as_uuid(),
        digest,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Notes that a file was refused whole, and why.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn refuse(transaction: &mut Transaction, id: UploadId, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.uploads set status = 'refused', refusal = $2, finished_at = now()
         where id = $1 and status = 'awaiting_file'",
        id.as_uuid(),
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Reads an upload; with `client_id`, only if it speaks for that client.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find(
    database: &Database,
    id: UploadId,
    client_id: Option<ClientId>,
) -> Result<Option<(Upload, Vec<UploadLine>)>, StoreError> {
    let key = sqlx::query_scalar!(
        "select object_key from billing.uploads where id = $1 and ($2::uuid is null or client_id = $2)",
        id.as_uuid(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    let Some(key) = key else { return Ok(None) };
    let Some(upload) = find_by_key(database, &key).await? else { return Ok(None) };
    let rows = sqlx::query!(
        "select line, transaction_id, amount, currency from billing.upload_lines where upload_id = $1 order by line",
        id.as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    let lines = rows
        .into_iter()
        .map(|row| {
            let amount = money("billing.upload_lines", row.amount, &row.currency)?;
            Ok(UploadLine { line: row.line, transaction_id: row.transaction_id, amount })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Some((upload, lines)))
}
