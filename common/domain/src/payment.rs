//! What evidence of a payment adds up to.
//!
//! Facts are only ever added. Status and amount are pure functions of the set of facts, so late, repeated and
//! reordered evidence ends in the same state.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::InvoiceId;
use crate::money::Money;

/// How much a piece of evidence proves, weakest first. An invoice is paid from [`Rank::Captured`] up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// A client says so.
    Claimed,
    /// The gateway holds the money for us.
    Authorised,
    /// The gateway took the money, or staff imported a bank statement that shows it.
    Captured,
    /// The money is in our account: a signed bank feed, or a machine client trusted to say so.
    Settled,
}

/// Which way evidence came. Two doors that speak of the same payment are witnesses, not two sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The HTTP API.
    Api,
    /// A verified message of a payment gateway.
    Gateway,
    /// A file of payment confirmations.
    Confirmation,
    /// A bank statement.
    Bank,
}

/// What a fact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// [`Rank::Claimed`].
    Claim,
    /// [`Rank::Authorised`].
    Authorisation,
    /// [`Rank::Captured`].
    Capture,
    /// [`Rank::Settled`].
    Settlement,
    /// The gateway says that the payment did not happen.
    Failure,
}

impl FactKind {
    /// What the fact proves; a failure proves no money.
    #[must_use]
    pub const fn rank(self) -> Option<Rank> {
        match self {
            Self::Claim => Some(Rank::Claimed),
            Self::Authorisation => Some(Rank::Authorised),
            Self::Capture => Some(Rank::Captured),
            Self::Settlement => Some(Rank::Settled),
            Self::Failure => None,
        }
    }
}

/// The text names nothing of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not known here")]
pub struct UnknownName(String);

macro_rules! stored_name {
    ($kind:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $kind {
            /// The name used in the database and the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(UnknownName(text.to_owned())),
                }
            }
        }
    };
}

stored_name!(Door { Api => "api", Gateway => "gateway", Confirmation => "confirmation", Bank => "bank" });
stored_name!(FactKind {
    Claim => "claim",
    Authorisation => "authorisation",
    Capture => "capture",
    Settlement => "settlement",
    Failure => "failure",
});

/// One thing that one source said about a payment. Unique by `(door, event_id)`, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it tells.
    pub kind: FactKind,
    /// Of how much money.
    pub amount: Money,
    /// Which way it came.
    pub door: Door,
    /// The source's own name of this message.
    pub event_id: String,
    /// The movement of money it speaks of: two messages with one movement do not add up, two movements do.
    pub movement: String,
    /// The invoice it names.
    pub invoice_id: Option<InvoiceId>,
    /// When the source says that it happened.
    pub occurred_at: DateTime<Utc>,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Said or authorised, not proven.
    Pending,
    /// The money moved.
    Confirmed,
    /// The gateway says it did not happen, and nothing proves otherwise.
    Failed,
}

stored_name!(PaymentStatus { Pending => "pending", Confirmed => "confirmed", Failed => "failed" });

/// What the facts of one payment add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentState {
    /// Where the payment stands.
    pub status: PaymentStatus,
    /// The highest rank of evidence.
    pub rank: Option<Rank>,
    /// Money proven at [`Rank::Captured`] or above.
    pub confirmed: Option<Money>,
    /// Money said to have been paid, when nothing better is known.
    pub claimed: Option<Money>,
    /// The invoice that the money is for, if the evidence agrees on one.
    pub invoice_id: Option<InvoiceId>,
    /// Sources of the same rank disagree about the amount; the lower one counts.
    pub contradictory: bool,
    /// When the money moved, or was first said to move.
    pub occurred_at: Option<DateTime<Utc>>,
}

impl PaymentState {
    /// Adds up facts, in whatever order they are given.
    #[must_use]
    pub fn of(facts: &[Fact]) -> Self {
        let mut ordered: Vec<&Fact> = facts.iter().collect();
        ordered.sort_by(|left, right| {
            (left.occurred_at, left.door, &left.event_id).cmp(&(right.occurred_at, right.door, &right.event_id))
        });
        let rank = ordered.iter().filter_map(|fact| fact.kind.rank()).max();
        let at_rank = |wanted: Rank| ordered.iter().copied().filter(move |fact| fact.kind.rank() == Some(wanted));
        let confirmed_rank = rank.filter(|rank| *rank >= Rank::Captured);
        let confirmed = confirmed_rank.map(|rank| agreed_amount(at_rank(rank)));
        let status = match (confirmed_rank, ordered.iter().any(|fact| fact.kind == FactKind::Failure)) {
            (Some(_), _) => PaymentStatus::Confirmed,
            (None, true) => PaymentStatus::Failed,
            (None, false) => PaymentStatus::Pending,
        };
        Self {
            status,
            rank,
            confirmed: confirmed.and_then(|agreed| agreed.amount),
            claimed: at_rank(Rank::Claimed).map(|fact| fact.amount).next(),
            invoice_id: named_invoice(&ordered, confirmed.and_then(|agreed| agreed.amount)),
            contradictory: confirmed.is_some_and(|agreed| agreed.contradictory),
            occurred_at: rank.and_then(|rank| at_rank(rank).map(|fact| fact.occurred_at).next()),
        }
    }
}

#[derive(Clone, Copy)]
struct Agreed {
    amount: Option<Money>,
    contradictory: bool,
}

/// What witnesses of one rank agree on: movements add up within a door; between messages about one movement, and
/// between doors, the lower amount counts. The currency is the earliest fact's.
fn agreed_amount<'a>(facts: impl Iterator<Item = &'a Fact>) -> Agreed {
    let mut contradictory = false;
    let mut movements: BTreeMap<(Door, &str), Money> = BTreeMap::new();
    let mut currency = None;
    for fact in facts {
        if *currency.get_or_insert(fact.amount.currency()) != fact.amount.currency() {
            contradictory = true;
            continue;
        }
        let known = movements.entry((fact.door, &fact.movement)).or_insert(fact.amount);
        if *known != fact.amount {
            contradictory = true;
            *known = known.smaller(fact.amount).unwrap_or(*known);
        }
    }
    let mut doors: BTreeMap<Door, Money> = BTreeMap::new();
    for ((door, _), amount) in movements {
        let sum = doors.get(&door).map_or(Ok(amount), |sum| sum.checked_add(amount));
        match sum {
            Ok(sum) => drop(doors.insert(door, sum)),
            Err(_) => contradictory = true,
        }
    }
    let amount = doors.into_values().reduce(|left, right| {
        contradictory |= left != right;
        left.smaller(right).unwrap_or(left)
    });
    Agreed { amount, contradictory }
}

/// The invoice that the money is for: the one that the best evidence names. Where only claims name one, they must all
/// name the same and, once money is proven, one of them its exact amount: whoever claims a foreign payment for an
/// invoice of its own makes it nobody's, for staff to decide.
fn named_invoice(ordered: &[&Fact], confirmed: Option<Money>) -> Option<InvoiceId> {
    let naming = || ordered.iter().filter(|fact| fact.invoice_id.is_some());
    let best = naming().filter_map(|fact| fact.kind.rank()).max()?;
    let mut named = naming().filter(|fact| fact.kind.rank() == Some(best));
    let first = named.next()?;
    if best > Rank::Claimed {
        return first.invoice_id;
    }
    let is_unanimous = named.all(|fact| fact.invoice_id == first.invoice_id);
    let fits =
        confirmed.is_none_or(|amount| naming().any(|fact| fact.kind == FactKind::Claim && fact.amount == amount));
    if is_unanimous && fits { first.invoice_id } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn fact(kind: FactKind, value: &str, door: Door, movement: &str, at: i64) -> Fact {
        Fact {
            kind,
            amount: Money::parse(value, "EUR").unwrap(),
            door,
            event_id: format!("{door}-{movement}-{kind}-{value}-{at}"),
            movement: movement.to_owned(),
            invoice_id: None,
            occurred_at: DateTime::from_timestamp(at, 0).unwrap(),
        }
    }

    fn confirmed(facts: &[Fact]) -> Option<String> {
        PaymentState::of(facts).confirmed.map(|money| money.amount().to_string())
    }

    #[test]
    fn a_claim_alone_confirms_nothing() {
        let state = PaymentState::of(&[fact(FactKind::Claim, "100", Door::Api, "t", 1)]);
        assert_eq!((state.status, state.confirmed), (PaymentStatus::Pending, None));
        assert_eq!(state.claimed, Some(Money::parse("100", "EUR").unwrap()));
    }

    #[test]
    fn separate_captures_add_up_and_messages_about_one_capture_do_not() {
        let captures = [
            fact(FactKind::Capture, "40", Door::Gateway, "ch_1", 1),
            fact(FactKind::Capture, "60", Door::Gateway, "ch_2", 2),
        ];
        assert_eq!(confirmed(&captures).as_deref(), Some("100.00"));
        let repeated = [
            fact(FactKind::Capture, "40", Door::Gateway, "ch_1", 1),
            fact(FactKind::Capture, "40", Door::Gateway, "ch_1", 9),
        ];
        assert_eq!(confirmed(&repeated).as_deref(), Some("40.00"));
    }

    #[test]
    fn two_doors_that_see_one_payment_are_witnesses_not_two_sums() {
        let facts = [
            fact(FactKind::Settlement, "100", Door::Api, "t", 1),
            fact(FactKind::Settlement, "100", Door::Bank, "line-7", 2),
        ];
        assert_eq!(confirmed(&facts).as_deref(), Some("100.00"));
        assert!(!PaymentState::of(&facts).contradictory);
    }

    #[test]
    fn witnesses_who_disagree_settle_the_lower_amount_and_are_flagged() {
        let facts = [
            fact(FactKind::Settlement, "100", Door::Api, "t", 1),
            fact(FactKind::Settlement, "90", Door::Bank, "line-7", 2),
        ];
        assert_eq!(confirmed(&facts).as_deref(), Some("90.00"));
        assert!(PaymentState::of(&facts).contradictory);
    }

    #[test]
    fn a_higher_rank_replaces_the_amount_of_a_lower_one() {
        let facts =
            [fact(FactKind::Claim, "100", Door::Api, "t", 1), fact(FactKind::Capture, "90", Door::Gateway, "ch", 2)];
        assert_eq!(confirmed(&facts).as_deref(), Some("90.00"));
    }

    fn naming(mut fact: Fact, invoice: u128) -> Fact {
        fact.invoice_id = Some(InvoiceId::from_uuid(Uuid::from_u128(invoice)));
        fact
    }

    #[test]
    fn a_claim_leads_money_to_its_invoice_only_if_the_amount_fits_and_no_other_claim_disagrees() {
        let claim = naming(fact(FactKind::Claim, "100", Door::Api, "t", 1), 1);
        let bank = fact(FactKind::Capture, "100", Door::Bank, "b", 2);
        assert_eq!(PaymentState::of(&[claim.clone(), bank.clone()]).invoice_id, claim.invoice_id);
        let small = naming(fact(FactKind::Claim, "0.01", Door::Api, "t", 1), 1);
        assert_eq!(PaymentState::of(&[small, bank.clone()]).invoice_id, None);
        let foreign = naming(fact(FactKind::Claim, "100", Door::Confirmation, "t", 0), 2);
        assert_eq!(PaymentState::of(&[claim.clone(), foreign.clone()]).invoice_id, None);
        assert_eq!(PaymentState::of(&[claim.clone(), foreign, bank]).invoice_id, None);
        let bank = naming(fact(FactKind::Capture, "100", Door::Bank, "b", 2), 3);
        assert_eq!(PaymentState::of(&[claim, bank.clone()]).invoice_id, bank.invoice_id);
    }

    #[test]
    fn a_failure_loses_against_money_that_moved() {
        let failure = fact(FactKind::Failure, "100", Door::Gateway, "pi", 5);
        assert_eq!(PaymentState::of(std::slice::from_ref(&failure)).status, PaymentStatus::Failed);
        let facts = [failure, fact(FactKind::Capture, "100", Door::Gateway, "pi", 2)];
        assert_eq!(PaymentState::of(&facts).status, PaymentStatus::Confirmed);
    }

    fn any_fact() -> impl Strategy<Value = Fact> {
        let kinds =
            [FactKind::Claim, FactKind::Authorisation, FactKind::Capture, FactKind::Settlement, FactKind::Failure];
        let doors = [Door::Api, Door::Gateway, Door::Confirmation, Door::Bank];
        (0..kinds.len(), 0..doors.len(), 1..500_i64, 0..3_u32, 0..4_i64, any::<bool>(), 0..3_u128).prop_map(
            move |(kind, door, cents, movement, at, euro, invoice)| {
                let currency = if euro { "EUR" } else { "USD" };
                let mut fact = fact(kinds[kind], "1", doors[door], &format!("m{movement}"), at);
                fact.amount = Money::from_minor_units(cents, currency.parse().unwrap()).unwrap();
                fact.event_id = format!("{kind}{cents}{movement}{at}{euro}{invoice}");
                fact.invoice_id = (invoice > 0).then(|| InvoiceId::from_uuid(Uuid::from_u128(invoice)));
                fact
            },
        )
    }

    proptest! {
        #[test]
        fn the_state_is_the_same_for_every_order_and_repetition(
            (facts, shuffled) in proptest::collection::vec(any_fact(), 0..7)
                .prop_flat_map(|facts| (Just(facts.clone()), Just([facts.clone(), facts].concat()).prop_shuffle()))
        ) {
            prop_assert_eq!(PaymentState::of(&facts), PaymentState::of(&shuffled));
        }
    }
}
