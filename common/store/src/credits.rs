//! `payments.credits`: money of payments that pays no invoice. Only ever added to.

use quittance_domain::id::{ClientId, PaymentId};
use quittance_domain::settlement::Surplus;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// Surplus money: a client's credit, or in suspense while nobody knows whose it is.
#[derive(Debug, Clone)]
pub struct Credit {
    /// The row.
    pub id: Uuid,
    /// Where the money comes from.
    pub payment_id: PaymentId,
    /// Whose it is.
    pub client_id: Option<ClientId>,
    /// How much, and why.
    pub surplus: Surplus,
}

/// Adds credits.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, credits: &[Credit]) -> Result<(), StoreError> {
    if credits.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = credits.iter().map(|credit| credit.id).collect();
    let payments: Vec<Uuid> = credits.iter().map(|credit| credit.payment_id.as_uuid()).collect();
    let clients: Vec<Option<Uuid>> = credits.iter().map(|credit| credit.client_id.map(ClientId::as_uuid)).collect();
    let amounts: Vec<Decimal> = credits.iter().map(|credit| credit.surplus.amount.amount()).collect();
    let currencies: Vec<String> = credits.iter().map(|credit| credit.surplus.amount.currency().to_string()).collect();
    let reasons: Vec<String> = credits.iter().map(|credit| credit.surplus.reason.to_string()).collect();
    sqlx::query!(
        "insert into payments.credits (id, payment_id, client_id, amount, currency, reason)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::text[])",
        &ids,
        &payments,
        &clients as &[Option<Uuid>],
        &amounts,
        &currencies,
        &reasons,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
