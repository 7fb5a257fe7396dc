//! `payments.payment_references`: by which names a payment is known.

use std::collections::{BTreeMap, BTreeSet};

use quittance_domain::id::{InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::Money;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

const TABLE: &str = "payments.payment_references";

/// The payments that bear these names, and those that are, or were merged into, the payments with these ids.
#[derive(Debug, Clone, Default)]
pub struct KnownReferences {
    /// By name.
    pub names: BTreeMap<TransactionId, PaymentId>,
    /// By our id, as somebody else kept it.
    pub ids: BTreeMap<PaymentId, PaymentId>,
}

/// Looks payments up by their names and by our ids.
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

/// Gives payments names, and waits for whoever takes one of them at the same moment. A name that another payment bears
/// is left to it. Returns the names that were taken.
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
    // Two batches that take the same names wait for each other in one order.
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

/// Lets one transaction at a time look for a payment that an invoice's evidence may already have, until it ends.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock_search(transaction: &mut Transaction, invoice: InvoiceId) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", invoice.to_string())
        .fetch_one(&mut **transaction)
        .await?;
    Ok(())
}

/// The oldest payment that was only claimed, or approved by staff, of this invoice, provider and amount, but for those in
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

/// The oldest payment that nobody claimed, of this invoice, provider and amount, but for those in `but`.
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

/// The name under which the payment is kept that bears this name.
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
