//! `payments.exclusions`: invoices from which staff released a payment for good.

use quittance_domain::id::{InvoiceId, PaymentId};
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// Records that a payment does not pay an invoice. Does nothing if that is already recorded.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    payment: PaymentId,
    invoice: InvoiceId,
    decided_by: &str,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.exclusions (payment_id, invoice_id, decided_by, reason) values ($1, $2, $3, $4)
         on conflict do nothing",
        payment.as_uuid(),
        invoice.as_uuid(),
        decided_by,
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Copies the exclusions of a merged duplicate to the payment that is kept.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn inherit(transaction: &mut Transaction, kept: PaymentId, twin: PaymentId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.exclusions (payment_id, invoice_id, decided_by, reason)
         select $1, invoice_id, decided_by, reason from payments.exclusions where payment_id = $2
         on conflict do nothing",
        kept.as_uuid(),
        twin.as_uuid(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The excluded invoices of payments.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, InvoiceId)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!("select payment_id, invoice_id from payments.exclusions where payment_id = any($1)", &ids)
        .fetch_all(&mut **transaction)
        .await?;
    let pair = |(payment, invoice)| (PaymentId::from_uuid(payment), InvoiceId::from_uuid(invoice));
    Ok(rows.into_iter().map(|row| pair((row.payment_id, row.invoice_id))).collect())
}
