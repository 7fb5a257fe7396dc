//! `payments.decisions`: requests of staff that were carried out or refused. Each once.

use crate::database::Transaction;
use crate::error::StoreError;

/// Notes a request. Says whether it is new; a request that is not must have no effect.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn note(transaction: &mut Transaction, request: &str, subject: &str) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into payments.decisions (request, subject) values ($1, $2) on conflict (request) do nothing",
        request,
        subject,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
