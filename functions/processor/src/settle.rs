//! Evidence becomes settled payments, in one transaction: lock, read, decide (pure, in the domain), write, commit.

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
use crate::fees;
use crate::ground::LockedBatch;
use crate::identify::{IdentifiedEvidence, identify};
use crate::records;
use crate::told::EmittedEvents;

/// Evidence and what ties it to the request that brought it.
#[derive(Debug, Clone)]
pub struct EvidenceInstruction {
    /// What a source said.
    pub evidence: Evidence,
    /// The request or message that it came with.
    pub correlation_id: String,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettlementResult {
    /// What was committed to the outbox.
    pub emitted: EmittedEvents,
    /// Places in the batch of instructions that bear the name of a message that said something else. Nothing of them
    /// was recorded.
    pub conflicting: BTreeSet<usize>,
}

/// Records the evidence and settles what follows from it, all in one transaction.
///
/// # Errors
/// [`StoreError`]; nothing has changed then, unless the connection broke during the commit: the same instructions
/// then find what they recorded, and change nothing.
pub async fn settle(
    database: &Database,
    instructions: &[EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<SettlementResult, StoreError> {
    let mut renamed = BTreeSet::new();
    let mut attempts = TransactionRetries::new();
    loop {
        let places: Vec<usize> = (0..instructions.len()).filter(|place| !renamed.contains(place)).collect();
        let fit: Vec<&EvidenceInstruction> = places.iter().filter_map(|place| instructions.get(*place)).collect();
        if fit.is_empty() {
            return Ok(SettlementResult { emitted: EmittedEvents::default(), conflicting: renamed });
        }
        match attempt(database, &fit, now).await {
            Ok(SettlementAttempt::Committed(told)) => {
                return Ok(SettlementResult { emitted: told, conflicting: renamed });
            }
            Ok(SettlementAttempt::Conflicting(found)) => {
                renamed.extend(found.iter().filter_map(|found| places.get(*found)))
            }
            Err(error) => attempts.pause(error).await?,
        }
    }
}

enum SettlementAttempt {
    Committed(EmittedEvents),
    /// Nothing is changed: these instructions bear the names of others and must be left out.
    Conflicting(Vec<usize>),
}

async fn attempt(
    database: &Database,
    instructions: &[&EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<SettlementAttempt, StoreError> {
    match prepare(database.begin().await?, instructions, now).await? {
        PreparedSettlement::Written(transaction, told) => {
            transaction.commit().await?;
            Ok(SettlementAttempt::Committed(told))
        }
        PreparedSettlement::Renamed(places) => Ok(SettlementAttempt::Conflicting(places)),
    }
}

/// What settling leads to, before it is committed.
pub(crate) enum PreparedSettlement {
    Written(Transaction, EmittedEvents),
    /// Nothing is written: these instructions bear the names of others.
    Renamed(Vec<usize>),
}

/// Locks, reads, decides and writes, and leaves it to the caller to commit.
pub(crate) async fn prepare(
    mut transaction: Transaction,
    instructions: &[&EvidenceInstruction],
    now: DateTime<Tz>,
) -> Result<PreparedSettlement, StoreError> {
    let named = named_invoices(&mut transaction, instructions).await?;
    let identified = identify(&mut transaction, instructions, &named).await?;
    let mut ground = LockedBatch::load(&mut transaction, identified.payments, &identified.new).await?;
    let news = match record(&mut transaction, &identified.evidence, &mut ground).await? {
        RecordedEvidence::New(news) => news,
        RecordedEvidence::Renamed(places) => return Ok(PreparedSettlement::Renamed(places)),
    };
    ground.payments.retain(|id, _| news.contains_key(id));
    let mut changes = BatchChanges::new(now);
    if !news.is_empty() {
        ground.lock_invoices(&mut transaction, &[]).await?;
        for id in in_order_of_arrival(&identified.evidence) {
            settle_new_evidence(&mut changes, &mut ground, id, news.get(&id).map(Vec::as_slice).unwrap_or_default())?;
        }
        changes.fill_reopened(&mut transaction, &mut ground).await?;
        fees::record(&mut transaction, &news, &mut changes).await?;
        for (kept, other) in &identified.twins {
            if let Some(dossier) = ground.payments.get(kept) {
                changes.open_duplicate_case(dossier, *other);
            }
        }
        changes.write(&mut transaction, &ground).await?;
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
    /// What is new, by payment, in order of arrival.
    New(BTreeMap<PaymentId, Vec<&'a EvidenceInstruction>>),
    /// Places of instructions that bear the name of a message that said something else.
    Renamed(Vec<usize>),
}

/// Records what is new, and adds it to the dossiers.
async fn record<'a>(
    transaction: &mut Transaction,
    evidence: &[IdentifiedEvidence<'a>],
    ground: &mut LockedBatch,
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
    let mut news: BTreeMap<PaymentId, Vec<&EvidenceInstruction>> = BTreeMap::new();
    for (new, identified) in new.iter().zip(evidence).filter(|(new, _)| inserted.contains(&new.id)) {
        news.entry(new.payment_id).or_default().push(identified.instruction);
        if let Some(dossier) = ground.payments.get_mut(&new.payment_id) {
            dossier.facts.push(new.fact.clone());
        }
    }
    // A name that was taken must stand for the same; its fact is then among those of the same payment.
    let is_kept = |new: &NewFact| {
        let facts = ground.payments.get(&new.payment_id).map(|dossier| dossier.facts.as_slice()).unwrap_or_default();
        facts.iter().any(|fact| is_same(fact, &new.fact))
    };
    let renamed: Vec<usize> = new.iter().enumerate().filter(|(_, new)| !is_kept(new)).map(|(place, _)| place).collect();
    Ok(if renamed.is_empty() { RecordedEvidence::New(news) } else { RecordedEvidence::Renamed(renamed) })
}

fn is_same(known: &Fact, new: &Fact) -> bool {
    (known.door, &known.event_id, known.kind, known.amount) == (new.door, &new.event_id, new.kind, new.amount)
}

/// Settles one payment after what is new of it. Money that leaves for two reasons, or moves on two days, moves in two steps,
/// so that each is told and booked with its own.
fn settle_new_evidence(
    changes: &mut BatchChanges,
    ground: &mut LockedBatch,
    id: PaymentId,
    news: &[&EvidenceInstruction],
) -> Result<(), StoreError> {
    let Some(dossier) = ground.payments.get_mut(&id) else { return Ok(()) };
    let mut facts = dossier.facts.split_off(dossier.facts.len().saturating_sub(news.len())).into_iter();
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
    for step in news.chunk_by(is_same_step) {
        if let Some(dossier) = ground.payments.get_mut(&id) {
            dossier.facts.extend(facts.by_ref().take(step.len()));
        }
        settle_step(changes, ground, id, step)?;
    }
    Ok(())
}

fn settle_step(
    changes: &mut BatchChanges,
    ground: &mut LockedBatch,
    id: PaymentId,
    news: &[&EvidenceInstruction],
) -> Result<(), StoreError> {
    let Some((last, earlier)) = news.split_last() else { return Ok(()) };
    let cause = Trigger {
        actor: &last.evidence.actor,
        action: "payment.evidence_recorded",
        reason: records::evidence_reason(last),
        release: news.iter().find_map(|told| release_reason(told)).unwrap_or(ReleaseReason::Corrected),
        is_proof: news.iter().any(|instruction| instruction.evidence.kind.proves_money()),
        accounted_on: news
            .iter()
            .find_map(|instruction| day_moved(instruction, changes.zone))
            .unwrap_or_else(|| day_in(changes.zone, changes.now)),
        source_text: news.iter().rev().find_map(|instruction| instruction.evidence.reason.clone()),
        correlation_id: &last.correlation_id,
    };
    changes.settle(ground, id, &cause, None)?;
    if let Some(dossier) = ground.payments.get(&id) {
        if news.iter().any(|told| told.evidence.attachment.is_some()) {
            changes.open_picture_case(dossier, &dossier.state()?);
        }
        changes.audit.extend(earlier.iter().map(|instruction| records::evidence(dossier, instruction)));
    }
    Ok(())
}

/// The day in the books on which money moved, if this tells of a movement. What moves money that was there before because a
/// claim says whose it is happens on the day on which that is known.
fn day_moved(instruction: &EvidenceInstruction, zone: Tz) -> Option<NaiveDate> {
    let evidence = &instruction.evidence;
    evidence.kind.moves_money().then(|| evidence.happened().accounting_date(zone))
}

/// Why money leaves after this, if it tells of money that went back.
fn release_reason(instruction: &EvidenceInstruction) -> Option<ReleaseReason> {
    release_reason_for(instruction.evidence.kind)
}

/// Why money leaves when that happened.
pub(crate) const fn release_reason_for(kind: FactKind) -> Option<ReleaseReason> {
    match kind {
        FactKind::Refund => Some(ReleaseReason::Refunded),
        FactKind::Reversal | FactKind::Cancellation => Some(ReleaseReason::Reversed),
        FactKind::DisputeLost => Some(ReleaseReason::ChargedBack),
        _ => None,
    }
}

/// Each payment once, where the batch first speaks of it: the earlier of two payments of one invoice pays it.
fn in_order_of_arrival(evidence: &[IdentifiedEvidence<'_>]) -> Vec<PaymentId> {
    let mut seen = BTreeSet::new();
    evidence.iter().map(|identified| identified.payment_id).filter(|id| seen.insert(*id)).collect()
}
