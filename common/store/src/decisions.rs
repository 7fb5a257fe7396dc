//! `payments.decisions`: staff requests that were carried out or refused, each once.

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// Whether a request was recorded before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedRequest {
    New,
    /// It was recorded before, and must have no further effect.
    Known,
    /// Another request was recorded under its id.
    OtherContent,
}

/// Records a request with the digest of its content.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn record(
    transaction: &mut Transaction,
    request: &str,
    subject: &str,
    content: &[u8],
) -> Result<RecordedRequest, StoreError> {
    let inserted = sqlx::query!(
        "insert into payments.decisions (request, subject, digest) values ($1, $2, sha256($3))
         on conflict (request) do nothing",
        request,
        subject,
        content,
    )
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(RecordedRequest::New);
    }
    let is_same = sqlx::query_scalar!(
        r#"select digest = sha256($2) as "is_same!" from payments.decisions where request = $1"#,
        request,
        content,
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(if is_same { RecordedRequest::Known } else { RecordedRequest::OtherContent })
}

/// Whether a request was carried out or refused.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_recorded(database: &Database, request: &str) -> Result<bool, StoreError> {
    let is_noted = sqlx::query_scalar!(
        r#"select exists (select from payments.decisions where request = $1) as "is_noted!""#,
        request,
    )
    .fetch_one(database.pool().await?)
    .await?;
    Ok(is_noted)
}
