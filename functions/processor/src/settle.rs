//! Settles a batch of evidence in one transaction: lock, load, decide (pure, in the domain), write, commit.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use quittance_domain::calendar::day_in;
use quittance_domain::command::{Evidence, InvoiceReference};
use quittance_domain::event::ReleaseReason;
use quittance_domain::fact::{Fact, FactKind};
use quittance_domain::id::PaymentId;
use quittance_store::facts::{self, NewFact};
use quittance_store::invoices::{self, NamedInvoice};
use quittance_store::retry::TransactionRetries;
use quittance_store::{Database, StoreError, Transaction};
use uuid::Uuid;

use crate::changes::{BatchChanges, Trigger};
use crate::emitted_events::EmittedEvents;
use crate::fees;
use crate::identify::{IdentifiedEvidence, identify};
use crate::locked_batch::LockedBatch;
use crate::records;

/// Evidence with the request that it came from.
#[derive(Debug, Clone)]
pub struct EvidenceInstruction {
    /// What the source reported.
    pub evidence: Evidence,
    /// The request or message that carried it.
    pub correlation_id: String,
}

/// The result of settling a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettlementResult {
    /// The messages that were committed to the outbox.
    pub emitted: EmittedEvents,
    /// Indexes of instructions whose event id was recorded with other content. Nothing of them was recorded.
    pub conflicting: BTreeSet<usize>,
}

/// Records the evidence and settles the payments it concerns, all in one transaction.
///
/// # Errors
/// [`StoreError`]; nothing has changed then, unless the connection broke during the commit: the same instructions,
/// redelivered, find their own facts and change nothing.
pub async fn settle(
    database: &Database,
    instructions: &[EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<SettlementResult, StoreError> {
    let mut conflicting = BTreeSet::new();
    let mut attempts = TransactionRetries::new();
    loop {
        let indexes: Vec<usize> = (0..instructions.len()).filter(|index| !conflicting.contains(index)).collect();
        let remaining: Vec<&EvidenceInstruction> =
            indexes.iter().filter_map(|index| instructions.get(*index)).collect();
        if remaining.is_empty() {
            return Ok(SettlementResult { emitted: EmittedEvents::default(), conflicting });
        }
        match attempt(database, &remaining, now).await {
            Ok(SettlementAttempt::Committed(emitted)) => {
                return Ok(SettlementResult { emitted, conflicting });
            }
            Ok(SettlementAttempt::Conflicting(found)) => {
                conflicting.extend(found.iter().filter_map(|found| indexes.get(*found)))
            }
            Err(error) => attempts.pause(error).await?,
        }
    }
}

enum SettlementAttempt {
    Committed(EmittedEvents),
    /// Nothing has changed: the instructions at these indexes conflict with recorded ones and must be left out.
    Conflicting(Vec<usize>),
}

async fn attempt(
    database: &Database,
    instructions: &[&EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<SettlementAttempt, StoreError> {
    match prepare(database.begin().await?, instructions, now).await? {
        PreparedSettlement::Written(transaction, emitted) => {
            transaction.commit().await?;
            Ok(SettlementAttempt::Committed(emitted))
        }
        PreparedSettlement::Conflicting(indexes) => Ok(SettlementAttempt::Conflicting(indexes)),
    }
}

/// The outcome of a settlement before the commit.
pub(crate) enum PreparedSettlement {
    Written(Transaction, EmittedEvents),
    /// Nothing is written: the instructions at these indexes conflict with recorded ones.
    Conflicting(Vec<usize>),
}

/// Locks, loads, decides and writes; the caller commits.
pub(crate) async fn prepare(
    mut transaction: Transaction,
    instructions: &[&EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<PreparedSettlement, StoreError> {
    let named = named_invoices(&mut transaction, instructions).await?;
    let identified = identify(&mut transaction, instructions, &named).await?;
    let mut batch = LockedBatch::load(&mut transaction, identified.payments, &identified.new).await?;
    let new_evidence = match record(&mut transaction, &identified.evidence, &mut batch).await? {
        RecordedEvidence::New(new_evidence) => new_evidence,
        RecordedEvidence::Conflicting(indexes) => return Ok(PreparedSettlement::Conflicting(indexes)),
    };
    batch.payments.retain(|id, _| new_evidence.contains_key(id));
    let mut changes = BatchChanges::new(now);
    if !new_evidence.is_empty() {
        batch.lock_invoices(&mut transaction, &[]).await?;
        for id in in_order_of_arrival(&identified.evidence) {
            settle_new_evidence(
                &mut changes,
                &mut batch,
                id,
                new_evidence.get(&id).map(Vec::as_slice).unwrap_or_default(),
            )?;
        }
        changes.fill_reopened(&mut transaction, &mut batch).await?;
        fees::record(&mut transaction, &new_evidence, &mut changes).await?;
        for (kept, other) in &identified.duplicates {
            if let Some(aggregate) = batch.payments.get(kept) {
                changes.open_duplicate_case(aggregate, *other);
            }
        }
        changes.write(&mut transaction, &batch).await?;
    }
    Ok(PreparedSettlement::Written(transaction, changes.emitted))
}

pub(crate) async fn named_invoices(
    transaction: &mut Transaction,
    instructions: &[&EvidenceInstruction],
) -> Result<Vec<NamedInvoice>, StoreError> {
    let (mut ids, mut numbers) = (Vec::new(), Vec::new());
    for hint in instructions.iter().flat_map(|instruction| instruction.evidence.invoices()) {
        match hint {
            InvoiceReference::Id(id) => ids.push(*id),
            InvoiceReference::Number(number) => numbers.push(number.clone()),
        }
    }
    if ids.is_empty() && numbers.is_empty() {
        return Ok(Vec::new());
    }
    invoices::named(transaction, &ids, &numbers).await
}

enum RecordedEvidence<'a> {
    /// New evidence by payment, in order of arrival.
    New(BTreeMap<PaymentId, Vec<&'a EvidenceInstruction>>),
    /// Indexes of instructions whose event id was recorded with other content.
    Conflicting(Vec<usize>),
}

/// Records new evidence and adds it to the payment aggregates.
async fn record<'a>(
    transaction: &mut Transaction,
    evidence: &[IdentifiedEvidence<'a>],
    batch: &mut LockedBatch,
) -> Result<RecordedEvidence<'a>, StoreError> {
    let new: Vec<NewFact> = evidence
        .iter()
        .map(|identified| NewFact {
            id: Uuid::now_v7(),
            payment_id: identified.payment_id,
            fact: identified.instruction.evidence.fact(identified.invoices.clone()),
            actor: identified.instruction.evidence.actor.clone(),
            reason: identified.instruction.evidence.reason.clone(),
        })
        .collect();
    let inserted = facts::insert(transaction, &new).await?;
    let mut new_evidence: BTreeMap<PaymentId, Vec<&EvidenceInstruction>> = BTreeMap::new();
    for (new, identified) in new.iter().zip(evidence).filter(|(new, _)| inserted.contains(&new.id)) {
        new_evidence.entry(new.payment_id).or_default().push(identified.instruction);
        if let Some(aggregate) = batch.payments.get_mut(&new.payment_id) {
            aggregate.facts.push(new.fact.clone());
        }
    }
    // An event id that was recorded before must have the same content; its fact is then among those of the same
    // payment.
    let is_recorded_alike = |new: &NewFact| {
        let facts = batch.payments.get(&new.payment_id).map(|aggregate| aggregate.facts.as_slice()).unwrap_or_default();
        facts.iter().any(|fact| is_same(fact, &new.fact))
    };
    let conflicting: Vec<usize> =
        new.iter().enumerate().filter(|(_, new)| !is_recorded_alike(new)).map(|(index, _)| index).collect();
    Ok(if conflicting.is_empty() {
        RecordedEvidence::New(new_evidence)
    } else {
        RecordedEvidence::Conflicting(conflicting)
    })
}

fn is_same(known: &Fact, new: &Fact) -> bool {
    (known.channel, &known.event_id, known.kind, known.amount) == (new.channel, &new.event_id, new.kind, new.amount)
}

/// Settles one payment against its new evidence. Outflows with different reasons, and movements with different
/// accounting dates, are applied one by one, so each gets its own event and posting.
fn settle_new_evidence(
    changes: &mut BatchChanges,
    batch: &mut LockedBatch,
    id: PaymentId,
    new_evidence: &[&EvidenceInstruction],
) -> Result<(), StoreError> {
    let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
    let mut facts = aggregate.facts.split_off(aggregate.facts.len().saturating_sub(new_evidence.len())).into_iter();
    let zone = changes.zone;
    let (mut reason, mut day) = (None, None);
    let is_same_step = |earlier: &&EvidenceInstruction, next: &&EvidenceInstruction| {
        reason = reason.or(release_reason(earlier));
        day = day.or(day_moved(earlier, zone));
        let (next_reason, next_day) = (release_reason(next), day_moved(next, zone));
        let differ = reason.zip(next_reason).is_some_and(|(one, other)| one != other)
            || day.zip(next_day).is_some_and(|(one, other)| one != other);
        if differ {
            (reason, day) = (None, None);
        }
        !differ
    };
    for step in new_evidence.chunk_by(is_same_step) {
        if let Some(aggregate) = batch.payments.get_mut(&id) {
            aggregate.facts.extend(facts.by_ref().take(step.len()));
        }
        settle_step(changes, batch, id, step)?;
    }
    Ok(())
}

fn settle_step(
    changes: &mut BatchChanges,
    batch: &mut LockedBatch,
    id: PaymentId,
    new_evidence: &[&EvidenceInstruction],
) -> Result<(), StoreError> {
    let Some((last, earlier)) = new_evidence.split_last() else { return Ok(()) };
    let trigger = Trigger {
        actor: &last.evidence.actor,
        action: "payment.evidence_recorded",
        reason: records::evidence_reason(last),
        release: new_evidence
            .iter()
            .find_map(|instruction| release_reason(instruction))
            .unwrap_or(ReleaseReason::Corrected),
        is_proof: new_evidence.iter().any(|instruction| instruction.evidence.kind.proves_money()),
        accounted_on: new_evidence
            .iter()
            .find_map(|instruction| day_moved(instruction, changes.zone))
            .unwrap_or_else(|| day_in(changes.zone, changes.now)),
        source_text: new_evidence.iter().rev().find_map(|instruction| instruction.evidence.reason.clone()),
        correlation_id: &last.correlation_id,
    };
    changes.settle(batch, id, &trigger, None)?;
    if let Some(aggregate) = batch.payments.get(&id) {
        if new_evidence.iter().any(|instruction| instruction.evidence.attachment.is_some()) {
            changes.open_picture_case(aggregate, &aggregate.state()?);
        }
        changes.audit.extend(earlier.iter().map(|instruction| records::evidence(aggregate, instruction)));
    }
    Ok(())
}

/// The accounting date of the movement that the evidence reports; none for evidence that moves no money. A claim that
/// assigns money already received is booked on the day it is processed.
fn day_moved(instruction: &EvidenceInstruction, zone: Tz) -> Option<NaiveDate> {
    let evidence = &instruction.evidence;
    evidence.kind.moves_money().then(|| evidence.happened().accounting_date(zone))
}

/// The reason for an outflow that the evidence reports; none for other evidence.
fn release_reason(instruction: &EvidenceInstruction) -> Option<ReleaseReason> {
    release_reason_for(instruction.evidence.kind)
}

/// The release reason that corresponds to a kind of fact.
pub(crate) const fn release_reason_for(kind: FactKind) -> Option<ReleaseReason> {
    match kind {
        FactKind::Refund => Some(ReleaseReason::Refunded),
        FactKind::Reversal | FactKind::Cancellation => Some(ReleaseReason::Reversed),
        FactKind::DisputeLost => Some(ReleaseReason::ChargedBack),
        _ => None,
    }
}

/// Payments in the order of their first evidence in the batch: the earlier of two payments of an invoice pays it.
fn in_order_of_arrival(evidence: &[IdentifiedEvidence<'_>]) -> Vec<PaymentId> {
    let mut seen = BTreeSet::new();
    evidence.iter().map(|identified| identified.payment_id).filter(|id| seen.insert(*id)).collect()
}
