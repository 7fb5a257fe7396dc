//! Derives a payment's state from its facts: a pure function of the set of facts, so late, repeated and reordered
//! evidence leads to the same state.

mod counted;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fact::{EvidenceRank, Fact, FactKind, FactSource, MovementTime};
use crate::id::{InvoiceId, RefundId, TransactionId};
use crate::money::{Currency, Money, MoneyError};
use crate::names::stored_name;
pub(crate) use crate::payment::counted::CountedFact;
use crate::payment::counted::counted;
use crate::refund_reason::{RefundEffect, RefundTerms, RefundTermsByMovement};
use crate::returned::{Dispute, ReportedRefund, ReportedReversal, disputes, refunds, reversals};

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Claimed or authorised, not proven.
    Pending,
    /// A call to the gateway had no answer; a status inquiry will resolve it.
    Unknown,
    /// The gateway reported a failure, and nothing proves otherwise.
    Failed,
    /// The payer did not pay in time, and nothing proves otherwise.
    Expired,
    /// The money moved.
    Confirmed,
    /// Part of the money went back.
    PartiallyRefunded,
    /// We refunded all of the money.
    Refunded,
    /// The payer disputes the payment; nothing is decided yet.
    Disputed,
    /// The payer's bank took back all of the money, or the payer won a dispute about it.
    Reversed,
}

stored_name!(PaymentStatus {
    Pending => "pending",
    Unknown => "unknown",
    Failed => "failed",
    Expired => "expired",
    Confirmed => "confirmed",
    PartiallyRefunded => "partially_refunded",
    Refunded => "refunded",
    Disputed => "disputed",
    Reversed => "reversed",
});

/// The state that follows from the facts of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentState {
    /// The status.
    pub status: PaymentStatus,
    /// The highest rank of evidence.
    pub rank: Option<EvidenceRank>,
    /// Money proven at [`EvidenceRank::Captured`] or above, before anything went back.
    pub captured: Option<Money>,
    /// The claimed amount, if there is no better evidence.
    pub claimed: Option<Money>,
    /// The amount that a gateway holds for us, as last reported.
    pub authorised: Option<Money>,
    /// Reported refunds, by movement.
    pub refunds: Vec<ReportedRefund>,
    /// Disputes, by movement.
    pub disputes: Vec<Dispute>,
    /// Reversals by the payer's bank, by movement.
    pub reversals: Vec<ReportedReversal>,
    /// The transaction id under which the money came: the earliest under which a gateway proved it, otherwise the
    /// earliest of all.
    pub proven_as: Option<TransactionId>,
    /// The amount that went back by refunds, reversals and lost disputes, in the currency of the captured amount.
    pub returned: Option<Money>,
    /// The part of it that went back by refunds.
    pub refunded: Option<Money>,
    /// The part of the refunds that was goodwill, at our expense.
    pub goodwill: Option<Money>,
    /// The part of the refunds that was paid from the client's credit; the invoice is not owed again for it.
    pub from_credit: Option<Money>,
    /// Refunds without a known reason.
    pub unexplained: Option<Money>,
    /// The invoices that the money is for, in the order in which they are to be paid; empty unless the evidence agrees.
    pub invoices: Vec<InvoiceId>,
    /// Sources disagree: about the amount (the lower of one rank counts), the currency, or the invoices.
    pub contradictory: bool,
    /// When the money moved, or was first reported to move.
    pub happened: Option<MovementTime>,
}

impl PaymentStatus {
    /// Whether the gateway still has to report the payment's outcome.
    #[must_use]
    pub const fn is_undecided(self) -> bool {
        matches!(self, Self::Pending | Self::Unknown)
    }

    /// Whether money is proven to have moved.
    #[must_use]
    pub const fn is_proven(self) -> bool {
        !matches!(self, Self::Pending | Self::Unknown | Self::Failed | Self::Expired)
    }
}

impl PaymentState {
    /// Combines facts, in any order, without known reasons of refunds.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if a sum overflows.
    pub fn from_facts(facts: &[Fact]) -> Result<Self, MoneyError> {
        Self::with_terms(facts, &RefundTermsByMovement::default())
    }

    /// Combines facts, in any order. `terms` has the reasons of refunds.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if a sum overflows.
    pub fn with_terms(facts: &[Fact], terms: &RefundTermsByMovement) -> Result<Self, MoneyError> {
        let counted = counted(facts)?;
        let mut ordered: Vec<&CountedFact<'_>> = counted.iter().collect();
        ordered.sort_by(|left, right| {
            (left.occurred_at, left.channel, &left.event_id).cmp(&(right.occurred_at, right.channel, &right.event_id))
        });
        ordered.retain(|fact| !is_made_good(fact, &counted));
        let rank = ordered.iter().filter_map(|fact| fact.kind.rank()).max();
        let captured = captured(&ordered)?;
        let amount = captured.map(|captured| captured.amount);
        let (refunds, disputes, reversals) = (refunds(&ordered), disputes(&ordered), reversals(&ordered));
        let currency = amount.map(Money::currency);
        let gone =
            currency.map(|currency| OutflowTotals::sum(&ordered, &refunds, terms, &disputes, currency)).transpose()?;
        let (returned, refunded) = (gone.map(|gone| gone.in_all), gone.map(|gone| gone.by_refunds));
        let is_foreign = |fact: &&CountedFact<'_>| {
            fact.kind.rank() != Some(EvidenceRank::Claimed)
                && currency.is_some_and(|known| fact.amount.currency() != known)
        };
        let at_rank = |wanted: EvidenceRank| ordered.iter().filter(move |fact| fact.kind.rank() == Some(wanted));
        Ok(Self {
            status: status(&ordered, amount, returned, &disputes)?,
            rank,
            captured: amount,
            claimed: at_rank(EvidenceRank::Claimed).map(|fact| fact.amount.into()).next(),
            authorised: at_rank(EvidenceRank::Authorised).next_back().map(|fact| fact.amount.into()),
            proven_as: proven_as(&ordered),
            invoices: named_invoices(&ordered, amount),
            contradictory: captured.is_some_and(|captured| captured.contradictory)
                || ordered.iter().any(is_foreign)
                || is_split(&ordered),
            happened: rank.and_then(|rank| at_rank(rank).map(|fact| fact.happened()).next()),
            refunds,
            disputes,
            reversals,
            returned,
            refunded,
            goodwill: gone.map(|gone| gone.goodwill),
            from_credit: gone.map(|gone| gone.from_credit),
            unexplained: gone.map(|gone| gone.unexplained),
        })
    }

    /// The amount that the provider withholds while disputes are open, in the currency of the captured amount.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the sum overflows.
    pub fn withheld(&self) -> Result<Option<Money>, MoneyError> {
        let Some(currency) = self.captured.map(Money::currency) else { return Ok(None) };
        let open = self.disputes.iter().filter(|dispute| dispute.is_open() && dispute.amount.currency() == currency);
        open.map(|dispute| dispute.amount).try_fold(Money::zero(currency), Money::checked_add).map(Some)
    }

    /// The amount that must be allocated or unapplied: the net amount as if goodwill had not been paid from it. None
    /// while nothing is proven.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the sum overflows.
    pub fn net_without_goodwill(&self) -> Result<Option<Money>, MoneyError> {
        self.net()?.zip(self.goodwill).map(|(net, goodwill)| net.checked_add(goodwill)).transpose()
    }

    /// The captured amount less what went back; negative if more went back than was captured. None while nothing is
    /// proven.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] if the difference overflows.
    pub fn net(&self) -> Result<Option<Money>, MoneyError> {
        self.captured.zip(self.returned).map(|(captured, returned)| captured.checked_sub(returned)).transpose()
    }
}

/// Whether money that was taken back came in again: the source of the reversal proves the same movement later.
fn is_made_good(fact: &CountedFact<'_>, facts: &[CountedFact<'_>]) -> bool {
    let is_again = |later: &CountedFact<'_>| {
        later.is_explicit_proof()
            && (later.source(), &later.movement) == (fact.source(), &fact.movement)
            && later.occurred_at > fact.occurred_at
    };
    fact.kind == FactKind::Reversal && facts.iter().any(is_again)
}

/// Without proof of money, the gateway's latest report counts, and among reports of the same time the more serious one;
/// a claim never overrides. A failure that precedes another attempt of ours has no bearing on that attempt, whatever
/// becomes of it. With proof, the outflows decide.
fn status(
    ordered: &[&CountedFact<'_>],
    captured: Option<Money>,
    returned: Option<Money>,
    disputes: &[Dispute],
) -> Result<PaymentStatus, MoneyError> {
    let Some((captured, returned)) = captured.zip(returned) else { return Ok(unproven_status(ordered)) };
    if disputes.iter().any(Dispute::is_open) {
        return Ok(PaymentStatus::Disputed);
    }
    if returned.is_zero() {
        return Ok(PaymentStatus::Confirmed);
    }
    if captured.checked_sub(returned)?.is_positive() {
        return Ok(PaymentStatus::PartiallyRefunded);
    }
    let was_taken = ordered.iter().any(|fact| fact.kind == FactKind::Reversal) || disputes.iter().any(Dispute::is_lost);
    Ok(if was_taken { PaymentStatus::Reversed } else { PaymentStatus::Refunded })
}

fn unproven_status(ordered: &[&CountedFact<'_>]) -> PaymentStatus {
    let last_attempt = ordered.iter().rfind(|fact| fact.kind == FactKind::Initiation).map(|fact| fact.occurred_at);
    let has_ended = |fact: &CountedFact<'_>| {
        let is_end = |earlier: &CountedFact<'_>| {
            matches!(earlier.kind, FactKind::Failure | FactKind::Expiry) && Some(earlier.occurred_at) < last_attempt
        };
        ordered.iter().any(|earlier| is_end(earlier) && earlier.movement == fact.movement)
    };
    let statement = |fact: &&CountedFact<'_>| {
        let (weight, status) = match fact.kind {
            FactKind::Initiation => (0, PaymentStatus::Pending),
            FactKind::Unknown => (0, PaymentStatus::Unknown),
            FactKind::Authorisation => (1, PaymentStatus::Pending),
            FactKind::Expiry => (2, PaymentStatus::Expired),
            FactKind::Failure => (3, PaymentStatus::Failed),
            _ => return None,
        };
        let counts = fact.kind == FactKind::Initiation || !has_ended(fact);
        counts.then_some((fact.occurred_at, weight, status))
    };
    ordered.iter().filter_map(statement).max().map_or(PaymentStatus::Pending, |(_, _, status)| status)
}

#[derive(Clone, Copy)]
struct CapturedTotal {
    amount: Money,
    contradictory: bool,
}

/// The proven amount: the highest rank counts; a lower rank that proves a different sum is still a contradiction. The
/// currency is that of the earliest proof.
fn captured(ordered: &[&CountedFact<'_>]) -> Result<Option<CapturedTotal>, MoneyError> {
    let proofs: Vec<&CountedFact<'_>> = ordered.iter().copied().filter(|fact| fact.kind.proves_money()).collect();
    let Some(currency) = proofs.first().map(|fact| fact.amount.currency()) else { return Ok(None) };
    let at_rank = |rank: EvidenceRank| {
        let facts = proofs.iter().copied();
        agreed_amount(facts.filter(move |fact| fact.kind.rank() == Some(rank) && fact.amount.currency() == currency))
    };
    let (captured, settled) = (at_rank(EvidenceRank::Captured)?, at_rank(EvidenceRank::Settled)?);
    let disagree = captured.zip(settled).is_some_and(|(captured, settled)| captured.amount != settled.amount);
    let best = settled.or(captured);
    Ok(best.map(|best| CapturedTotal { contradictory: best.contradictory || disagree, ..best }))
}

/// The amount that sources of one rank and currency agree on: the movements of one source add up; between messages
/// about one movement, and between sources, the lower amount counts.
fn agreed_amount<'a>(facts: impl Iterator<Item = &'a CountedFact<'a>>) -> Result<Option<CapturedTotal>, MoneyError> {
    let mut contradictory = false;
    let mut movements: BTreeMap<(FactSource, &str), Money> = BTreeMap::new();
    for fact in facts {
        let known = movements.entry((fact.source(), &fact.movement)).or_insert(fact.amount.into());
        contradictory |= *known != *fact.amount;
        *known = known.smaller(fact.amount.into())?;
    }
    let mut sources: BTreeMap<FactSource, Money> = BTreeMap::new();
    for ((source, _), amount) in movements {
        let sum = sources.get(&source).map_or(Ok(amount), |sum| sum.checked_add(amount))?;
        sources.insert(source, sum);
    }
    let mut agreed: Option<Money> = None;
    for sum in sources.into_values() {
        contradictory |= agreed.is_some_and(|agreed| agreed != sum);
        agreed = Some(agreed.map_or(Ok(sum), |agreed| agreed.smaller(sum))?);
    }
    Ok(agreed.map(|amount| CapturedTotal { amount, contradictory }))
}

/// Outflows, in the currency of the payment.
#[derive(Clone, Copy)]
struct OutflowTotals {
    in_all: Money,
    by_refunds: Money,
    goodwill: Money,
    from_credit: Money,
    unexplained: Money,
}

impl OutflowTotals {
    /// Refunds that we requested have our own ids in every report, and add up. For each other kind of outflow, the
    /// largest sum of any one source counts, so that money that is gone is not spent.
    fn sum(
        ordered: &[&CountedFact<'_>],
        refunds: &[ReportedRefund],
        terms: &RefundTermsByMovement,
        disputes: &[Dispute],
        currency: Currency,
    ) -> Result<Self, MoneyError> {
        let is_gone = |fact: &CountedFact<'_>| match fact.kind {
            _ if fact.amount.currency() != currency => false,
            FactKind::Reversal => true,
            FactKind::Refund => refunds.iter().any(|refund| refund.movement == fact.movement && !refund.failed),
            FactKind::DisputeLost => disputes.iter().any(|of| of.movement == fact.movement && of.is_lost()),
            _ => false,
        };
        let gone: Vec<&CountedFact<'_>> = ordered.iter().copied().filter(|fact| is_gone(fact)).collect();
        let refunded_as = |wanted: &dyn Fn(RefundTerms) -> bool| {
            let is_wanted =
                |fact: &&&CountedFact<'_>| fact.kind == FactKind::Refund && wanted(terms.get(&fact.movement));
            sum_of_sources(gone.iter().filter(is_wanted).copied(), currency)
        };
        let by_refunds = refunded_as(&|_| true)?;
        // If sources give one refund different ids, a part must still not exceed the whole.
        let goodwill = refunded_as(&|terms| terms.effect() == RefundEffect::Goodwill)?.smaller(by_refunds)?;
        let rest = by_refunds.checked_sub(goodwill)?;
        let from_credit = refunded_as(&|terms| terms.effect() == RefundEffect::TakesCredit)?.smaller(rest)?;
        let unexplained = refunded_as(&|terms| terms.is_unexplained())?.smaller(from_credit)?;
        let in_all = sum_of_sources(gone.iter().copied(), currency)?;
        Ok(Self { in_all, by_refunds, goodwill, from_credit, unexplained })
    }
}

/// The sum of facts about outflows.
fn sum_of_sources<'a>(
    facts: impl Iterator<Item = &'a CountedFact<'a>>,
    currency: Currency,
) -> Result<Money, MoneyError> {
    let source = |fact: &CountedFact<'_>| fact.movement.parse::<RefundId>().is_err().then(|| fact.source());
    let mut movements: BTreeMap<(FactKind, Option<FactSource>, &str), Money> = BTreeMap::new();
    for fact in facts {
        let known = movements.entry((fact.kind, source(fact), &fact.movement)).or_insert(fact.amount.into());
        *known = known.larger(fact.amount.into())?;
    }
    let mut sources: BTreeMap<(FactKind, Option<FactSource>), Money> = BTreeMap::new();
    for ((kind, source, _), amount) in movements {
        let sum = sources.get(&(kind, source)).map_or(Ok(amount), |sum| sum.checked_add(amount))?;
        sources.insert((kind, source), sum);
    }
    let mut kinds: BTreeMap<(FactKind, bool), Money> = BTreeMap::new();
    for ((kind, source), sum) in sources {
        let key = (kind, source.is_some());
        let larger = kinds.get(&key).map_or(Ok(sum), |known| known.larger(sum))?;
        kinds.insert(key, larger);
    }
    kinds.into_values().try_fold(Money::zero(currency), Money::checked_add)
}

/// Whether proofs of the highest rank name different invoices: two payments may share one transaction id.
fn is_split(ordered: &[&CountedFact<'_>]) -> bool {
    let naming = || ordered.iter().filter(|fact| fact.kind.proves_money() && !fact.invoices.is_empty());
    let best = naming().filter_map(|fact| fact.kind.rank()).max();
    let mut named = naming().filter(|fact| fact.kind.rank() == best).map(|fact| &fact.invoices);
    named.next().is_some_and(|first| named.any(|other| other != first))
}

fn proven_as(ordered: &[&CountedFact<'_>]) -> Option<TransactionId> {
    let names =
        || ordered.iter().filter(|fact| fact.kind.proves_money()).filter_map(|fact| fact.transaction_id.as_ref());
    names().find(|name| !name.provider().is_manual()).or_else(|| names().next()).cloned()
}

/// The invoices that the money is for: those that the best evidence names. A charge of ours for an invoice is for that
/// invoice, whatever is claimed. If only claims name invoices, they must all name the same ones and, once money is
/// proven, one of the claims must have its exact amount: somebody who claims another client's payment for their own
/// invoice leaves it unassigned, for staff to decide.
fn named_invoices(ordered: &[&CountedFact<'_>], captured: Option<Money>) -> Vec<InvoiceId> {
    let naming = || ordered.iter().filter(|fact| !fact.invoices.is_empty());
    let Some(best) = naming().filter_map(|fact| fact.kind.rank()).max() else { return Vec::new() };
    let mut named = naming().filter(|fact| fact.kind.rank() == Some(best));
    let Some(first) = named.next() else { return Vec::new() };
    if best > EvidenceRank::Claimed {
        return first.invoices.clone();
    }
    if let Some(initiation) = naming().find(|fact| fact.kind == FactKind::Initiation) {
        return initiation.invoices.clone();
    }
    let is_unanimous = named.all(|fact| fact.invoices == first.invoices);
    let fits =
        captured.is_none_or(|amount| naming().any(|fact| fact.kind == FactKind::Claim && *fact.amount == amount));
    if is_unanimous && fits { first.invoices.clone() } else { Vec::new() }
}

#[cfg(test)]
mod tests;
