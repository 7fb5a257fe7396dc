//! Selects the facts of a payment that count, and their amounts.
//!
//! Some facts only have a meaning together with others of the same source: an authorisation that the gateway captures
//! by itself counts until the gateway reports explicit captures or a cancellation; of running totals the largest
//! counts.

use std::ops::Deref;

use crate::fact::{Fact, FactKind};
use crate::money::{Money, MoneyError, PositiveMoney};

/// A fact as it counts together with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedFact<'a> {
    /// The kind that it counts as.
    pub(crate) kind: FactKind,
    /// The amount that counts.
    pub(crate) amount: PositiveMoney,
    fact: &'a Fact,
}

impl CountedFact<'_> {
    /// Whether its source reports that this money moved, rather than that it will be captured automatically.
    pub(crate) fn is_explicit_proof(&self) -> bool {
        self.kind.proves_money() && self.fact.kind != FactKind::ImpliedCapture
    }
}

impl Deref for CountedFact<'_> {
    type Target = Fact;

    fn deref(&self) -> &Fact {
        self.fact
    }
}

/// The facts that count, in the order of `facts`.
///
/// # Errors
/// [`MoneyError`] if a difference overflows.
pub(crate) fn counted(facts: &[Fact]) -> Result<Vec<CountedFact<'_>>, MoneyError> {
    let mut counted = Vec::with_capacity(facts.len());
    for fact in facts {
        let Some(amount) = fact.amount else { continue };
        match fact.kind {
            FactKind::Cancellation | FactKind::DisputeReinstatement => {}
            FactKind::ImpliedCapture => counted.extend(implied_capture(fact, amount, facts)),
            FactKind::PartialCapture => {
                counted.extend(is_last_total(fact, facts)?.then_some(count(fact, FactKind::Capture, amount)));
            }
            FactKind::DisputeLost => counted.push(lost_dispute(fact, amount, facts)?),
            kind => counted.push(count(fact, kind, amount)),
        }
    }
    Ok(counted)
}

const fn count(fact: &Fact, kind: FactKind, amount: PositiveMoney) -> CountedFact<'_> {
    CountedFact { kind, amount, fact }
}

/// An authorisation that implies its capture counts as the money until the gateway reports explicit captures: then
/// those add up instead, and the authorisation only names the invoice. If it was cancelled, or all its captures failed,
/// it was taken back in full.
fn implied_capture<'a>(authorisation: &'a Fact, amount: PositiveMoney, facts: &'a [Fact]) -> Vec<CountedFact<'a>> {
    let is_about_it = |other: &&Fact| {
        other.source() == authorisation.source() && other.transaction_id == authorisation.transaction_id
    };
    if facts.iter().filter(is_about_it).any(|other| other.kind == FactKind::Capture) {
        return vec![count(authorisation, FactKind::Authorisation, amount)];
    }
    let ends_it = |other: &&Fact| match other.kind {
        FactKind::Cancellation => true,
        FactKind::Failure => other.movement != authorisation.movement,
        _ => false,
    };
    let is_ended = facts.iter().filter(is_about_it).any(|other| ends_it(&other));
    let kinds: &[FactKind] = if is_ended { &[FactKind::Capture, FactKind::Reversal] } else { &[FactKind::Capture] };
    kinds.iter().map(|kind| count(authorisation, *kind, amount)).collect()
}

/// Whether a running total counts: there is no final capture of its movement and no larger total. Of equal totals the
/// one with the first event id counts.
fn is_last_total(total: &Fact, facts: &[Fact]) -> Result<bool, MoneyError> {
    let same_movement =
        facts.iter().filter(|other| (other.source(), &other.movement) == (total.source(), &total.movement));
    for other in same_movement {
        match (other.kind, total.amount, other.amount) {
            (FactKind::Capture, ..) => return Ok(false),
            (FactKind::PartialCapture, Some(amount), Some(others)) if amount.currency() == others.currency() => {
                let difference = Money::from(others).checked_sub(amount.into())?;
                let is_before = difference.is_zero() && other.event_id < total.event_id;
                if difference.is_positive() || is_before {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
    Ok(true)
}

/// The amount that a lost dispute took, less what was reinstated afterwards; a dispute that was reinstated in full
/// counts as won.
fn lost_dispute<'a>(lost: &'a Fact, amount: PositiveMoney, facts: &[Fact]) -> Result<CountedFact<'a>, MoneyError> {
    let mut given_back = Money::zero(amount.currency());
    let is_reinstatement = |other: &&Fact| {
        other.kind == FactKind::DisputeReinstatement
            && (other.source(), &other.movement) == (lost.source(), &lost.movement)
    };
    for total in facts.iter().filter(is_reinstatement).filter_map(|other| other.amount) {
        if total.currency() == amount.currency() {
            given_back = given_back.larger(total.into())?;
        }
    }
    Ok(match Money::from(amount).checked_sub(given_back)?.positive() {
        Ok(left) => count(lost, FactKind::DisputeLost, left),
        Err(_) => count(lost, FactKind::DisputeWon, amount),
    })
}
