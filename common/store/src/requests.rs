//! `billing.requests`: answers to requests that changed something, by caller and idempotency key.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// Whether a key has been used.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyClaim {
    /// It is free, and taken now.
    New,
    /// The same request came before, and this is its answer.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        answer: Value,
    },
    /// Another request came before under this key.
    OtherRequest,
}

/// Takes a key for a request, if it is free or its record is older than `expired_before`. While another transaction
/// has it, this waits for that one to end.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn claim(
    transaction: &mut Transaction,
    caller: &str,
    key: &str,
    content: &[u8],
    expired_before: DateTime<Utc>,
) -> Result<KeyClaim, StoreError> {
    let taken = sqlx::query!(
        "insert into billing.requests as known (caller, key, digest) values ($1, $2, sha256($3))
         on conflict (caller, key) do update
             set digest = excluded.digest, status = null, answer = null, made_at = now()
             where known.made_at < $4",
        caller,
        key,
        content,
        expired_before,
    )
    .execute(&mut **transaction)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(KeyClaim::New);
    }
    let known = sqlx::query!(
        r#"select digest = sha256($3) as "is_same!", status, answer from billing.requests where caller = $1 and key = $2"#,
        caller,
        key,
        content,
    )
    .fetch_one(&mut **transaction)
    .await?;
    let status = known.status.and_then(|status| u16::try_from(status).ok());
    match (known.is_same, status, known.answer) {
        (true, Some(status), Some(answer)) => Ok(KeyClaim::Answered { status, answer }),
        (true, _, _) => Err(StoreError::corrupt("billing.requests", format!("the request {key} has no answer"))),
        (false, _, _) => Ok(KeyClaim::OtherRequest),
    }
}

/// Keeps the answer to a request, in the transaction of what it changed.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn answer(
    transaction: &mut Transaction,
    caller: &str,
    key: &str,
    status: u16,
    answer: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.requests set status = $3, answer = $4 where caller = $1 and key = $2",
        caller,
        key,
        i16::try_from(status).map_err(|error| StoreError::corrupt("billing.requests", error))?,
        answer,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Deletes answers that are older than `before`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn purge(database: &Database, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let purged =
        sqlx::query!("delete from billing.requests where made_at < $1", before).execute(database.pool().await?).await?;
    Ok(purged.rows_affected())
}
