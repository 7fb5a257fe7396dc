//! `payments.charges`: attempts to have a gateway collect a payment. Append-only.

use chrono::{DateTime, Utc};
use quittance_domain::id::{InvoiceId, PaymentId};
use quittance_domain::money::{Money, PositiveMoney};

use crate::database::Transaction;
use crate::error::{StoreError, money};

const TABLE: &str = "payments.charges";

/// A charge attempt to insert.
#[derive(Debug, Clone)]
pub struct NewCharge {
    pub payment_id: PaymentId,
    /// The number of the attempt, from 1.
    pub attempt: u16,
    /// The invoice to be paid, if there is one.
    pub invoice_id: Option<InvoiceId>,
    pub amount: PositiveMoney,
    /// The gateway's reference for the payer's card or mandate.
    pub payment_method: String,
    /// Who ordered it.
    pub ordered_by: String,
    /// When it was ordered.
    pub ordered_at: DateTime<Utc>,
    /// Why the gateway is not called, if the charge is refused.
    pub refusal: Option<String>,
}

/// Inserts an attempt.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, charge: &NewCharge) -> Result<(), StoreError> {
    let attempt = i16::try_from(charge.attempt).map_err(|error| StoreError::corrupt(TABLE, error))?;
    sqlx::query!(
        "insert into payments.charges
             (payment_id, attempt, invoice_id, amount, currency, payment_method, ordered_by, ordered_at, refusal)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        charge.payment_id.as_uuid(),
        attempt,
        charge.invoice_id.map(InvoiceId::as_uuid),
        charge.amount.amount(),
        charge.amount.currency().code(),
        charge.payment_method,
        charge.ordered_by,
        charge.ordered_at,
        charge.refusal,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The number of a payment's next attempt.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn next_attempt(transaction: &mut Transaction, payment: PaymentId) -> Result<u16, StoreError> {
    let last = sqlx::query_scalar!(
        r#"select coalesce(max(attempt), 0) as "last!" from payments.charges where payment_id = $1"#,
        payment.as_uuid(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    u16::try_from(last)
        .ok()
        .and_then(|last| last.checked_add(1))
        .ok_or_else(|| StoreError::corrupt(TABLE, format!("payment {payment} has {last} attempts")))
}

/// The amounts that gateways are collecting for an invoice through payments other than `but`, one sum per currency.
/// Ordering a charge requires the invoice's lock, so nothing is added meanwhile.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn under_way(
    transaction: &mut Transaction,
    invoice: InvoiceId,
    but: PaymentId,
) -> Result<Vec<Money>, StoreError> {
    let rows = sqlx::query!(
        r#"select latest.currency as "currency!", sum(latest.amount) as "amount!"
           from (
               select distinct on (kept.id) charges.amount, charges.currency
               from payments.charges join payments.payments as told on told.id = charges.payment_id
                   -- Another payment has the evidence of one that was merged into it.
                   join payments.payments as kept on kept.id = coalesce(told.merged_into, told.id)
               where charges.invoice_id = $1 and kept.id <> $2 and refusal is null
                   and kept.status in ('pending', 'unknown')
               order by kept.id, ordered_at desc
           ) as latest
           group by latest.currency"#,
        invoice.as_uuid(),
        but.as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(|row| money(TABLE, row.amount, &row.currency)).collect()
}
