//! Refunds, disputes and reversals: money that went back or may go back, by the movement that facts name.

use std::collections::BTreeMap;

use crate::fact::FactKind;
use crate::money::Money;
use crate::payment::CountedFact;

/// Money that we refunded to the payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRefund {
    /// Our refund's id if we requested it; otherwise the provider's id of the movement.
    pub movement: String,
    /// The amount.
    pub amount: Money,
    /// It did not reach the payer after all. A failed refund never succeeds later; another one is made instead.
    pub failed: bool,
}

/// Money that the payer's bank took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedReversal {
    /// The provider's or bank's id of the movement.
    pub movement: String,
    /// The amount.
    pub amount: Money,
}

/// The stage of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DisputeStage {
    Open,
    Won,
    Lost,
}

/// Money that the payer reclaims through their bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The provider's id of the dispute.
    pub movement: String,
    /// The amount.
    pub amount: Money,
    stage: DisputeStage,
}

impl Dispute {
    /// Whether nothing is decided yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == DisputeStage::Open
    }

    /// Whether the payer won and the money is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.stage == DisputeStage::Lost
    }
}

/// Facts by movement, ordered by time within each movement.
type Movements<'a> = BTreeMap<&'a str, Vec<&'a CountedFact<'a>>>;

/// The facts of the given kinds, by movement.
fn by_movement<'a>(ordered: &[&'a CountedFact<'a>], kinds: &[FactKind]) -> Movements<'a> {
    let mut movements: Movements<'a> = BTreeMap::new();
    for fact in ordered.iter().filter(|fact| kinds.contains(&fact.kind)) {
        movements.entry(&fact.movement).or_default().push(fact);
    }
    movements
}

/// The amount of an outflow: if sources disagree, the larger amount counts.
fn amount(facts: &[&CountedFact<'_>]) -> Option<Money> {
    facts.iter().map(|fact| Money::from(fact.amount)).reduce(|left, right| left.larger(right).unwrap_or(left))
}

pub(crate) fn refunds(ordered: &[&CountedFact<'_>]) -> Vec<ReportedRefund> {
    let movements = by_movement(ordered, &[FactKind::Refund, FactKind::RefundFailure]);
    let refund = |(movement, facts): (&str, Vec<&CountedFact<'_>>)| {
        let failed = facts.iter().any(|fact| fact.kind == FactKind::RefundFailure);
        Some(ReportedRefund { movement: movement.to_owned(), amount: amount(&facts)?, failed })
    };
    movements.into_iter().filter_map(refund).collect()
}

pub(crate) fn reversals(ordered: &[&CountedFact<'_>]) -> Vec<ReportedReversal> {
    let movements = by_movement(ordered, &[FactKind::Reversal]);
    let reversal = |(movement, facts): (&str, Vec<&CountedFact<'_>>)| {
        Some(ReportedReversal { movement: movement.to_owned(), amount: amount(&facts)? })
    };
    movements.into_iter().filter_map(reversal).collect()
}

/// A decided dispute stays decided, even if its opening is reported late; of two decisions the later counts, and of two
/// at the same time the one against us.
pub(crate) fn disputes(ordered: &[&CountedFact<'_>]) -> Vec<Dispute> {
    let movements = by_movement(ordered, &[FactKind::Dispute, FactKind::DisputeWon, FactKind::DisputeLost]);
    let dispute = |(movement, facts): (&str, Vec<&CountedFact<'_>>)| {
        let decision = |fact: &&CountedFact<'_>| match fact.kind {
            FactKind::DisputeWon => Some((fact.occurred_at, DisputeStage::Won)),
            FactKind::DisputeLost => Some((fact.occurred_at, DisputeStage::Lost)),
            _ => None,
        };
        let stage = facts.iter().filter_map(decision).max().map_or(DisputeStage::Open, |(_, stage)| stage);
        Some(Dispute { movement: movement.to_owned(), amount: amount(&facts)?, stage })
    };
    movements.into_iter().filter_map(dispute).collect()
}
