//! `payments.refunds`: refunds requested by staff.

use chrono::{DateTime, Utc};
use quittance_domain::id::{PaymentId, RefundId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::refund::{RefundRequest, RefundStatus};
use quittance_domain::refund_reason::RefundTerms;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

const TABLE: &str = "payments.refunds";

/// A refund to insert.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The refund, as it was decided.
    pub request: RefundRequest,
    pub payment_id: PaymentId,
    /// The reason that staff gave.
    pub reason: String,
    /// Who requested it.
    pub requested_by: String,
    /// Why it was refused, if so.
    pub refusal: Option<String>,
}

/// Inserts a refund.
///
/// # Errors
/// [`StoreError`] if the database refuses (more than is left of the payment) or fails.
pub async fn insert(transaction: &mut Transaction, refund: &NewRefund) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into payments.refunds
             (id, payment_id, amount, currency, reason, requested_by, status, refusal, reason_kind, reopens)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        refund.request.id.as_uuid(),
        refund.payment_id.as_uuid(),
        refund.request.amount.amount(),
        refund.request.amount.currency().code(),
        refund.reason,
        refund.requested_by,
        refund.request.status.as_str(),
        refund.refusal,
        refund.request.terms.reason.as_str(),
        refund.request.terms.reopens,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Updates the status of a refund.
///
/// # Errors
/// [`StoreError`] if the database refuses (more than is left of the payment) or fails.
pub async fn update(
    transaction: &mut Transaction,
    id: RefundId,
    status: RefundStatus,
    refusal: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update payments.refunds set status = $2, refusal = $3 where id = $1",
        id.as_uuid(),
        status.as_str(),
        refusal,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The refunds of payments, and of those that were merged into them, in the order of the requests.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, RefundRequest)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select refunds.id, coalesce(merged_into, payment_id) as "payment_id!", refunds.amount, refunds.currency,
               refunds.status, reason_kind, reopens
           from payments.refunds join payments.payments on payments.id = payment_id
           where payment_id = any($1) or merged_into = any($1) order by requested_at, refunds.id"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money(TABLE, row.amount, &row.currency)?;
            let request = RefundRequest {
                id: RefundId::from_uuid(row.id),
                amount: amount.positive().map_err(|error| StoreError::corrupt(TABLE, error))?,
                status: row.status.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                terms: RefundTerms {
                    reason: row.reason_kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                    reopens: row.reopens,
                },
            };
            Ok((PaymentId::from_uuid(row.payment_id), request))
        })
        .collect()
}

/// A refund as the API shows it.
#[derive(Debug, Clone)]
pub struct RefundView {
    pub id: RefundId,
    pub amount: Money,
    /// The reason that staff gave.
    pub reason: String,
    /// The kind of reason, as last given.
    pub terms: RefundTerms,
    pub status: String,
    /// Why it was refused, if so.
    pub refusal: Option<String>,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
}

/// The refunds of a payment, in the order of the requests.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn views(database: &Database, payment: PaymentId) -> Result<Vec<RefundView>, StoreError> {
    let rows = sqlx::query!(
        r#"select refunds.id, refunds.amount, refunds.currency, refunds.reason, refunds.status, refusal, requested_at,
             coalesce(terms.reason_kind, refunds.reason_kind) as "reason_kind!",
             coalesce(terms.reopens, refunds.reopens) as "reopens!"
         from payments.refunds join payments.payments on payments.id = payment_id
             left join lateral (
                 select terms.reason_kind, terms.reopens from payments.refund_terms as terms
                 where movement = 'ref_' || replace(refunds.id::text, '-', '') and terms.payment_id in (payments.id, merged_into)
                 order by decided_at desc limit 1
             ) as terms on true
         where refunds.payment_id = $1 or merged_into = $1 order by requested_at, refunds.id"#,
        payment.as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(RefundView {
                id: RefundId::from_uuid(row.id),
                amount: money(TABLE, row.amount, &row.currency)?,
                reason: row.reason,
                terms: RefundTerms {
                    reason: row.reason_kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                    reopens: row.reopens,
                },
                status: row.status,
                refusal: row.refusal,
                requested_at: row.requested_at,
            })
        })
        .collect()
}

/// The upper limit of what can be refunded of a payment: the captured amount less what went back or was requested. None
/// while nothing is proven. Only the processor also deducts disputed money.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn refundable(database: &Database, name: &TransactionId) -> Result<Option<Money>, StoreError> {
    let row = sqlx::query!(
        r#"select amount as "amount!", currency as "currency!" from payments.refundable($1)"#,
        name.as_str(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(|row| money("payments.payments", row.amount, &row.currency)).transpose()
}
