//! `payments.single_person_approvals`: amounts that single persons entered or approved, by payer and day. Append-only.

use chrono::NaiveDate;
use quittance_domain::id::ClientId;
use quittance_domain::money::Money;

use crate::database::Transaction;
use crate::error::{StoreError, money};

/// An amount that one person entered or approved alone.
#[derive(Debug, Clone, Copy)]
pub struct SinglePersonApproval<'a> {
    /// The event id of the evidence or approval.
    pub event_id: &'a str,
    /// The payer; none stands for all unknown payers together.
    pub payer: Option<ClientId>,
    /// The day of the entry or approval.
    pub day: NaiveDate,
    pub amount: Money,
    pub approved_by: &'a str,
}

/// Sums what single persons entered or approved for the same payer, day and currency. Holds a lock on payer and day
/// until the end of the transaction, so that concurrent entries are summed one after the other.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock_sum(transaction: &mut Transaction, approval: &SinglePersonApproval<'_>) -> Result<Money, StoreError> {
    let payer = approval.payer.map(|payer| payer.to_string()).unwrap_or_default();
    let searched = format!("vouched alone: {payer} {}", approval.day);
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", searched)
        .fetch_one(&mut **transaction)
        .await?;
    let currency = approval.amount.currency().code();
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0) as "sum!" from payments.vouched_alone
           where day = $1 and payer is not distinct from $2 and currency = $3"#,
        approval.day,
        approval.payer.map(ClientId::as_uuid),
        currency,
    )
    .fetch_one(&mut **transaction)
    .await?;
    money("payments.vouched_alone", sum, currency)
}

/// Inserts an amount into the sum.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, approval: &SinglePersonApproval<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.vouched_alone (event_id, payer, day, amount, currency, vouched_by)
         values ($1, $2, $3, $4, $5, $6)",
        approval.event_id,
        approval.payer.map(ClientId::as_uuid),
        approval.day,
        approval.amount.amount(),
        approval.amount.currency().code(),
        approval.approved_by,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
