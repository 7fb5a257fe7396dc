//! `ledger.transactions` and `ledger.entries`: double entry, append-only; and the sums of `ledger.daily_sums`.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::id::{InvoiceId, LedgerTransactionId, PaymentId};
use quittance_domain::ledger::Posting;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// What was recorded in the last minutes is left out of a rollup: a transaction of the ledger's role takes at most one
/// minute (`transaction_timeout`), and is recorded at the time when it began.
const SETTLING_TIME: TimeDelta = TimeDelta::minutes(10);

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
        "insert into ledger.transactions (id, event_id, description, occurred_at, invoice_id, payment_id)
         values ($1, $2, $3, $4, $5, $6) on conflict on constraint transactions_event_id_key do nothing",
        id,
        event_id,
        posting.description,
        occurred_at,
        posting.invoice_id.map(InvoiceId::as_uuid),
        posting.payment_id.map(PaymentId::as_uuid),
    )
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    let accounts: Vec<String> = posting.entries.iter().map(|(account, _)| account.to_string()).collect();
    let amounts: Vec<Decimal> = posting.entries.iter().map(|(_, amount)| amount.amount()).collect();
    let currencies: Vec<&str> = posting.entries.iter().map(|(_, amount)| amount.currency().code()).collect();
    sqlx::query!(
        "insert into ledger.accounts (code) select code from unnest($1::text[]) as account (code) order by code
         on conflict do nothing",
        &accounts,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into ledger.entries (transaction_id, occurred_at, account, amount, currency)
         select $1, $2, * from unnest($3::text[], $4::numeric[], $5::text[])",
        id,
        occurred_at,
        &accounts,
        &amounts,
        &currencies as &[&str],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}

/// What became of the wish to take a transaction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversal {
    /// Its mirror is posted.
    Posted,
    /// It was taken back before.
    AlreadyReversed,
    /// There is no such transaction.
    Unknown,
}

/// Takes a transaction back by its mirror, once. The role that asks may not write entries: a function of the database does.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn reverse(
    transaction: &mut Transaction,
    id: LedgerTransactionId,
    reversed: LedgerTransactionId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Reversal, StoreError> {
    let outcome = sqlx::query_scalar!(
        r#"select ledger.reverse($1, $2, $3, $4) as "outcome!""#,
        id.as_uuid(),
        reversed.as_uuid(),
        reason,
        now,
    )
    .fetch_one(&mut **transaction)
    .await?;
    match outcome.as_str() {
        "posted" => Ok(Reversal::Posted),
        "already_reversed" => Ok(Reversal::AlreadyReversed),
        "unknown" => Ok(Reversal::Unknown),
        other => Err(StoreError::corrupt("ledger.transactions", format!("ledger.reverse answered {other}"))),
    }
}

/// Sums up what was recorded since the last time, if that was before `due`; a day at most, so that what has piled up is
/// summed up bit by bit. Answers whether it did.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn roll_up(
    transaction: &mut Transaction,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // Who comes second meets the first one's row by its beginning.
    let begun = sqlx::query!(
        r#"insert into ledger.rollups (since, up_to)
           select coalesce(last, '-infinity'),
               least($2, coalesce(last, (select min(recorded_at) from ledger.entries)) + interval '1 day')
           from (select max(up_to) as last from ledger.rollups) as rollup
           where last is null or last < least($1::timestamptz, $2) on conflict do nothing returning up_to"#,
        due,
        now - SETTLING_TIME,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(begun) = begun else { return Ok(false) };
    sqlx::query!(
        "insert into ledger.daily_sums (up_to, account, currency, day, amount)
         select rollups.up_to, account, currency, (occurred_at at time zone 'UTC')::date, sum(amount)
         from ledger.rollups join ledger.entries on recorded_at >= since and recorded_at < rollups.up_to
         where rollups.up_to = $1
         group by rollups.up_to, account, currency, (occurred_at at time zone 'UTC')::date",
        begun.up_to,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}
