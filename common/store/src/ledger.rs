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
    (occurred_at, accounting_date): (DateTime<Utc>, NaiveDate),
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

/// Which of these events are booked.
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

/// What became of the wish to take a transaction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversalOutcome {
    /// Its mirror is posted.
    Posted,
    /// It was taken back before.
    AlreadyReversed,
    /// There is no such transaction.
    Unknown,
}

/// Takes a transaction back by its mirror, once; at a time and on an accounting date, or else on those of the transaction.
/// The role that asks may not write entries: a function of the database does.
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

/// What a transaction moves: the sum of its debits in each currency. Empty if there is no such transaction.
///
/// # Errors
/// [`StoreError`] if the database fails or holds a value that the domain does not know.
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

/// Books what takes the place of a transaction that was taken back: as of the same time and on the same accounting date,
/// unless others are given.
///
/// # Errors
/// [`StoreError`] if the database refuses (entries that do not balance; a transaction that stands, or was replaced) or
/// fails.
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

/// Counts the currencies in which all that was ever summed up does not add up to zero: none, unless somebody got past the
/// database's own rules.
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

/// What took a transaction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReversingTransaction {
    /// The transaction that mirrors it.
    pub id: LedgerTransactionId,
    /// Whether another took its place.
    pub is_replaced: bool,
}

/// What took a transaction back; none if nothing did.
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
