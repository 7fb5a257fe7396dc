//! What becomes of the movements of a chunk.

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

/// A movement whose amount is money that we can keep, and what it means.
pub(crate) struct ClassifiedEntry<'a> {
    pub(crate) movement: &'a Movement,
    pub(crate) amount: Money,
    meaning: LineMeaning,
    /// Its identity, and which of equal movements of the file it is; only of money that moved for us.
    name: Option<(MovementIdentity, u64)>,
    /// What finance calls the payment.
    called: Option<TransactionId>,
}

/// A line with how the processor knows it.
#[derive(Debug)]
pub(crate) struct DecidedLine {
    pub(crate) line: UploadLine,
    /// Which of all movements it tells of; none if it tells of none that concerns us.
    pub(crate) movement: Option<String>,
    /// The movement as which another file may tell the entry that this is a detail of.
    pub(crate) entry: Option<String>,
    /// Of the second and further equal movements: the first, of which another file may have told details. Details of
    /// equal entries are all noted under it.
    pub(crate) first: Option<String>,
}

/// What is remembered from chunk to chunk.
#[derive(Debug)]
pub(crate) struct ImportMemory {
    pub(crate) accounts: PayerAccounts,
    pub(crate) ordinals: Ordinals,
}

/// Decides about movements that follow each other in a file; what was decided before stays. With
/// `names_payments`, the file has a name of finance's own for each.
///
/// # Errors
/// [`StoreError`] if the database fails, or holds what does not fit together.
pub(crate) async fn decide(
    database: &Database,
    movements: &[Movement],
    names_payments: bool,
    memory: &mut ImportMemory,
    mut before: BTreeMap<u64, LineDecision>,
) -> Result<Vec<DecidedLine>, StoreError> {
    let mut told = Vec::with_capacity(movements.len());
    for movement in movements {
        let_others_work(told.len()).await;
        told.push(ClassifiedEntry::classify(movement, names_payments).map_err(corrupt)?);
    }
    for (identity, ordinal) in told.iter_mut().filter_map(|told| told.name.as_mut()) {
        *ordinal = memory.ordinals.next(*identity);
    }
    let is_new = |told: &&ClassifiedEntry<'_>| !before.contains_key(&told.movement.number);
    let wanted: Vec<WantedLine> = told.iter().filter(is_new).filter_map(ClassifiedEntry::wanted).collect();
    let lookup = LookupResults::load(database, &wanted, &mut memory.accounts).await?;
    let returns = told.iter().filter(is_new).filter(|told| told.is_taken_back());
    let returns: Vec<&Movement> = returns.map(|told| told.movement).collect();
    let mut originals = Originals::load(database, &returns).await?;
    let (mut decided, mut wanted) = (Vec::with_capacity(told.len()), wanted.into_iter());
    for told in told {
        let_others_work(decided.len()).await;
        let decision = match (before.remove(&told.movement.number), &told.meaning) {
            (Some(decision), _) => decision,
            (None, LineMeaning::Left(outcome, reason)) => left_out(*outcome, reason.clone().into_owned()),
            (None, LineMeaning::TakenBack(taken)) => told.take_back(taken, &originals)?,
            (None, LineMeaning::Received(_)) => match wanted.next() {
                Some(wanted) => told.receive(&lookup, &memory.accounts, wanted)?,
                None => return Err(corrupt("a line was not looked up")),
            },
        };
        originals.add(&told, &decision);
        let identity = told.name.map(|(identity, _)| identity.to_string());
        decided.push(DecidedLine {
            movement: told.name.map(|(identity, ordinal)| identity.movement(ordinal)),
            first: told.name.filter(|(_, ordinal)| *ordinal > 1).map(|(identity, _)| identity.movement(1)),
            entry: told.name.and_then(|_| entry(told.movement)).map(|entry| entry.movement(1)),
            line: upload_line(told.movement, told.amount, identity, decision),
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

    /// The name of the payment: what finance called it, else the bank's movement.
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
        let (debts, claims) = lookup.candidates(&wanted);
        let line = lookup.with_payers(wanted.line, &wanted.keys, wanted.account.as_deref(), accounts);
        let found = matching::find(&line, &wanted.keys, &debts, &claims).map_err(corrupt)?;
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

/// The whole file was checked before: what does not fit together now is ours.
pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt("billing.upload_lines", error)
}
