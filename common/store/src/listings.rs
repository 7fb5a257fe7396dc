//! `payments.listings`: until when each gateway was asked to tell all of its events once more.

use chrono::{DateTime, Utc};

use crate::database::Transaction;
use crate::error::StoreError;

/// Takes on the time since the last listing of every one of `providers` that was listed before `before`: their names with
/// where that time begins. It ends at `now`. A provider that is new has nothing to be listed yet.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn advance(
    transaction: &mut Transaction,
    providers: &[&str],
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
    sqlx::query!(
        "insert into payments.listings (provider, listed_until) select provider, $2 from unnest($1::text[]) as provider
         order by provider on conflict (provider) do nothing",
        providers as &[&str],
        now,
    )
    .execute(&mut **transaction)
    .await?;
    let rows = sqlx::query!(
        "update payments.listings set listed_until = $3
         from (
             select provider, listed_until from payments.listings
             where provider = any($1::text[]) and listed_until < $2 for update skip locked
         ) as last
         where listings.provider = last.provider returning last.provider, last.listed_until",
        providers as &[&str],
        before,
        now,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().map(|row| (row.provider, row.listed_until)).collect())
}
