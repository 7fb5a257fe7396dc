//! `payments.event_backfills`: the time up to which each gateway's events were backfilled.

use chrono::{DateTime, Utc};

use crate::database::Transaction;
use crate::error::StoreError;

/// Reserves the period since the last event backfill for each of `providers` whose last one was before `before`:
/// returns the providers with the start of the period. It ends at `now`. A new provider has nothing to backfill yet.
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
