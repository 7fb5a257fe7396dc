//! `payments.goodwill`: what was refunded from our own pocket. Only ever added to: what was no goodwill after all is a
//! negative row.

use chrono::{DateTime, Utc};
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// A change of what a payment's refunds gave away.
#[derive(Debug, Clone)]
pub struct NewGoodwill {
    /// The row.
    pub id: Uuid,
    /// The payment whose refund it is.
    pub payment_id: PaymentId,
    /// How much more is given away; negative for less.
    pub amount: Money,
}

/// Adds changes that were decided about at one time.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    changes: &[NewGoodwill],
    decided_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changes.iter().map(|change| change.id).collect();
    let payments: Vec<Uuid> = changes.iter().map(|change| change.payment_id.as_uuid()).collect();
    let amounts: Vec<Decimal> = changes.iter().map(|change| change.amount.amount()).collect();
    let currencies: Vec<&str> = changes.iter().map(|change| change.amount.currency().code()).collect();
    sqlx::query!(
        "insert into payments.goodwill (id, payment_id, amount, currency, decided_at)
         select *, $5 from unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::text[])",
        &ids,
        &payments,
        &amounts,
        &currencies as &[&str],
        decided_at,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
