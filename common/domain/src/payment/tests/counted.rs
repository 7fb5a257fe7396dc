//! Tests of facts that only have a meaning together with others of the same source, and of refunds by their reasons.

use super::*;
use crate::refund_reason::RefundReason;

fn of_authorisation(fact: Fact) -> Fact {
    Fact { transaction_id: Some("adyen:AUTH1".parse().unwrap()), ..fact }
}

/// The state of a few facts, checked to be the same in every order.
fn in_any_order(facts: &[Fact]) -> PaymentState {
    let expected = state(facts);
    let mut reversed = facts.to_vec();
    reversed.reverse();
    for turn in 0..facts.len() {
        let mut turned = facts.to_vec();
        turned.rotate_left(turn);
        assert_eq!(state(&turned), expected);
        reversed.rotate_left(1);
        assert_eq!(state(&reversed), expected);
    }
    expected
}

#[test]
fn partial_captures_take_the_place_of_the_authorisation_that_implied_one_and_add_up() {
    let at = |kind, value, movement, at| of_authorisation(fact(kind, value, EvidenceChannel::Gateway, movement, at));
    let mut authorised = at(FactKind::ImpliedCapture, "1000", "AUTH1", 1);
    authorised.invoices = vec![InvoiceId::from_uuid(Uuid::from_u128(1))];
    let (first, second) = (at(FactKind::Capture, "600", "CAP1", 2), at(FactKind::Capture, "400", "CAP2", 3));
    assert_eq!(captured(std::slice::from_ref(&authorised)).as_deref(), Some("1000.00"));
    assert_eq!(captured(&[authorised.clone(), first.clone()]).as_deref(), Some("600.00"));
    let all = in_any_order(&[authorised.clone(), first.clone(), second.clone()]);
    assert_eq!((all.captured.unwrap().to_string().as_str(), all.contradictory), ("1000.00 EUR", false));
    assert_eq!(all.invoices, authorised.invoices, "the authorisation still names the invoice");
    let failed = at(FactKind::Failure, "400", "CAP3", 4);
    assert_eq!(
        in_any_order(&[authorised.clone(), first, failed.clone()]).net().unwrap().unwrap().to_string(),
        "600.00 EUR"
    );
    let nothing = in_any_order(&[authorised, failed]);
    assert_eq!((nothing.status, nothing.net().unwrap().unwrap().is_zero()), (PaymentStatus::Reversed, true));
}

#[test]
fn a_cancellation_without_amount_takes_back_the_whole_authorisation_and_nothing_that_was_captured() {
    let at = |kind, value, movement, at| of_authorisation(fact(kind, value, EvidenceChannel::Gateway, movement, at));
    let authorised = at(FactKind::ImpliedCapture, "100", "AUTH1", 5);
    let cancelled = Fact { amount: None, ..at(FactKind::Cancellation, "1", "AUTH1", 4) };
    let state = in_any_order(&[authorised.clone(), cancelled.clone()]);
    assert_eq!((state.status, state.net().unwrap().unwrap().is_zero()), (PaymentStatus::Reversed, true));
    let captured = at(FactKind::Capture, "60", "CAP1", 6);
    let state = in_any_order(&[authorised, captured, cancelled.clone()]);
    assert_eq!(state.net().unwrap().unwrap().to_string(), "60.00 EUR", "the rest was released");
    assert_eq!(status(&[cancelled]), PaymentStatus::Pending, "what it cancels may still come");
}

#[test]
fn of_running_totals_the_largest_counts_until_the_last_capture_says_how_much_it_was() {
    let total = |value, at| fact(FactKind::PartialCapture, value, EvidenceChannel::Gateway, "pi_1", at);
    let (first, second) = (total("600", 1), total("900", 2));
    let state = in_any_order(&[first.clone(), second.clone(), total("900", 9)]);
    assert_eq!((state.captured.unwrap().to_string().as_str(), state.contradictory), ("900.00 EUR", false));
    let last = fact(FactKind::Capture, "1000", EvidenceChannel::Gateway, "pi_1", 3);
    let state = in_any_order(&[first, second, last]);
    assert_eq!((state.captured.unwrap().to_string().as_str(), state.contradictory), ("1000.00 EUR", false));
}

#[test]
fn what_is_given_back_of_a_lost_dispute_is_not_lost() {
    let of_dispute = |kind, value, at| fact(kind, value, EvidenceChannel::Gateway, "dp_1", at);
    let captured = fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "pi_1", 1);
    let lost = of_dispute(FactKind::DisputeLost, "100", 3);
    let opened = of_dispute(FactKind::Dispute, "100", 2);
    let state = in_any_order(&[
        captured.clone(),
        opened.clone(),
        lost.clone(),
        of_dispute(FactKind::DisputeReinstatement, "40", 4),
    ]);
    assert_eq!(
        (state.net().unwrap().unwrap().to_string().as_str(), state.status),
        ("40.00 EUR", PaymentStatus::PartiallyRefunded)
    );
    let all = in_any_order(&[captured, opened, lost, of_dispute(FactKind::DisputeReinstatement, "100", 4)]);
    assert_eq!(
        (all.net().unwrap().unwrap().to_string().as_str(), all.status),
        ("100.00 EUR", PaymentStatus::Confirmed)
    );
}

#[test]
fn the_reason_of_a_refund_says_whose_pocket_it_comes_from() {
    let terms = |movement: &str, reason, reopens| (movement.to_owned(), RefundTerms { reason, reopens });
    let terms: RefundTermsByMovement = [
        terms("goodwill", RefundReason::Goodwill, false),
        terms("credited", RefundReason::Credited, false),
        terms("bank", RefundReason::ReturnedByBank, false),
        terms("wish", RefundReason::Duplicate, true),
    ]
    .into_iter()
    .collect();
    let refund = |movement: &str, value: &str| fact(FactKind::Refund, value, EvidenceChannel::Gateway, movement, 2);
    let facts = [
        fact(FactKind::Capture, "100", EvidenceChannel::Gateway, "c", 1),
        refund("goodwill", "1"),
        refund("credited", "2"),
        refund("bank", "4"),
        refund("wish", "8"),
        refund("seen first at the gateway", "16"),
    ];
    let state = PaymentState::with_terms(&facts, &terms).unwrap();
    let amounts = [state.refunded, state.goodwill, state.from_credit, state.unexplained];
    assert_eq!(amounts.map(|amount| amount.unwrap().amount().to_string()), ["31.00", "1.00", "18.00", "16.00"]);
    assert_eq!(state.net().unwrap().unwrap().to_string(), "69.00 EUR");
    assert_eq!(state.net_without_goodwill().unwrap().unwrap().to_string(), "70.00 EUR");
}
