//! `billing.requests`: responses to requests that changed something, by caller and idempotency key.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// The result of claiming a key.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyClaim {
    /// The key was free and is claimed.
    New,
    /// The same request was answered before, with this response.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        answer: Value,
    },
    /// Another request was made under this key.
    OtherRequest,
}

/// The digest of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestDigest<'a> {
    /// The scheme of the digest.
    pub scheme: i16,
    /// The digest: method, path and canonical body.
    pub digest: &'a [u8],
    /// The content whose digest scheme 1 kept.
    pub content_before: &'a [u8],
}

/// Claims a key for a request, if it is free or its record is older than `expired_before`. While another transaction
/// holds it, this waits for that one to end.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn claim(
    transaction: &mut Transaction,
    caller: &str,
    key: &str,
    digest: &RequestDigest<'_>,
    expired_before: DateTime<Utc>,
) -> Result<KeyClaim, StoreError> {
    let taken = sqlx::query!(
        "insert into billing.requests as known (caller, key, scheme, digest) values ($1, $2, $3, $4)
         on conflict (caller, key) do update
             set scheme = excluded.scheme, digest = excluded.digest, status = null, answer = null, made_at = now()
             where known.made_at < $5",
        caller,
        key,
        digest.scheme,
        digest.digest,
        expired_before,
    )
    .execute(&mut **transaction)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(KeyClaim::New);
    }
    let known = sqlx::query!(
        r#"select digest = case scheme when 1 then sha256($4) else $3 end as "is_same!", status, answer
           from billing.requests where caller = $1 and key = $2"#,
        caller,
        key,
        digest.digest,
        digest.content_before,
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

/// Stores the response to a request, in the transaction of its change.
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

/// Deletes responses that are older than `before`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn purge(database: &Database, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let purged =
        sqlx::query!("delete from billing.requests where made_at < $1", before).execute(database.pool().await?).await?;
    Ok(purged.rows_affected())
}
