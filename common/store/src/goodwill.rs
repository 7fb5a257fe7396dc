//! `payments.goodwill`: refunds at our own expense. Append-only: a correction is a negative row.

use chrono::{DateTime, Utc};
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// A change of a payment's goodwill.
#[derive(Debug, Clone)]
pub struct NewGoodwill {
    /// The row.
    pub id: Uuid,
    /// The payment that was refunded.
    pub payment_id: PaymentId,
    /// The increase of goodwill; negative for a decrease.
    pub amount: Money,
}

/// Inserts changes that were decided at the same time.
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
