//! `billing.adjustments`: fees and rounding differences. Append-only.

use chrono::{DateTime, Utc};
use quittance_domain::event::AdjustmentSummary;

use crate::database::Transaction;
use crate::error::StoreError;

/// Inserts an adjustment, unless the provider's reference is already recorded with the same kind. Returns whether it
/// was inserted.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    adjustment: &AdjustmentSummary,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into billing.adjustments (id, kind, provider, currency, amount, reference, reason, recorded_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict on constraint adjustments_reference_key do nothing",
        adjustment.id.as_uuid(),
        adjustment.kind.as_str(),
        adjustment.provider.as_str(),
        adjustment.amount.currency().code(),
        adjustment.amount.amount(),
        adjustment.reference,
        reason,
        now,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
