//! The one transaction: lock, read, decide (pure, in the domain), write, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use quittance_domain::command::{Evidence, InvoiceHint};
use quittance_domain::event::EventMessage;
use quittance_domain::id::{InvoiceId, PaymentId, TransactionId};
use quittance_domain::payment::{Fact, PaymentState};
use quittance_store::facts::{self, KnownFact, NewFact};
use quittance_store::payments::{self, LockedPayment, NewPayment};
use quittance_store::{Database, StoreError, Transaction, invoices};
use uuid::Uuid;

use crate::changes::{Changes, invoice_of};

/// Evidence and what ties it to the request that brought it.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// What a source said.
    pub evidence: Evidence,
    /// The request or message that it came with.
    pub correlation_id: String,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The events that were committed to the outbox, to be published now.
    pub messages: Vec<EventMessage>,
    /// Places in the batch of instructions that bear the name of a message that said something else. Nothing of them
    /// was recorded.
    pub renamed: Vec<usize>,
}

/// Records the evidence and settles what follows from it, all in one transaction.
///
/// # Errors
/// [`StoreError`]; nothing has changed then.
pub async fn settle(
    database: &Database,
    instructions: &[Instruction],
    now: DateTime<Utc>,
) -> Result<Settled, StoreError> {
    let mut transaction = database.begin().await?;
    let renamed = renamed(&mut transaction, instructions).await?;
    let instructions: Vec<&Instruction> =
        instructions.iter().enumerate().filter(|(place, _)| !renamed.contains(place)).map(|(_, i)| i).collect();
    let payments = lock_payments(&mut transaction, &instructions).await?;
    let news = record_facts(&mut transaction, &instructions, &payments).await?;
    let states = states(&mut transaction, &payments).await?;
    let named: BTreeSet<InvoiceId> =
        payments.values().filter_map(|payment| invoice_of(payment, states.get(&payment.id)?)).collect();
    let named: Vec<InvoiceId> = named.into_iter().collect();
    let invoices = invoices::lock(&mut transaction, &named).await?;

    let mut changes = Changes::new(invoices, now);
    for payment in in_order_of_arrival(&instructions, &payments) {
        let Some(state) = states.get(&payment.id) else { continue };
        let said = |i: &&&Instruction| i.evidence.transaction_id == payment.transaction_id;
        let cause = news.get(&payment.id).copied().or_else(|| instructions.iter().rfind(said).copied());
        let Some(cause) = cause else { continue };
        changes.decide(payment, state, cause, news.contains_key(&payment.id))?;
    }
    changes.write(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Settled { messages: changes.messages, renamed })
}

/// Instructions whose name (door and event id) is that of a recorded fact with another payment, kind or amount.
async fn renamed(transaction: &mut Transaction, instructions: &[Instruction]) -> Result<Vec<usize>, StoreError> {
    let doors: Vec<String> = instructions.iter().map(|i| i.evidence.door.to_string()).collect();
    let event_ids: Vec<String> = instructions.iter().map(|i| i.evidence.event_id.clone()).collect();
    let known = facts::known(transaction, &doors, &event_ids).await?;
    let is_same = |known: &KnownFact, evidence: &Evidence| {
        known.transaction_id == evidence.transaction_id.as_str()
            && known.kind == evidence.kind.as_str()
            && known.amount == evidence.amount.amount()
            && known.currency == evidence.amount.currency().code()
    };
    let is_renamed = |evidence: &Evidence| {
        let mut namesakes =
            known.iter().filter(|known| known.event_id == evidence.event_id && known.door == evidence.door.as_str());
        namesakes.any(|known| !is_same(known, evidence))
    };
    Ok(instructions.iter().enumerate().filter(|(_, i)| is_renamed(&i.evidence)).map(|(place, _)| place).collect())
}

async fn lock_payments(
    transaction: &mut Transaction,
    instructions: &[&Instruction],
) -> Result<HashMap<TransactionId, LockedPayment>, StoreError> {
    let named: BTreeMap<&TransactionId, &Evidence> =
        instructions.iter().map(|instruction| (&instruction.evidence.transaction_id, &instruction.evidence)).collect();
    let new: Vec<NewPayment> = named
        .values()
        .map(|evidence| NewPayment {
            id: PaymentId::from_uuid(Uuid::now_v7()),
            transaction_id: evidence.transaction_id.clone(),
            provider: evidence.provider.clone(),
        })
        .collect();
    payments::ensure(transaction, &new).await?;
    let names: Vec<TransactionId> = named.into_keys().cloned().collect();
    let locked = payments::lock(transaction, &names).await?;
    Ok(locked.into_iter().map(|payment| (payment.transaction_id.clone(), payment)).collect())
}

/// Records what is new; returns, for each payment that something new was said of, who said it last.
async fn record_facts<'a>(
    transaction: &mut Transaction,
    instructions: &[&'a Instruction],
    payments: &HashMap<TransactionId, LockedPayment>,
) -> Result<BTreeMap<PaymentId, &'a Instruction>, StoreError> {
    let (mut ids, mut numbers) = (Vec::new(), Vec::new());
    for instruction in instructions {
        match &instruction.evidence.invoice {
            Some(InvoiceHint::Id(id)) => ids.push(*id),
            Some(InvoiceHint::Number(number)) => numbers.push(number.clone()),
            None => {}
        }
    }
    let named = invoices::named(transaction, &ids, &numbers).await?;
    let invoice_named_by = |evidence: &Evidence| {
        let found = match evidence.invoice.as_ref()? {
            InvoiceHint::Id(id) => named.iter().find(|invoice| invoice.id == *id),
            InvoiceHint::Number(number) => named.iter().find(|invoice| invoice.number.as_ref() == Some(number)),
        }?;
        // Whoever speaks for one client cannot name another's invoice. The door has said so already.
        let may_name = evidence.client_id.is_none_or(|client_id| client_id == found.client_id);
        may_name.then_some(found.id)
    };
    let new: Vec<(NewFact, &Instruction)> = instructions
        .iter()
        .filter_map(|instruction| {
            let evidence = &instruction.evidence;
            let fact = NewFact {
                id: Uuid::now_v7(),
                payment_id: payments.get(&evidence.transaction_id)?.id,
                fact: evidence.fact(invoice_named_by(evidence)),
                actor: evidence.actor.clone(),
            };
            Some((fact, *instruction))
        })
        .collect();
    let facts: Vec<NewFact> = new.iter().map(|(fact, _)| fact.clone()).collect();
    let inserted = facts::insert(transaction, &facts).await?;
    let is_news = |fact: &NewFact| inserted.contains(&fact.id);
    Ok(new.into_iter().filter(|(fact, _)| is_news(fact)).map(|(fact, cause)| (fact.payment_id, cause)).collect())
}

async fn states(
    transaction: &mut Transaction,
    payments: &HashMap<TransactionId, LockedPayment>,
) -> Result<BTreeMap<PaymentId, PaymentState>, StoreError> {
    let ids: Vec<PaymentId> = payments.values().map(|payment| payment.id).collect();
    let mut facts: BTreeMap<PaymentId, Vec<Fact>> = BTreeMap::new();
    for (payment_id, fact) in facts::of_payments(transaction, &ids).await? {
        facts.entry(payment_id).or_default().push(fact);
    }
    Ok(facts.into_iter().map(|(id, facts)| (id, PaymentState::of(&facts))).collect())
}

/// Each payment once, where the batch first speaks of it: the earlier of two payments of one invoice pays it.
fn in_order_of_arrival<'a>(
    instructions: &[&Instruction],
    payments: &'a HashMap<TransactionId, LockedPayment>,
) -> Vec<&'a LockedPayment> {
    let mut seen = BTreeSet::new();
    instructions
        .iter()
        .filter_map(|instruction| payments.get(&instruction.evidence.transaction_id))
        .filter(|payment| seen.insert(payment.id))
        .collect()
}
