//! `payments.allocations`: allocations of payments to invoices. Append-only: money taken back is a negative row.

use chrono::{DateTime, Utc};
use quittance_domain::id::{AllocationId, ClientId, InvoiceId, PaymentId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::settlement::Allocation;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

const TABLE: &str = "payments.allocations";

/// Money allocated from a payment to an invoice, or taken back when negative.
#[derive(Debug, Clone)]
pub struct NewAllocation {
    /// The row.
    pub id: AllocationId,
    pub payment_id: PaymentId,
    pub invoice_id: InvoiceId,
    /// The invoice's version after the allocation.
    pub invoice_version: i64,
    pub amount: Money,
    /// Whether staff decided it.
    pub by_staff: bool,
}

/// Inserts allocations that were decided at the same time.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    allocations: &[NewAllocation],
    decided_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    if allocations.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = allocations.iter().map(|allocation| allocation.id.as_uuid()).collect();
    let payments: Vec<Uuid> = allocations.iter().map(|allocation| allocation.payment_id.as_uuid()).collect();
    let invoices: Vec<Uuid> = allocations.iter().map(|allocation| allocation.invoice_id.as_uuid()).collect();
    let amounts: Vec<Decimal> = allocations.iter().map(|allocation| allocation.amount.amount()).collect();
    let currencies: Vec<String> =
        allocations.iter().map(|allocation| allocation.amount.currency().to_string()).collect();
    let versions: Vec<i64> = allocations.iter().map(|allocation| allocation.invoice_version).collect();
    let by_staff: Vec<bool> = allocations.iter().map(|allocation| allocation.by_staff).collect();
    sqlx::query!(
        "insert into payments.allocations (id, payment_id, invoice_id, amount, currency, by_staff, invoice_version, decided_at)
         select *, $8
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::boolean[], $7::bigint[])",
        &ids,
        &payments,
        &invoices,
        &amounts,
        &currencies,
        &by_staff,
        &versions,
        decided_at,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The payments' current allocations to an invoice, by transaction id; the latest first.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_invoice(
    transaction: &mut Transaction,
    invoice: InvoiceId,
) -> Result<Vec<(TransactionId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"select kept.transaction_id, sum(allocations.amount) as "amount!", allocations.currency
           from payments.allocations join payments.payments on payments.id = allocations.payment_id
               join payments.payments as kept on kept.id = coalesce(payments.merged_into, payments.id)
           where allocations.invoice_id = $1
           group by kept.transaction_id, allocations.currency having sum(allocations.amount) > 0
           order by max(allocations.decided_at) desc, kept.transaction_id"#,
        invoice.as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let name = row.transaction_id.parse().map_err(|error| StoreError::corrupt("payments.payments", error))?;
            Ok((name, money(TABLE, row.amount, &row.currency)?))
        })
        .collect()
}

/// The payments' current allocations; of each payment the latest last.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, Allocation)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select payment_id, invoice_id, currency, by_staff, sum(amount) as "amount!"
           from payments.allocations where payment_id = any($1)
           group by payment_id, invoice_id, currency, by_staff having sum(amount) <> 0
           order by max(created_at), invoice_id"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let allocation = Allocation {
                invoice_id: InvoiceId::from_uuid(row.invoice_id),
                amount: money(TABLE, row.amount, &row.currency)?,
                by_staff: row.by_staff,
            };
            Ok((PaymentId::from_uuid(row.payment_id), allocation))
        })
        .collect()
}

/// The invoices to which payments have or had allocations.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn invoices_of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<InvoiceId>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let invoices =
        sqlx::query_scalar!("select distinct invoice_id from payments.allocations where payment_id = any($1)", &ids)
            .fetch_all(&mut **transaction)
            .await?;
    Ok(invoices.into_iter().map(InvoiceId::from_uuid).collect())
}

/// An invoice that a payment paid, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidInvoice {
    pub invoice_id: InvoiceId,
    /// The printed number.
    pub number: String,
    /// Its version after the payment.
    pub version: i64,
    pub amount: Money,
}

/// The invoices that a payment paid, in that order; with `client_id`, only that client's.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn paid_invoices(
    database: &Database,
    payment: PaymentId,
    client_id: Option<ClientId>,
) -> Result<Vec<PaidInvoice>, StoreError> {
    let rows = sqlx::query!(
        r#"select invoice_id, number as "number!", invoice_version as "version!", amount, allocations.currency
         from payments.allocations join billing.invoices on invoices.id = invoice_id
         where payment_id = $1 and amount > 0 and invoice_version is not null and number is not null
             and ($2::uuid is null or client_id = $2)
         order by allocations.created_at, invoice_version, invoice_id"#,
        payment.as_uuid(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(PaidInvoice {
                invoice_id: InvoiceId::from_uuid(row.invoice_id),
                number: row.number,
                version: row.version,
                amount: money(TABLE, row.amount, &row.currency)?,
            })
        })
        .collect()
}
