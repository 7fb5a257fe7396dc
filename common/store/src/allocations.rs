//! `payments.allocations`: which money went to which invoice. Only ever added to.

use quittance_domain::id::{AllocationId, InvoiceId, PaymentId};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// Money that goes from a payment to an invoice.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// The row.
    pub id: AllocationId,
    /// Where the money comes from.
    pub payment_id: PaymentId,
    /// Where it goes.
    pub invoice_id: InvoiceId,
    /// How much.
    pub amount: Money,
}

/// Adds allocations.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, allocations: &[Allocation]) -> Result<(), StoreError> {
    if allocations.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = allocations.iter().map(|allocation| allocation.id.as_uuid()).collect();
    let payments: Vec<Uuid> = allocations.iter().map(|allocation| allocation.payment_id.as_uuid()).collect();
    let invoices: Vec<Uuid> = allocations.iter().map(|allocation| allocation.invoice_id.as_uuid()).collect();
    let amounts: Vec<Decimal> = allocations.iter().map(|allocation| allocation.amount.amount()).collect();
    let currencies: Vec<String> =
        allocations.iter().map(|allocation| allocation.amount.currency().to_string()).collect();
    sqlx::query!(
        "insert into payments.allocations (id, payment_id, invoice_id, amount, currency)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[])",
        &ids,
        &payments,
        &invoices,
        &amounts,
        &currencies,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
