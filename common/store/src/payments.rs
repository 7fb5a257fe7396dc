//! `payments.payments`: one row per movement of money, by whatever names it is known.

use chrono::{DateTime, Utc};
use quittance_domain::id::{ClientId, InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

const TABLE: &str = "payments.payments";

/// A payment that evidence speaks of and that may not have a row yet.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// The id to give it if it is new.
    pub id: PaymentId,
    /// Its name.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
}

/// A payment under its lock.
#[derive(Debug, Clone)]
pub struct LockedPayment {
    /// Our id.
    pub id: PaymentId,
    /// Its name.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
    /// What has been allocated or credited for it so far.
    pub posted: Option<Money>,
    /// The invoice it was for when it was last decided.
    pub invoice_id: Option<InvoiceId>,
}

/// The columns of a payment that follow from its facts.
#[derive(Debug, Clone)]
pub struct PaymentUpdate {
    /// The payment.
    pub id: PaymentId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What was confirmed, or else claimed.
    pub amount: Option<Money>,
    /// Whose invoice it names.
    pub client_id: Option<ClientId>,
    /// The invoice it names.
    pub invoice_id: Option<InvoiceId>,
}

/// Makes sure that each payment has a row.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn ensure(transaction: &mut Transaction, payments: &[NewPayment]) -> Result<(), StoreError> {
    let mut sorted: Vec<&NewPayment> = payments.iter().collect();
    // Two batches that insert the same names wait for each other in one order.
    sorted.sort_by(|left, right| left.transaction_id.cmp(&right.transaction_id));
    let ids: Vec<Uuid> = sorted.iter().map(|payment| payment.id.as_uuid()).collect();
    let names: Vec<String> = sorted.iter().map(|payment| payment.transaction_id.to_string()).collect();
    let providers: Vec<String> = sorted.iter().map(|payment| payment.provider.to_string()).collect();
    sqlx::query!(
        "insert into payments.payments (id, transaction_id, provider)
         select * from unnest($1::uuid[], $2::text[], $3::text[])
         on conflict on constraint payments_transaction_id_key do nothing",
        &ids,
        &names,
        &providers,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Locks payments in the order of their ids, and adds up what each has posted.
///
/// # Errors
/// [`StoreError`] if the database fails, or if a payment has posted in two currencies.
pub async fn lock(
    transaction: &mut Transaction,
    transaction_ids: &[TransactionId],
) -> Result<Vec<LockedPayment>, StoreError> {
    let names: Vec<String> = transaction_ids.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        "select id, transaction_id, provider, invoice_id from payments.payments where transaction_id = any($1) order by id for update",
        &names,
    )
    .fetch_all(&mut **transaction)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    // A second statement, so that it sees what the holder of the lock committed.
    let posted = posted(transaction, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let mut sums = posted.iter().filter(|(id, _)| *id == row.id).map(|(_, sum)| *sum);
            let (first, second) = (sums.next(), sums.next());
            if second.is_some() {
                return Err(StoreError::corrupt(TABLE, format!("payment {} posted in two currencies", row.id)));
            }
            Ok(LockedPayment {
                id: PaymentId::from_uuid(row.id),
                transaction_id: row.transaction_id.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                provider: row.provider.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                posted: first,
                invoice_id: row.invoice_id.map(InvoiceId::from_uuid),
            })
        })
        .collect()
}

async fn posted(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<(Uuid, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"select payment_id as "payment_id!", currency as "currency!", sum(amount) as "amount!"
           from (
               select payment_id, currency, amount from payments.allocations where payment_id = any($1)
               union all
               select payment_id, currency, amount from payments.credits where payment_id = any($1)
           ) as posting
           group by payment_id, currency"#,
        ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(|row| Ok((row.payment_id, money(TABLE, row.amount, &row.currency)?))).collect()
}

/// Writes what the facts add up to.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn update(transaction: &mut Transaction, updates: &[PaymentUpdate]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = updates.iter().map(|update| update.id.as_uuid()).collect();
    let statuses: Vec<String> = updates.iter().map(|update| update.status.to_string()).collect();
    let amounts: Vec<Option<Decimal>> = updates.iter().map(|update| update.amount.map(Money::amount)).collect();
    let currencies: Vec<Option<String>> =
        updates.iter().map(|update| update.amount.map(|amount| amount.currency().to_string())).collect();
    let clients: Vec<Option<Uuid>> = updates.iter().map(|update| update.client_id.map(ClientId::as_uuid)).collect();
    let invoices: Vec<Option<Uuid>> = updates.iter().map(|update| update.invoice_id.map(InvoiceId::as_uuid)).collect();
    sqlx::query!(
        "update payments.payments
         set status = new.status, amount = new.amount, currency = new.currency, client_id = new.client_id,
             invoice_id = new.invoice_id, updated_at = now()
         from unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::uuid[], $6::uuid[])
             as new (id, status, amount, currency, client_id, invoice_id)
         where payments.id = new.id",
        &ids,
        &statuses,
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>],
        &clients as &[Option<Uuid>],
        &invoices as &[Option<Uuid>],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A payment as readers see it.
#[derive(Debug, Clone)]
pub struct PaymentView {
    /// Our id.
    pub id: PaymentId,
    /// Its name.
    pub transaction_id: String,
    /// Who moved the money.
    pub provider: String,
    /// Where it stands.
    pub status: String,
    /// What was confirmed, or else claimed.
    pub amount: Option<Money>,
    /// Whose invoice it names.
    pub client_id: Option<ClientId>,
    /// The invoice it names.
    pub invoice_id: Option<InvoiceId>,
    /// What went to invoices; none while no amount is known.
    pub allocated: Option<Money>,
    /// What is credit or in suspense; none while no amount is known.
    pub surplus: Option<Money>,
    /// When it was first heard of.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Reads a payment by its name; with `client_id`, only if it pays an invoice of that client.
///
/// # Errors
/// [`StoreError`] if the database fails or holds an amount that its currency cannot have.
pub async fn find(
    database: &Database,
    transaction_id: &TransactionId,
    client_id: Option<ClientId>,
) -> Result<Option<PaymentView>, StoreError> {
    let row = sqlx::query!(
        r#"select id, transaction_id, provider, status, amount, currency, client_id, invoice_id, created_at, updated_at,
               (select coalesce(sum(amount), 0) from payments.allocations where payment_id = payments.id) as "allocated!",
               (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id) as "surplus!"
           from payments.payments
           where transaction_id = $1 and ($2::uuid is null or client_id = $2)"#,
        transaction_id.as_str(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(|row| {
        let in_currency = |amount: Option<Decimal>| {
            amount.zip(row.currency.as_deref()).map(|(amount, currency)| money(TABLE, amount, currency)).transpose()
        };
        Ok(PaymentView {
            id: PaymentId::from_uuid(row.id),
            transaction_id: row.transaction_id,
            provider: row.provider,
            status: row.status,
            amount: in_currency(row.amount)?,
            client_id: row.client_id.map(ClientId::from_uuid),
            invoice_id: row.invoice_id.map(InvoiceId::from_uuid),
            allocated: in_currency(Some(row.allocated))?,
            surplus: in_currency(Some(row.surplus))?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    })
    .transpose()
}
