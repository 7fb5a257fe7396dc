//! `payments.refund_terms`: reasons of refunds that staff gave afterwards. Append-only.

use quittance_domain::id::PaymentId;
use quittance_domain::refund_reason::RefundTerms;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

const TABLE: &str = "payments.refund_terms";

/// Records the reason of a payment's refunds.
///
/// # Errors
/// [`StoreError`] if the database refuses (a refund that already has a reason) or fails.
pub async fn insert(
    transaction: &mut Transaction,
    payment: PaymentId,
    movements: &[String],
    terms: RefundTerms,
    decided_by: &str,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.refund_terms (payment_id, movement, reason_kind, reopens, decided_by, reason)
         select $1, movement, $3, $4, $5, $6 from unnest($2::text[]) as refund (movement)",
        payment.as_uuid(),
        movements,
        terms.reason.as_str(),
        terms.reopens,
        decided_by,
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The terms of refunds of payments, and of those that were merged into them, by the refund's movement: those that
/// staff gave afterwards, otherwise those of the request.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, String, RefundTerms)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select coalesce(merged_into, payments.id) as "payment_id!", movement as "movement!",
               reason_kind as "reason_kind!", reopens as "reopens!"
           from payments.payments join (
               select payment_id, 'ref_' || replace(id::text, '-', '') as movement, reason_kind, reopens, 1 as said
               from payments.refunds
               union all
               select payment_id, movement, reason_kind, reopens, 2 from payments.refund_terms
           ) as terms on payment_id = payments.id
           where payments.id = any($1) or merged_into = any($1)
           order by said, merged_into is null"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let reason = row.reason_kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?;
            Ok((PaymentId::from_uuid(row.payment_id), row.movement, RefundTerms { reason, reopens: row.reopens }))
        })
        .collect()
}
