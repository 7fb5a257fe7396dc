//! `payments.credits`: unapplied cash of payments. Append-only: a decrease is a negative row.

use chrono::{DateTime, Utc};
use quittance_domain::id::{ClientId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::settlement::UnappliedCash;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::{StoreError, money};

const TABLE: &str = "payments.credits";

/// A change of unapplied cash: a client's credit, or in suspense while the payer is unknown.
#[derive(Debug, Clone)]
pub struct NewCredit {
    /// The row.
    pub id: Uuid,
    pub payment_id: PaymentId,
    /// The owner; none for suspense.
    pub client_id: Option<ClientId>,
    /// The amount; negative for a decrease.
    pub amount: Money,
    /// The reason, as a code.
    pub reason: &'static str,
}

/// Inserts changes that were decided at the same time.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    credits: &[NewCredit],
    decided_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    if credits.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = credits.iter().map(|credit| credit.id).collect();
    let payments: Vec<Uuid> = credits.iter().map(|credit| credit.payment_id.as_uuid()).collect();
    let clients: Vec<Option<Uuid>> = credits.iter().map(|credit| credit.client_id.map(ClientId::as_uuid)).collect();
    let amounts: Vec<Decimal> = credits.iter().map(|credit| credit.amount.amount()).collect();
    let currencies: Vec<String> = credits.iter().map(|credit| credit.amount.currency().to_string()).collect();
    let reasons: Vec<String> = credits.iter().map(|credit| credit.reason.to_owned()).collect();
    sqlx::query!(
        "insert into payments.credits (id, payment_id, client_id, amount, currency, reason, decided_at)
         select *, $7 from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::text[])",
        &ids,
        &payments,
        &clients as &[Option<Uuid>],
        &amounts,
        &currencies,
        &reasons,
        decided_at,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The payments' current unapplied cash.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, UnappliedCash)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select payment_id, client_id, currency, sum(amount) as "amount!"
           from payments.credits where payment_id = any($1)
           group by payment_id, client_id, currency having sum(amount) <> 0 order by client_id"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let client_id = row.client_id.map(ClientId::from_uuid);
            let credit = UnappliedCash { client_id, amount: money(TABLE, row.amount, &row.currency)? };
            Ok((PaymentId::from_uuid(row.payment_id), credit))
        })
        .collect()
}
