//! `payments.payment_references`: the transaction ids of payments.

use std::collections::{BTreeMap, BTreeSet};

use quittance_domain::id::{InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::Money;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

const TABLE: &str = "payments.payment_references";

/// The payments with these transaction ids, and those that are, or were merged from, the payments with these ids.
#[derive(Debug, Clone, Default)]
pub struct KnownReferences {
    /// By transaction id.
    pub names: BTreeMap<TransactionId, PaymentId>,
    /// By our own payment id, as another system stored it.
    pub ids: BTreeMap<PaymentId, PaymentId>,
}

/// Looks up payments by their transaction ids and by our ids.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find(
    transaction: &mut Transaction,
    names: &[TransactionId],
    ids: &[PaymentId],
) -> Result<KnownReferences, StoreError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let rows =
        sqlx::query!("select reference, payment_id from payments.payment_references where reference = any($1)", &names)
            .fetch_all(&mut **transaction)
            .await?;
    let mut known = KnownReferences::default();
    for row in rows {
        let name = row.reference.parse().map_err(|error| StoreError::corrupt(TABLE, error))?;
        known.names.insert(name, PaymentId::from_uuid(row.payment_id));
    }
    if !ids.is_empty() {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows = sqlx::query!(
            r#"select id, coalesce(merged_into, id) as "kept!" from payments.payments where id = any($1)"#,
            &ids
        )
        .fetch_all(&mut **transaction)
        .await?;
        known.ids =
            rows.into_iter().map(|row| (PaymentId::from_uuid(row.id), PaymentId::from_uuid(row.kept))).collect();
    }
    Ok(known)
}

/// Reserves transaction ids for payments, and waits for concurrent reservations of the same ones. An id that another
/// payment has is left to it. Returns the ids that were reserved.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn take(
    transaction: &mut Transaction,
    names: &[(TransactionId, PaymentId)],
) -> Result<BTreeSet<TransactionId>, StoreError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut sorted: Vec<&(TransactionId, PaymentId)> = names.iter().collect();
    // A common order prevents deadlocks between two batches that reserve the same ids.
    sorted.sort();
    let references: Vec<&str> = sorted.iter().map(|(name, _)| name.as_str()).collect();
    let payments: Vec<Uuid> = sorted.iter().map(|(_, payment)| payment.as_uuid()).collect();
    let taken = sqlx::query_scalar!(
        "insert into payments.payment_references (reference, payment_id)
         select * from unnest($1::text[], $2::uuid[]) on conflict (reference) do nothing returning reference",
        &references as &[&str],
        &payments,
    )
    .fetch_all(&mut **transaction)
    .await?;
    taken.iter().map(|name| name.parse().map_err(|error| StoreError::corrupt(TABLE, error))).collect()
}

/// Takes a lock, held until the transaction ends, under which one transaction at a time searches for an existing
/// payment that an invoice's evidence may belong to.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock_search(transaction: &mut Transaction, invoice: InvoiceId) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", invoice.to_string())
        .fetch_one(&mut **transaction)
        .await?;
    Ok(())
}

/// The oldest payment of this invoice, provider and amount that was only claimed, or approved by staff, except those in
/// `but`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn open_claim(
    transaction: &mut Transaction,
    invoice: InvoiceId,
    provider: &Provider,
    amount: Money,
    but: &[Uuid],
) -> Result<Option<PaymentId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from payments.payments
         where invoice_id = $1 and provider = $2 and amount = $3 and currency = $4
             and merged_into is null and id <> all($5) and (
                 status = 'pending' or status = 'confirmed' and not exists (
                     select from payments.facts
                     where payment_id = payments.id and payments.proves_money(kind) and door <> 'staff'
                 )
             )
         order by created_at, id limit 1",
        invoice.as_uuid(),
        provider.as_str(),
        amount.amount(),
        amount.currency().code(),
        but,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found.map(PaymentId::from_uuid))
}

/// The oldest payment of this invoice, provider and amount without a claim, except those in `but`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn unclaimed(
    transaction: &mut Transaction,
    invoice: InvoiceId,
    provider: &Provider,
    amount: Money,
    but: &[Uuid],
) -> Result<Option<PaymentId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from payments.payments
         where invoice_id = $1 and provider = $2 and amount = $3 and currency = $4
             and status not in ('pending', 'unknown', 'failed', 'expired') and merged_into is null and id <> all($5)
             and not exists (select from payments.facts where payment_id = payments.id and kind = 'claim')
         order by created_at, id limit 1",
        invoice.as_uuid(),
        provider.as_str(),
        amount.amount(),
        amount.currency().code(),
        but,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found.map(PaymentId::from_uuid))
}

/// The main transaction id of the payment that has this one.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn payment_named(database: &Database, name: &TransactionId) -> Result<Option<TransactionId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select transaction_id from payments.payment_references join payments.payments on payments.id = payment_id
         where reference = $1",
        name.as_str(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    found.map(|name| name.parse().map_err(|error| StoreError::corrupt(TABLE, error))).transpose()
}
