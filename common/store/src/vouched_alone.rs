//! `payments.vouched_alone`: what single persons vouched for, by payer and day. Only ever added to.

use chrono::NaiveDate;
use quittance_domain::id::ClientId;
use quittance_domain::money::Money;

use crate::database::Transaction;
use crate::error::{StoreError, money};

/// What one of staff vouches for.
#[derive(Debug, Clone, Copy)]
pub struct Vouched<'a> {
    /// The evidence or approval.
    pub event_id: &'a str,
    /// Whose money it is; none while nobody knows, which counts as one payer.
    pub payer: Option<ClientId>,
    /// The day on which it is vouched for.
    pub day: NaiveDate,
    /// How much.
    pub amount: Money,
    /// Who vouches.
    pub vouched_by: &'a str,
}

/// What single persons vouched for of the payer, on the day, in the currency, up to now. Whoever asks next for the same
/// payer and day waits for the end of this transaction.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock_sum(transaction: &mut Transaction, vouched: &Vouched<'_>) -> Result<Money, StoreError> {
    let payer = vouched.payer.map(|payer| payer.to_string()).unwrap_or_default();
    let searched = format!("vouched alone: {payer} {}", vouched.day);
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", searched)
        .fetch_one(&mut **transaction)
        .await?;
    let currency = vouched.amount.currency().code();
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0) as "sum!" from payments.vouched_alone
           where day = $1 and payer is not distinct from $2 and currency = $3"#,
        vouched.day,
        vouched.payer.map(ClientId::as_uuid),
        currency,
    )
    .fetch_one(&mut **transaction)
    .await?;
    money("payments.vouched_alone", sum, currency)
}

/// Adds to it.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, vouched: &Vouched<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.vouched_alone (event_id, payer, day, amount, currency, vouched_by)
         values ($1, $2, $3, $4, $5, $6)",
        vouched.event_id,
        vouched.payer.map(ClientId::as_uuid),
        vouched.day,
        vouched.amount.amount(),
        vouched.amount.currency().code(),
        vouched.vouched_by,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
