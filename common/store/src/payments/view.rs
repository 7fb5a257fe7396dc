//! `payments.payments` as the API shows it.

use chrono::{DateTime, Utc};
use quittance_domain::id::{ClientId, InvoiceId, PaymentId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::TABLE;
use crate::database::Database;
use crate::error::{StoreError, money};

/// A payment as the API shows it.
#[derive(Debug, Clone)]
pub struct PaymentView {
    /// Our id.
    pub id: PaymentId,
    pub transaction_id: String,
    /// The provider that moved the money.
    pub provider: String,
    pub status: String,
    /// The captured amount, otherwise the claimed one.
    pub amount: Option<Money>,
    /// The amount that went back; none while no amount is known.
    pub returned: Option<Money>,
    /// The client of the invoice that it names.
    pub client_id: Option<ClientId>,
    /// The invoices that it names.
    pub invoices: Vec<InvoiceId>,
    /// The allocated amount; none while no amount is known.
    pub allocated: Option<Money>,
    /// The unapplied amount, as credit or in suspense; none while no amount is known.
    pub surplus: Option<Money>,
    /// The gateway's reason for a failure; none unless it failed.
    pub reason: Option<String>,
    /// The reason of a return by the payer's bank, in the bank's words and ours; none unless there was one.
    pub return_reason: Option<String>,
    /// Why the last order to charge it was refused; none if it was not.
    pub refusal: Option<String>,
    /// When the first evidence arrived.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    transaction_id: String,
    provider: String,
    status: String,
    amount: Option<Decimal>,
    currency: Option<String>,
    returned_amount: Decimal,
    client_id: Option<Uuid>,
    invoice_id: Option<Uuid>,
    further_invoice_ids: Vec<Uuid>,
    reason: Option<String>,
    return_reason: Option<String>,
    refusal: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    allocated: Decimal,
    surplus: Decimal,
}

impl TryFrom<Row> for PaymentView {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let in_currency = |amount: Option<Decimal>| {
            amount.zip(row.currency.as_deref()).map(|(amount, currency)| money(TABLE, amount, currency)).transpose()
        };
        Ok(Self {
            id: PaymentId::from_uuid(row.id),
            amount: in_currency(row.amount)?,
            returned: in_currency(Some(row.returned_amount))?,
            allocated: in_currency(Some(row.allocated))?,
            surplus: in_currency(Some(row.surplus))?,
            transaction_id: row.transaction_id,
            provider: row.provider,
            status: row.status,
            client_id: row.client_id.map(ClientId::from_uuid),
            invoices: row.invoice_id.into_iter().chain(row.further_invoice_ids).map(InvoiceId::from_uuid).collect(),
            reason: row.reason,
            return_reason: row.return_reason,
            refusal: row.refusal,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Reads a payment by any of its transaction ids; with `client_id`, only if it pays an invoice of that client.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn find(
    database: &Database,
    transaction_id: &TransactionId,
    client_id: Option<ClientId>,
) -> Result<Option<PaymentView>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, transaction_id, provider, status, amount, currency, returned_amount, client_id, invoice_id,
               further_invoice_ids, payments.created_at, updated_at,
               case payments.status when 'failed' then (
                   select facts.reason from payments.facts
                   where payment_id = payments.id and kind = 'failure' order by facts.occurred_at desc, facts.id desc limit 1
               ) end as reason,
               (
                   select facts.reason from payments.facts
                   where payment_id = payments.id and kind in ('reversal', 'dispute_lost')
                   order by facts.occurred_at desc, facts.id desc limit 1
               ) as return_reason,
               (
                   select charges.refusal from payments.charges
                   where payment_id = payments.id order by attempt desc limit 1
               ) as refusal,
               (select coalesce(sum(amount), 0) from payments.allocations where payment_id = payments.id) as "allocated!",
               (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id) as "surplus!"
           from payments.payment_references join payments.payments on payments.id = payment_id
           where reference = $1 and ($2::uuid is null or client_id = $2)"#,
        transaction_id.as_str(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(PaymentView::try_from).transpose()
}

#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Only those with this status.
    pub status: Option<PaymentStatus>,
    /// Only those that name this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Only those that pay an invoice of this client.
    pub client_id: Option<ClientId>,
    /// Only those after this one.
    pub after: Option<PaymentId>,
}

/// Lists payments in the order of their ids, which is that of their first evidence. A merged payment is listed as the
/// one that it was merged into.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn list(database: &Database, filter: &PaymentFilter, limit: i64) -> Result<Vec<PaymentView>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, transaction_id, provider, status, amount, currency, returned_amount, client_id, invoice_id,
               further_invoice_ids, created_at, updated_at,
               case payments.status when 'failed' then (
                   select facts.reason from payments.facts
                   where payment_id = payments.id and kind = 'failure' order by facts.occurred_at desc, facts.id desc limit 1
               ) end as reason,
               (
                   select facts.reason from payments.facts
                   where payment_id = payments.id and kind in ('reversal', 'dispute_lost')
                   order by facts.occurred_at desc, facts.id desc limit 1
               ) as return_reason,
               (
                   select charges.refusal from payments.charges
                   where payment_id = payments.id order by attempt desc limit 1
               ) as refusal,
               (select coalesce(sum(amount), 0) from payments.allocations where payment_id = payments.id) as "allocated!",
               (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id) as "surplus!"
           from payments.payments
           where merged_into is null and ($1::text is null or status = $1)
               and ($2::uuid is null or invoice_id = $2 or $2 = any(further_invoice_ids))
               and ($3::uuid is null or client_id = $3) and ($4::uuid is null or id > $4)
           order by id limit $5"#,
        filter.status.map(PaymentStatus::as_str),
        filter.invoice_id.map(InvoiceId::as_uuid),
        filter.client_id.map(ClientId::as_uuid),
        filter.after.map(PaymentId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(PaymentView::try_from).collect()
}
