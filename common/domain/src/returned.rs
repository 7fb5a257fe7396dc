//! Money that went back, or may: refunds, disputes, reversals. Each is known by the movement that facts name.

use std::collections::BTreeMap;

use crate::fact::FactKind;
use crate::money::Money;
use crate::payment::CountedFact;

/// Money that went back to the payer because we wanted it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRefund {
    /// Our refund's id, where we asked for it; else the provider's name of the movement.
    pub movement: String,
    /// How much.
    pub amount: Money,
    /// It did not reach the payer after all. A refund that failed never succeeds later: another is made.
    pub failed: bool,
}

/// Money that the payer's bank took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedReversal {
    /// The provider's or bank's name of the movement.
    pub movement: String,
    /// How much.
    pub amount: Money,
}

/// How far a dispute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DisputeStage {
    Open,
    Won,
    Lost,
}

/// Money that the payer wants back through their bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The provider's name of the dispute.
    pub movement: String,
    /// How much.
    pub amount: Money,
    stage: DisputeStage,
}

impl Dispute {
    /// Nothing is decided.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == DisputeStage::Open
    }

    /// The payer won: the money is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.stage == DisputeStage::Lost
    }
}

/// Facts by movement, each movement's in order of time.
type Movements<'a> = BTreeMap<&'a str, Vec<&'a CountedFact<'a>>>;

/// The facts of some kinds.
fn by_movement<'a>(ordered: &[&'a CountedFact<'a>], kinds: &[FactKind]) -> Movements<'a> {
    let mut movements: Movements<'a> = BTreeMap::new();
    for fact in ordered.iter().filter(|fact| kinds.contains(&fact.kind)) {
        movements.entry(&fact.movement).or_default().push(fact);
    }
    movements
}

/// Sources that disagree about money that is gone: the larger amount counts.
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

/// A dispute that was decided stays decided, whatever of its opening comes late; of two decisions the later counts, and
/// of two at one time the one against us.
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
