//! Decides the outcome of the movements of a chunk.

use std::collections::BTreeMap;

use quittance_domain::id::{Provider, TransactionId};
use quittance_domain::matching::{self, Candidate, MatchResult, THRESHOLD};
use quittance_domain::money::{Money, MoneyError};
use quittance_domain::upload::LineOutcome;
use quittance_formats::Movement;
use quittance_store::upload_lines::{LineDecision, UploadLine};
use quittance_store::{Database, StoreError};
use serde_json::{Value, json};

use crate::identity::{MovementIdentity, Ordinals, entry, identity};
use crate::lines::{LineMeaning, bank_line, left_out, meaning, shortened, upload_line};
use crate::lookup::{LookupResults, PayerAccounts, WantedLine};
use crate::reading::let_others_work;
use crate::returns::Originals;

/// A movement whose amount is representable, with its meaning.
pub(crate) struct ClassifiedEntry<'a> {
    pub(crate) movement: &'a Movement,
    pub(crate) amount: Money,
    meaning: LineMeaning,
    /// Its identity, and its ordinal among equal movements of the file; only for received or returned money.
    name: Option<(MovementIdentity, u64)>,
    /// The transaction id that finance gave the payment.
    called: Option<TransactionId>,
}

/// A line with its identities.
#[derive(Debug)]
pub(crate) struct DecidedLine {
    pub(crate) line: UploadLine,
    /// The movement that it reports; none if it reports none that concerns us.
    pub(crate) movement: Option<String>,
    /// The identity under which another file may report the whole entry that this movement is a detail of.
    pub(crate) entry: Option<String>,
    /// For the second and further equal movements: the first of them, for which another file may have reported details.
    /// Details of equal entries are all recorded under it.
    pub(crate) first: Option<String>,
}

/// The state that is carried from chunk to chunk.
#[derive(Debug)]
pub(crate) struct ImportMemory {
    pub(crate) accounts: PayerAccounts,
    pub(crate) ordinals: Ordinals,
}

/// Decides about consecutive movements of a file; earlier decisions are kept. With `names_payments`, the file has a
/// transaction id of finance's own for each.
///
/// # Errors
/// [`StoreError`] if the database fails or stored data is inconsistent.
pub(crate) async fn decide(
    database: &Database,
    movements: &[Movement],
    names_payments: bool,
    memory: &mut ImportMemory,
    mut before: BTreeMap<u64, LineDecision>,
) -> Result<Vec<DecidedLine>, StoreError> {
    let mut reported = Vec::with_capacity(movements.len());
    for movement in movements {
        let_others_work(reported.len()).await;
        reported.push(ClassifiedEntry::classify(movement, names_payments).map_err(corrupt)?);
    }
    for (identity, ordinal) in reported.iter_mut().filter_map(|reported| reported.name.as_mut()) {
        *ordinal = memory.ordinals.next(*identity);
    }
    let is_new = |reported: &&ClassifiedEntry<'_>| !before.contains_key(&reported.movement.number);
    let wanted: Vec<WantedLine> = reported.iter().filter(is_new).filter_map(ClassifiedEntry::wanted).collect();
    let lookup = LookupResults::load(database, &wanted, &mut memory.accounts).await?;
    let returns = reported.iter().filter(is_new).filter(|reported| reported.is_taken_back());
    let returns: Vec<&Movement> = returns.map(|reported| reported.movement).collect();
    let mut originals = Originals::load(database, &returns).await?;
    let (mut decided, mut wanted) = (Vec::with_capacity(reported.len()), wanted.into_iter());
    for reported in reported {
        let_others_work(decided.len()).await;
        let decision = match (before.remove(&reported.movement.number), &reported.meaning) {
            (Some(decision), _) => decision,
            (None, LineMeaning::Left(outcome, reason)) => left_out(*outcome, reason.clone().into_owned()),
            (None, LineMeaning::TakenBack(taken)) => reported.take_back(taken, &originals)?,
            (None, LineMeaning::Received(_)) => match wanted.next() {
                Some(wanted) => reported.receive(&lookup, &memory.accounts, wanted)?,
                None => return Err(corrupt("a line was not looked up")),
            },
        };
        originals.add(&reported, &decision);
        let identity = reported.name.map(|(identity, _)| identity.to_string());
        decided.push(DecidedLine {
            movement: reported.name.map(|(identity, ordinal)| identity.movement(ordinal)),
            first: reported.name.filter(|(_, ordinal)| *ordinal > 1).map(|(identity, _)| identity.movement(1)),
            entry: reported.name.and_then(|_| entry(reported.movement)).map(|entry| entry.movement(1)),
            line: upload_line(reported.movement, reported.amount, identity, decision),
        });
    }
    Ok(decided)
}

impl<'a> ClassifiedEntry<'a> {
    fn classify(movement: &'a Movement, names_payments: bool) -> Result<Self, MoneyError> {
        let meaning = meaning(movement)?;
        let name = (!matches!(meaning, LineMeaning::Left(..))).then(|| (identity(movement), 0));
        let called = movement.transaction_id.as_deref().filter(|_| names_payments);
        let called = called.and_then(|called| TransactionId::with_provider(called).ok()).map(|(_, name)| name);
        let called = called.filter(|name| !name.is_bank_line());
        Ok(Self { movement, amount: movement.amount.money()?, meaning, name, called })
    }

    fn wanted(&self) -> Option<WantedLine> {
        let LineMeaning::Received(received) = &self.meaning else { return None };
        let line = bank_line(self.movement, received);
        Some(WantedLine { keys: line.keys(), line, account: self.movement.counterparty.account.clone() })
    }

    fn is_taken_back(&self) -> bool {
        matches!(self.meaning, LineMeaning::TakenBack(_))
    }

    /// The transaction id of the payment: the one that finance gave it, otherwise the bank's movement.
    pub(crate) fn payment(&self) -> Result<TransactionId, StoreError> {
        if let Some(called) = &self.called {
            return Ok(called.clone());
        }
        let Some((identity, ordinal)) = self.name else { return Err(corrupt("money that came has no identity")) };
        let name = format!("{}{}", TransactionId::BANK_LINE_PREFIX, identity.movement(ordinal));
        TransactionId::namespaced(&Provider::manual(), &name).map_err(corrupt)
    }

    fn receive(
        &self,
        lookup: &LookupResults,
        accounts: &PayerAccounts,
        wanted: WantedLine,
    ) -> Result<LineDecision, StoreError> {
        let (open_items, claims) = lookup.candidates(&wanted);
        let line = lookup.with_payers(wanted.line, &wanted.keys, wanted.account.as_deref(), accounts);
        let found = matching::find(&line, &wanted.keys, &open_items, &claims).map_err(corrupt)?;
        let transaction_id = Some(self.payment()?);
        Ok(match found {
            MatchResult::Match(found) => LineDecision {
                outcome: LineOutcome::Matched,
                transaction_id,
                invoices: found.invoices,
                payment_id: found.payment_id,
                matched_text: found.text.as_deref().map(shortened),
                bank_fee: None,
                score: Some(found.score),
                reason: Some(found.reason),
                candidates: None,
            },
            MatchResult::Unsure(candidates) => LineDecision {
                outcome: LineOutcome::Unmatched,
                transaction_id,
                invoices: Vec::new(),
                payment_id: None,
                matched_text: None,
                bank_fee: None,
                score: candidates.first().map(|best| best.score),
                reason: Some(doubt(candidates.first())),
                candidates: Some(candidates.iter().map(candidate).collect()),
            },
        })
    }
}

fn doubt(best: Option<&Candidate>) -> String {
    match best {
        Some(best) => {
            format!("the best candidate, {}, has {} of the {THRESHOLD} that a match needs", best.number, best.score)
        }
        None => "it names no invoice, and no client of that name has one of that amount".to_owned(),
    }
}

fn candidate(candidate: &Candidate) -> Value {
    json!({
        "invoice_id": candidate.invoice_id, "number": candidate.number, "score": candidate.score,
        "reason": candidate.reason,
    })
}

/// The error for inconsistent data: the whole file was checked before, so any inconsistency is on our side.
pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt("billing.upload_lines", error)
}
