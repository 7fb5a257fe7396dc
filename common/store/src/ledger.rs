//! `ledger.transactions` and `ledger.entries`: double entry, append-only; and the sums of `ledger.daily_sums`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use quittance_domain::id::{InvoiceId, LedgerTransactionId, PaymentId};
use quittance_domain::ledger::{Account, Posting};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

/// Records of the last minutes are left out of a rollup: a transaction of the ledger's role takes at most one minute
/// (`transaction_timeout`), and is recorded with its start time.
const SETTLING_TIME: TimeDelta = TimeDelta::minutes(10);

/// Posts one balanced transaction for an event, unless the event was posted before. Returns whether it was posted.
///
/// # Errors
/// [`StoreError`] if the database refuses (entries that do not balance) or fails.
pub async fn post(
    transaction: &mut Transaction,
    id: Uuid,
    event_id: &str,
    occurred_at: DateTime<Utc>,
    accounting_date: NaiveDate,
    posting: &Posting,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into ledger.transactions (id, event_id, description, occurred_at, invoice_id, payment_id, accounting_date)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict on constraint transactions_event_id_key do nothing",
        id,
        event_id,
        posting.description,
        occurred_at,
        posting.invoice_id.map(InvoiceId::as_uuid),
        posting.payment_id.map(PaymentId::as_uuid),
        accounting_date,
    )
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    let (accounts, amounts, currencies) = columns(&posting.entries);
    sqlx::query!(
        "insert into ledger.accounts (code) select code from unnest($1::text[]) as account (code) order by code
         on conflict do nothing",
        &accounts,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into ledger.entries (transaction_id, occurred_at, accounting_date, account, amount, currency)
         select $1, $2, $3, * from unnest($4::text[], $5::numeric[], $6::text[])",
        id,
        occurred_at,
        accounting_date,
        &accounts,
        &amounts,
        &currencies as &[&str],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}

/// Returns which of these events are posted.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn posted(database: &Database, event_ids: &[String]) -> Result<BTreeSet<String>, StoreError> {
    let found = sqlx::query_scalar!("select event_id from ledger.transactions where event_id = any($1)", event_ids)
        .fetch_all(database.pool().await?)
        .await?;
    Ok(found.into_iter().collect())
}

fn columns(entries: &[(Account, Money)]) -> (Vec<String>, Vec<Decimal>, Vec<&'static str>) {
    let accounts = entries.iter().map(|(account, _)| account.to_string()).collect();
    let amounts = entries.iter().map(|(_, amount)| amount.amount()).collect();
    (accounts, amounts, entries.iter().map(|(_, amount)| amount.currency().code()).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversalOutcome {
    /// The reversing transaction is posted.
    Posted,
    /// It was reversed before.
    AlreadyReversed,
    /// There is no such transaction.
    Unknown,
}

/// Reverses a transaction once, at the given time and accounting date, or at those of the transaction. The caller's
/// role may not write entries: a database function does.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn reverse(
    transaction: &mut Transaction,
    id: LedgerTransactionId,
    reversed: LedgerTransactionId,
    reason: &str,
    at: Option<(DateTime<Utc>, NaiveDate)>,
) -> Result<ReversalOutcome, StoreError> {
    let outcome = sqlx::query_scalar!(
        r#"select ledger.reverse($1, $2, $3, $4, $5) as "outcome!""#,
        id.as_uuid(),
        reversed.as_uuid(),
        reason,
        at.map(|(time, _)| time),
        at.map(|(_, day)| day),
    )
    .fetch_one(&mut **transaction)
    .await?;
    match outcome.as_str() {
        "posted" => Ok(ReversalOutcome::Posted),
        "already_reversed" => Ok(ReversalOutcome::AlreadyReversed),
        "unknown" => Ok(ReversalOutcome::Unknown),
        other => Err(StoreError::corrupt("ledger.transactions", format!("ledger.reverse answered {other}"))),
    }
}

/// The sum of a transaction's debits in each currency. Empty if the transaction does not exist.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn debits(transaction: &mut Transaction, id: LedgerTransactionId) -> Result<Vec<Money>, StoreError> {
    let rows = sqlx::query!(
        r#"select currency, sum(amount) as "amount!" from ledger.entries
           where transaction_id = $1 and amount > 0 group by currency order by currency"#,
        id.as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(|row| money("ledger.entries", row.amount, &row.currency)).collect()
}

/// Posts the replacement of a reversed transaction, at the time and accounting date of the original unless others are
/// given.
///
/// # Errors
/// [`StoreError`] if the database refuses (entries that do not balance; a transaction that was not reversed, or was
/// replaced before) or fails.
pub async fn replace(
    transaction: &mut Transaction,
    id: LedgerTransactionId,
    reversed: LedgerTransactionId,
    at: Option<DateTime<Utc>>,
    accounting_date: Option<NaiveDate>,
    entries: &[(Account, Money)],
) -> Result<(), StoreError> {
    let (accounts, amounts, currencies) = columns(entries);
    sqlx::query!(
        "select ledger.replace($1, $2, $3, $4, $5, $6, $7)",
        id.as_uuid(),
        reversed.as_uuid(),
        at,
        accounting_date,
        &accounts,
        &amounts,
        &currencies as &[&str],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Counts the currencies whose rolled-up sums do not add up to zero: none, unless somebody bypassed the database's own
/// rules.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn unbalanced_currencies(database: &Database) -> Result<i64, StoreError> {
    let unbalanced = sqlx::query_scalar!(
        r#"select count(*) as "unbalanced!" from (
               select from ledger.daily_sums group by currency having sum(amount) <> 0
           ) as currency"#,
    )
    .fetch_one(database.pool().await?)
    .await?;
    Ok(unbalanced)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReversingTransaction {
    pub id: LedgerTransactionId,
    /// Whether a replacement was posted.
    pub is_replaced: bool,
}

/// The reversal of a transaction; none if it was not reversed.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn mirror(
    transaction: &mut Transaction,
    reversed: LedgerTransactionId,
) -> Result<Option<ReversingTransaction>, StoreError> {
    let row = sqlx::query!(
        r#"select id, exists (
               select from ledger.transactions as replacement where replacement.event_id = 'replacement:' || $1::uuid
           ) as "is_replaced!"
           from ledger.transactions where reverses = $1"#,
        reversed.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(|row| ReversingTransaction { id: LedgerTransactionId::from_uuid(row.id), is_replaced: row.is_replaced }))
}

/// Rolls up what was recorded since the last rollup, if that was before `due`; at most a day's records, so that a
/// backlog is processed in parts. Returns whether it did.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn roll_up(
    transaction: &mut Transaction,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // Of two concurrent rollups, the second conflicts with the row of the first, whose key is its start.
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
         select rollups.up_to, account, currency, accounting_date, sum(amount)
         from ledger.rollups join ledger.entries on recorded_at >= since and recorded_at < rollups.up_to
         where rollups.up_to = $1
         group by rollups.up_to, account, currency, accounting_date",
        begun.up_to,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}
