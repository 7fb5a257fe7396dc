//! `ledger.transactions` and `ledger.entries`: double entry, append-only.

use chrono::{DateTime, Utc};
use quittance_domain::ledger::Posting;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// Posts one balanced transaction for an event, unless the event has been posted before. Says whether it was new.
///
/// # Errors
/// [`StoreError`] if the database refuses (entries that do not balance) or fails.
pub async fn post(
    transaction: &mut Transaction,
    id: Uuid,
    event_id: &str,
    occurred_at: DateTime<Utc>,
    posting: &Posting,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into ledger.transactions (id, event_id, description, occurred_at) values ($1, $2, $3, $4)
         on conflict on constraint transactions_event_id_key do nothing",
        id,
        event_id,
        posting.description,
        occurred_at,
    )
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    let entries = posting.entries();
    let accounts: Vec<String> = entries.iter().map(|(account, _)| account.to_string()).collect();
    let amounts: Vec<Decimal> = entries.iter().map(|(_, amount)| amount.amount()).collect();
    let currencies: Vec<String> = entries.iter().map(|(_, amount)| amount.currency().to_string()).collect();
    sqlx::query!(
        "insert into ledger.accounts (code) select code from unnest($1::text[]) as account (code) order by code
         on conflict do nothing",
        &accounts,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into ledger.entries (transaction_id, account, amount, currency)
         select $1, * from unnest($2::text[], $3::numeric[], $4::text[])",
        id,
        &accounts,
        &amounts,
        &currencies,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}
