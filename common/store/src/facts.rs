//! `payments.facts`: what sources said about payments. Only ever added to.

use quittance_domain::id::{InvoiceId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::payment::Fact;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::{StoreError, money};

const TABLE: &str = "payments.facts";

/// A fact that may have been recorded before.
#[derive(Debug, Clone)]
pub struct NewFact {
    /// The row's id if it is new.
    pub id: Uuid,
    /// The payment it speaks of.
    pub payment_id: PaymentId,
    /// What it tells.
    pub fact: Fact,
    /// Who said it.
    pub actor: String,
}

/// Records facts; those whose source event is known already are passed over. Returns the ids of the new ones.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, facts: &[NewFact]) -> Result<Vec<Uuid>, StoreError> {
    let mut sorted: Vec<&NewFact> = facts.iter().collect();
    sorted.sort_by_key(|new| (new.fact.door, new.fact.event_id.clone()));
    let column = |text: fn(&NewFact) -> String| sorted.iter().map(|new| text(new)).collect::<Vec<String>>();
    let ids: Vec<Uuid> = sorted.iter().map(|new| new.id).collect();
    let payments: Vec<Uuid> = sorted.iter().map(|new| new.payment_id.as_uuid()).collect();
    let amounts: Vec<Decimal> = sorted.iter().map(|new| new.fact.amount.amount()).collect();
    let invoices: Vec<Option<Uuid>> = sorted.iter().map(|new| new.fact.invoice_id.map(InvoiceId::as_uuid)).collect();
    let occurred: Vec<_> = sorted.iter().map(|new| new.fact.occurred_at).collect();
    let inserted = sqlx::query_scalar!(
        "insert into payments.facts
             (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, actor, occurred_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::uuid[], $10::text[], $11::timestamptz[])
         on conflict on constraint facts_door_event_id_key do nothing
         returning id",
        &ids,
        &payments,
        &column(|new| new.fact.kind.to_string()),
        &amounts,
        &column(|new| new.fact.amount.currency().to_string()),
        &column(|new| new.fact.door.to_string()),
        &column(|new| new.fact.event_id.clone()),
        &column(|new| new.fact.movement.clone()),
        &invoices as &[Option<Uuid>],
        &column(|new| new.actor.clone()),
        &occurred,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(inserted)
}

/// A fact that has been recorded, with the payment it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// The payment's name.
    pub transaction_id: String,
    /// [`quittance_domain::payment::Door`] it came through.
    pub door: String,
    /// The source's own name of the message.
    pub event_id: String,
    /// What it tells.
    pub kind: String,
    /// Of how much money.
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
}

/// The facts that these sources' messages became earlier, found by door and event id.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn known(
    transaction: &mut Transaction,
    doors: &[String],
    event_ids: &[String],
) -> Result<Vec<KnownFact>, StoreError> {
    let known = sqlx::query_as!(
        KnownFact,
        "select transaction_id, facts.door, facts.event_id, kind, facts.amount, facts.currency
         from unnest($1::text[], $2::text[]) as message (door, event_id)
         join payments.facts on facts.door = message.door and facts.event_id = message.event_id
         join payments.payments on payments.id = payment_id",
        doors,
        event_ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(known)
}

/// All facts of the payments.
///
/// # Errors
/// [`StoreError`] if the database fails or holds a name that the domain does not know.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, Fact)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "select payment_id, kind, amount, currency, door, event_id, movement, invoice_id, occurred_at
         from payments.facts where payment_id = any($1)",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount: Money = money(TABLE, row.amount, &row.currency)?;
            let fact = Fact {
                kind: row.kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                amount,
                door: row.door.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                event_id: row.event_id,
                movement: row.movement,
                invoice_id: row.invoice_id.map(InvoiceId::from_uuid),
                occurred_at: row.occurred_at,
            };
            Ok((PaymentId::from_uuid(row.payment_id), fact))
        })
        .collect()
}
