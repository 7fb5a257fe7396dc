//! `payments.facts`: recorded evidence about payments. Append-only.

use std::collections::BTreeSet;

use quittance_domain::fact::Fact;
use quittance_domain::id::{InvoiceId, PaymentId};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::{StoreError, money};
use crate::payments::further_invoices;

const TABLE: &str = "payments.facts";

/// A fact that may have been recorded before.
#[derive(Debug, Clone)]
pub struct NewFact {
    /// The id of the row, if it is new.
    pub id: Uuid,
    pub payment_id: PaymentId,
    pub fact: Fact,
    pub actor: String,
    /// The reason, as the source's own code.
    pub reason: Option<String>,
}

/// Inserts facts, except those whose source event is already recorded. Returns the ids of the new ones.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, facts: &[NewFact]) -> Result<BTreeSet<Uuid>, StoreError> {
    let mut sorted: Vec<&NewFact> = facts.iter().collect();
    sorted.sort_by(|left, right| {
        (left.fact.channel, &left.fact.event_id).cmp(&(right.fact.channel, &right.fact.event_id))
    });
    let column = |text: fn(&NewFact) -> String| sorted.iter().map(|new| text(new)).collect::<Vec<String>>();
    let ids: Vec<Uuid> = sorted.iter().map(|new| new.id).collect();
    let payments: Vec<Uuid> = sorted.iter().map(|new| new.payment_id.as_uuid()).collect();
    let amounts: Vec<Option<Decimal>> = sorted.iter().map(|new| Some(new.fact.amount?.amount())).collect();
    let currencies: Vec<Option<String>> =
        sorted.iter().map(|new| Some(new.fact.amount?.currency().to_string())).collect();
    let invoices: Vec<Option<Uuid>> = sorted.iter().map(|new| Some(new.fact.invoices.first()?.as_uuid())).collect();
    let names: Vec<Option<&str>> = sorted.iter().map(|new| Some(new.fact.transaction_id.as_ref()?.as_str())).collect();
    let reasons: Vec<Option<&str>> = sorted.iter().map(|new| new.reason.as_deref()).collect();
    let occurred: Vec<_> = sorted.iter().map(|new| new.fact.occurred_at).collect();
    let inserted = sqlx::query_scalar!(
        "insert into payments.facts
             (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, further_invoice_ids, actor,
              occurred_at, reference, reason)
         select id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, further::uuid[], actor,
             occurred_at, reference, reason
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::uuid[], $10::text[], $11::text[], $12::timestamptz[], $13::text[], $14::text[])
             as new (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, further, actor,
                 occurred_at, reference, reason)
         on conflict on constraint facts_door_event_id_key do nothing
         returning id",
        &ids,
        &payments,
        &column(|new| new.fact.kind.to_string()),
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>],
        &column(|new| new.fact.channel.to_string()),
        &column(|new| new.fact.event_id.clone()),
        &column(|new| new.fact.movement.clone()),
        &invoices as &[Option<Uuid>],
        &column(|new| further_invoices(&new.fact.invoices)),
        &column(|new| new.actor.clone()),
        &occurred,
        &names as &[Option<&str>],
        &reasons as &[Option<&str>],
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(inserted.into_iter().collect())
}

/// All facts of the payments, including those of payments that were merged into them.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_payments(
    transaction: &mut Transaction,
    payments: &[PaymentId],
) -> Result<Vec<(PaymentId, Fact)>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select coalesce(merged_into, payments.id) as "payment_id!", payments.id as told_of,
               coalesce(reference, payments.transaction_id) as "name", kind, facts.amount, facts.currency, door,
               event_id, movement, facts.invoice_id, facts.further_invoice_ids, occurred_at
           from payments.payments join payments.facts on facts.payment_id = payments.id
           where payments.id = any($1) or merged_into = any($1)"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = match (row.amount, row.currency) {
                (Some(amount), Some(currency)) => Some(money(TABLE, amount, &currency)?),
                _ => None,
            };
            let name = row.name.as_deref().map(str::parse).transpose();
            let fact = Fact {
                kind: row.kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                amount: amount.map(Money::positive).transpose().map_err(|error| StoreError::corrupt(TABLE, error))?,
                channel: row.door.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                transaction_id: name.map_err(|error| StoreError::corrupt(TABLE, error))?,
                origin: (row.told_of != row.payment_id).then(|| PaymentId::from_uuid(row.told_of)),
                event_id: row.event_id,
                movement: row.movement,
                invoices: row.invoice_id.into_iter().chain(row.further_invoice_ids).map(InvoiceId::from_uuid).collect(),
                occurred_at: row.occurred_at,
            };
            Ok((PaymentId::from_uuid(row.payment_id), fact))
        })
        .collect()
}

/// Whether a person entered evidence about the payment by hand.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_entered_by(transaction: &mut Transaction, id: PaymentId, who: &str) -> Result<bool, StoreError> {
    let is_entered = sqlx::query_scalar!(
        r#"select exists (
               select from payments.facts where payment_id = $1 and door = 'staff' and kind = 'capture' and actor = $2
           ) as "is_entered!""#,
        id.as_uuid(),
        who,
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(is_entered)
}
