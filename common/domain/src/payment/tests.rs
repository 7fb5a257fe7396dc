mod counted;

use proptest::prelude::*;
use uuid::Uuid;

use chrono::DateTime;

use super::*;
use crate::fact::{EvidenceChannel, FactKind};
use crate::id::PaymentId;

fn state(facts: &[Fact]) -> PaymentState {
    PaymentState::from_facts(facts).unwrap()
}

fn status(facts: &[Fact]) -> PaymentStatus {
    state(facts).status
}

fn fact(kind: FactKind, value: &str, channel: EvidenceChannel, movement: &str, at: i64) -> Fact {
    Fact {
        kind,
        amount: Some(Money::parse(value, "EUR").and_then(Money::positive).unwrap()),
        channel,
        transaction_id: None,
        origin: None,
        event_id: format!("{channel}-{movement}-{kind}-{value}-{at}"),
        movement: movement.to_owned(),
        invoices: Vec::new(),
        occurred_at: DateTime::from_timestamp(at, 0).unwrap(),
    }
}

fn captured(facts: &[Fact]) -> Option<String> {
    state(facts).captured.map(|money| money.amount().to_string())
}

#[test]
fn a_claim_alone_confirms_nothing() {
    let state = state(&[fact(FactKind::Claim, "100", EvidenceChannel::Api, "t", 1)]);
    assert_eq!((state.status, state.captured), (PaymentStatus::Pending, None));
    assert_eq!(state.claimed, Some(Money::parse("100", "EUR").unwrap()));
}

#[test]
fn separate_captures_add_up_and_messages_about_one_capture_do_not() {
    let captures = [
        fact(FactKind::Capture, "40", EvidenceChannel::Gateway, "ch_1", 1),
        fact(FactKind::Capture, "60", EvidenceChannel::Gateway, "ch_2", 2),
    ];
    assert_eq!(captured(&captures).as_deref(), Some("100.00"));
    let repeated = [
        fact(FactKind::Capture, "40", EvidenceChannel::Gateway, "ch_1", 1),
        fact(FactKind::Capture, "40", EvidenceChannel::Gateway, "ch_1", 9),
    ];
    assert_eq!(captured(&repeated).as_deref(), Some("40.00"));
}

#[test]
fn a_debit_that_is_tried_again_after_it_went_back_counts_as_often_as_it_came_in_the_end() {
    use FactKind::{Capture, Failure, Reversal};
    let reported = |kinds: &[FactKind]| -> Vec<Fact> {
        let at = |(at, kind): (usize, &FactKind)| {
            fact(*kind, "100", EvidenceChannel::Gateway, "PM1", i64::try_from(at).unwrap())
        };
        kinds.iter().enumerate().map(at).collect()
    };
    for (kinds, expected, net) in [
        (vec![Failure, Reversal, Capture], PaymentStatus::Confirmed, "100.00"),
        (vec![Capture, Failure, Reversal], PaymentStatus::Reversed, "0.00"),
        (vec![Capture, Failure, Reversal, Capture], PaymentStatus::Confirmed, "100.00"),
        (vec![Capture, Failure, Reversal, Capture, Failure, Reversal], PaymentStatus::Reversed, "0.00"),
    ] {
        let mut facts = reported(&kinds);
        for _ in 0..facts.len() {
            facts.rotate_left(1);
            for order in [facts.clone(), facts.iter().rev().cloned().collect()] {
                let state = state(&order);
                let left = state.net().unwrap().unwrap().amount().to_string();
                assert_eq!((state.status, left.as_str()), (expected, net), "{kinds:?}");
            }
        }
    }
    // Of two messages of the same time, the outflow counts, so that the money is not spent.
    let at_once = [
        fact(Capture, "100", EvidenceChannel::Gateway, "PM1", 1),
        fact(Reversal, "100", EvidenceChannel::Gateway, "PM1", 1),
    ];
    assert_eq!(status(&at_once), PaymentStatus::Reversed);
    // The same movement id from another source is another movement.
    let other = [
        fact(Reversal, "100", EvidenceChannel::Bank, "PM1", 1),
        fact(Capture, "100", EvidenceChannel::Gateway, "PM1", 2),
    ];
    assert_eq!(status(&other), PaymentStatus::Reversed);
}

#[test]
fn two_channels_that_report_one_payment_do_not_add_up() {
    let facts = [
        fact(FactKind::Settlement, "100", EvidenceChannel::Api, "t", 1),
        fact(FactKind::Settlement, "100", EvidenceChannel::Bank, "line-7", 2),
    ];
    assert_eq!(captured(&facts).as_deref(), Some("100.00"));
    assert!(!state(&facts).contradictory);
}

#[test]
fn witnesses_who_disagree_settle_the_lower_amount_and_are_flagged() {
    let facts = [
        fact(FactKind::Settlement, "100", EvidenceChannel::Api, "t", 1),
        fact(FactKind::Settlement, "90", EvidenceChannel::Bank, "line-7", 2),
    ];
    assert_eq!(captured(&facts).as_deref(), Some("90.00"));
    assert!(state(&facts).contradictory);
}

#[test]
fn a_higher_rank_replaces_the_amount_of_a_lower_one() {
    let facts = [
        fact(FactKind::Claim, "100", EvidenceChannel::Api, "t", 1),
        fact(FactKind::Capture, "90", EvidenceChannel::Gateway, "ch", 2),
    ];
    assert_eq!(captured(&facts).as_deref(), Some("90.00"));
}

fn naming(mut fact: Fact, invoice: u128) -> Fact {
    fact.invoices = vec![InvoiceId::from_uuid(Uuid::from_u128(invoice))];
    fact
}

#[test]
fn a_claim_leads_money_to_its_invoice_only_if_the_amount_fits_and_no_other_claim_disagrees() {
    let claim = naming(fact(FactKind::Claim, "100", EvidenceChannel::Api, "t", 1), 1);
    let bank = fact(FactKind::Capture, "100", EvidenceChannel::Bank, "b", 2);
    assert_eq!(state(&[claim.clone(), bank.clone()]).invoices, claim.invoices);
    let small = naming(fact(FactKind::Claim, "0.01", EvidenceChannel::Api, "t", 1), 1);
    assert_eq!(state(&[small, bank.clone()]).invoices, []);
    let foreign = naming(fact(FactKind::Claim, "100", EvidenceChannel::Confirmation, "t", 0), 2);
    assert_eq!(state(&[claim.clone(), foreign.clone()]).invoices, []);
    assert_eq!(state(&[claim.clone(), foreign, bank]).invoices, []);
    let bank = naming(fact(FactKind::Capture, "100", EvidenceChannel::Bank, "b", 2), 3);
    assert_eq!(state(&[claim, bank.clone()]).invoices, bank.invoices);
}

#[test]
fn a_failure_loses_against_money_that_moved() {
    let failure = fact(FactKind::Failure, "100", EvidenceChannel::Gateway, "pi", 5);
    assert_eq!(state(std::slice::from_ref(&failure)).status, PaymentStatus::Failed);
    let facts = [failure, fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 2)];
    assert_eq!(state(&facts).status, PaymentStatus::Confirmed);
}

#[test]
fn without_proof_the_gateways_latest_report_counts_and_at_one_time_the_stronger() {
    let gateway = |kind, at| fact(kind, "100", EvidenceChannel::Gateway, "pi", at);
    let failed = [gateway(FactKind::Failure, 1)];
    assert_eq!(status(&failed), PaymentStatus::Failed);
    // The payer retries with another card.
    let again = [gateway(FactKind::Failure, 1), gateway(FactKind::Authorisation, 2)];
    assert_eq!(status(&again), PaymentStatus::Pending);
    let tie = [gateway(FactKind::Authorisation, 1), gateway(FactKind::Failure, 1), gateway(FactKind::Unknown, 1)];
    assert_eq!(status(&tie), PaymentStatus::Failed);
    assert_eq!(status(&[gateway(FactKind::Unknown, 1)]), PaymentStatus::Unknown);
    assert_eq!(status(&[gateway(FactKind::Expiry, 1)]), PaymentStatus::Expired);
    // A client's claim does not revive a failed payment.
    let claimed = [gateway(FactKind::Failure, 1), fact(FactKind::Claim, "100", EvidenceChannel::Api, "t", 9)];
    assert_eq!(status(&claimed), PaymentStatus::Failed);
}

#[test]
fn an_authorisation_that_comes_after_its_capture_changes_nothing() {
    let capture = fact(FactKind::Capture, "90", EvidenceChannel::Gateway, "pi", 1);
    for at in [0, 1, 2] {
        let late = fact(FactKind::Authorisation, "100", EvidenceChannel::Gateway, "pi", at);
        let state = state(&[capture.clone(), late]);
        assert_eq!((state.status, state.captured), (PaymentStatus::Confirmed, capture.amount.map(Money::from)));
    }
}

#[test]
fn what_went_back_decides_what_is_left_and_what_it_is_called() {
    let paid = fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 1);
    let back = |kind, value: &str, movement: &str| fact(kind, value, EvidenceChannel::Gateway, movement, 5);
    let cases = [
        (vec![back(FactKind::Refund, "40", "r1")], PaymentStatus::PartiallyRefunded, "60.00"),
        (vec![back(FactKind::Refund, "40", "r1"), back(FactKind::Refund, "60", "r2")], PaymentStatus::Refunded, "0.00"),
        (
            vec![back(FactKind::Refund, "40", "r1"), back(FactKind::RefundFailure, "40", "r1")],
            PaymentStatus::Confirmed,
            "100.00",
        ),
        (vec![back(FactKind::Reversal, "100", "v1")], PaymentStatus::Reversed, "0.00"),
        (vec![back(FactKind::Dispute, "100", "d1")], PaymentStatus::Disputed, "100.00"),
        (vec![back(FactKind::DisputeLost, "100", "d1")], PaymentStatus::Reversed, "0.00"),
        (
            vec![back(FactKind::Dispute, "100", "d1"), back(FactKind::DisputeWon, "100", "d1")],
            PaymentStatus::Confirmed,
            "100.00",
        ),
        // A chargeback after a refund takes money that has already gone back.
        (
            vec![back(FactKind::Refund, "100", "r1"), back(FactKind::DisputeLost, "100", "d1")],
            PaymentStatus::Reversed,
            "-100.00",
        ),
    ];
    for (returned, status, left) in cases {
        let facts = [vec![paid.clone()], returned].concat();
        let state = state(&facts);
        let net = state.net().unwrap().unwrap();
        assert_eq!((state.status, net.amount().to_string().as_str()), (status, left), "{facts:?}");
    }
}

#[test]
fn a_refund_that_comes_before_its_capture_counts_when_the_capture_comes() {
    let refund = fact(FactKind::Refund, "40", EvidenceChannel::Gateway, "r1", 0);
    assert_eq!(state(std::slice::from_ref(&refund)).net(), Ok(None));
    let facts = [refund, fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 1)];
    assert_eq!(state(&facts).net().unwrap().unwrap().amount().to_string(), "60.00");
}

#[test]
fn two_channels_that_report_one_refund_do_not_add_up_and_two_refunds_do() {
    let facts = [
        fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 1),
        fact(FactKind::Refund, "30", EvidenceChannel::Gateway, "r1", 2),
        fact(FactKind::Refund, "30", EvidenceChannel::Gateway, "r2", 3),
        fact(FactKind::Refund, "60", EvidenceChannel::Bank, "line-9", 4),
    ];
    assert_eq!(state(&facts).returned, Some(Money::parse("60", "EUR").unwrap()));
}

#[test]
fn a_merged_duplicate_reports_the_same_money_even_through_the_same_channel() {
    let own = fact(FactKind::Settlement, "100", EvidenceChannel::Api, "t-1", 1);
    let mut duplicates = fact(FactKind::Settlement, "100", EvidenceChannel::Api, "t-2", 2);
    assert_eq!(captured(&[own.clone(), duplicates.clone()]).as_deref(), Some("200.00"));
    duplicates.origin = Some(PaymentId::from_uuid(Uuid::from_u128(9)));
    assert_eq!(captured(&[own, duplicates]).as_deref(), Some("100.00"));
}

#[test]
fn requested_refunds_add_up_whichever_channel_reports_them() {
    let (one, other) = ("ref_00000000000000000000000000000001", "ref_00000000000000000000000000000002");
    let facts = [
        fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 1),
        fact(FactKind::Refund, "60", EvidenceChannel::Gateway, one, 2),
        fact(FactKind::Refund, "60", EvidenceChannel::Api, one, 3),
        fact(FactKind::Refund, "40", EvidenceChannel::Api, other, 4),
    ];
    assert_eq!(state(&facts).returned, Some(Money::parse("100", "EUR").unwrap()));
}

#[test]
fn proofs_that_name_different_invoices_are_flagged() {
    let first = naming(fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "c1", 1), 1);
    let second = naming(fact(FactKind::Capture, "50", EvidenceChannel::Gateway, "c2", 2), 2);
    assert!(state(&[first.clone(), second.clone()]).contradictory);
    let better = naming(fact(FactKind::Settlement, "100", EvidenceChannel::Gateway, "c1", 3), 2);
    assert!(!state(&[first, better]).contradictory);
}

#[test]
fn proofs_of_different_ranks_that_differ_and_of_different_currencies_are_flagged() {
    let captured = fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi", 1);
    let settled = fact(FactKind::Settlement, "40", EvidenceChannel::Bank, "line", 2);
    let both = state(&[captured.clone(), settled]);
    assert_eq!((both.captured, both.contradictory), (Some(Money::parse("40", "EUR").unwrap()), true));
    let mut dollars = fact(FactKind::Settlement, "110", EvidenceChannel::Bank, "line", 2);
    dollars.amount = Some(Money::parse("110", "USD").and_then(Money::positive).unwrap());
    let both = state(&[captured.clone(), dollars]);
    assert_eq!((both.captured, both.contradictory), (captured.amount.map(Money::from), true));
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let kinds = FactKind::ALL;
    let channels =
        [EvidenceChannel::Api, EvidenceChannel::Gateway, EvidenceChannel::Confirmation, EvidenceChannel::Bank];
    (0..kinds.len(), 0..channels.len(), 1..500_i64, 0..3_u32, 0..4_i64, any::<bool>(), 0..3_u128).prop_map(
        move |(kind, channel, cents, movement, at, euro, invoice)| {
            let currency = if euro { "EUR" } else { "USD" };
            let mut fact = fact(kinds[kind], "1", channels[channel], &format!("m{movement}"), at);
            let amount = Money::from_minor_units(cents, currency.parse().unwrap());
            fact.amount = Some(amount.and_then(Money::positive).unwrap());
            fact.event_id = format!("{kind}{cents}{movement}{at}{euro}{invoice}");
            fact.invoices = (invoice > 0).then(|| InvoiceId::from_uuid(Uuid::from_u128(invoice))).into_iter().collect();
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
        prop_assert_eq!(state(&facts), state(&shuffled));
    }
}
