//! Two payments that staff found to be the same money.

use quittance_domain::case::CaseDecision;
use quittance_domain::fact::{EvidenceChannel, FactKind};

use super::{Scene, euro};
use crate::database::scene::TestEvidence;
use crate::database::staff::{close, merge, refund, refund_id};

/// The same money as the gateway and the bank report it, each under its own id, both posted: one pays the invoice, and
/// the other is unapplied.
async fn posted_twice() -> (Scene, quittance_domain::id::InvoiceId) {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let line = TestEvidence::bank_line("manual:BANK-1", Some(invoice), euro("100.00"));
    scene.receive_each(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00")), line]).await;
    assert_eq!(scene.test.payment("manual:BANK-1").await.2, "100");
    (scene, invoice)
}

async fn kept(scene: &Scene) -> i64 {
    scene.test.count("select count(*) from payments.payments where merged_into is null").await
}

#[tokio::test]
async fn duplicates_that_both_posted_post_once_after_they_are_merged_whichever_stays() {
    for (stays, duplicate) in [("stripe:pi_1", "manual:BANK-1"), ("manual:BANK-1", "stripe:pi_1")] {
        let (scene, invoice) = posted_twice().await;
        let command = merge(stays, duplicate, "r1");
        scene.decide(&command).await;
        let posted = scene.test.count("select count(*) from payments.outbox").await;
        assert_eq!(scene.decide(&command).await, Vec::<String>::new(), "the request comes again");
        assert_eq!(scene.test.count("select count(*) from payments.outbox").await, posted);
        assert_eq!(kept(&scene).await, 1);
        assert_eq!(scene.test.payment(stays).await, ("confirmed".to_owned(), "100".to_owned(), "0".to_owned()));
        assert_eq!(scene.test.payment(duplicate).await, ("pending".to_owned(), "0".to_owned(), "0".to_owned()));
        assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
        assert_eq!(scene.test.open_cases().await, []);
        let noted = "select count(*) from audit.records where action = 'payment.merged' and actor = 'user:finance'";
        assert_eq!(scene.test.count(noted).await, 2);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn duplicates_that_one_gateway_reported_under_two_names_are_one_sum_after_they_are_merged() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let emitted = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive_each(&[emitted("pi_1"), emitted("ch_1")]).await;
    scene.decide(&merge("stripe:pi_1", "stripe:ch_1", "r1")).await;
    scene.assert_books_hold().await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
}

#[tokio::test]
async fn later_evidence_under_either_name_finds_the_payment_that_stays() {
    let (scene, invoice) = posted_twice().await;
    let duplicate = sqlx::query_scalar("select id from payments.payments where transaction_id = 'manual:BANK-1'");
    let duplicate = duplicate.fetch_one(&scene.test.admin).await.unwrap();
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    let returned =
        |name: &str, movement: &str| TestEvidence::reported(FactKind::Reversal, name, movement, euro("10.00"));
    let mut by_id = returned("somebody", "RET-3");
    by_id.evidence.payment_id = Some(quittance_domain::id::PaymentId::from_uuid(duplicate));
    let reported = [returned("manual:BANK-1", "RET-1"), returned("pi_1", "RET-2"), by_id];
    scene.receive_each(&reported).await;
    // Earlier evidence about the duplicate is still found by its id.
    scene.receive(&[TestEvidence::bank_line("manual:BANK-1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(kept(&scene).await, 1);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "70", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_payment_that_has_a_duplicate_already_may_become_the_duplicate_of_another() {
    let (scene, invoice) = posted_twice().await;
    let third = TestEvidence::claim("PO-1", Some(invoice), euro("100.00")).through(EvidenceChannel::Confirmation);
    scene.receive(&[third]).await;
    scene.decide(&merge("manual:BANK-1", "stripe:pi_1", "r1")).await;
    scene.decide(&merge("stripe:PO-1", "manual:BANK-1", "r2")).await;
    assert_eq!(kept(&scene).await, 1);
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("10.00"))]).await;
    let stays = ("partially_refunded".to_owned(), "90".to_owned(), "0".to_owned());
    assert_eq!(scene.test.payment("stripe:PO-1").await, stays);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_merge_of_what_is_one_already_or_unknown_changes_nothing() {
    let (scene, _) = posted_twice().await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    scene.decide(&merge("manual:BANK-1", "stripe:pi_1", "r2")).await;
    scene.decide(&merge("stripe:pi_1", "stripe:nobody", "r3")).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    let refused = "select reason from audit.records where action = 'payment.merge_refused'";
    assert_eq!(scene.test.text(refused).await, "one of the two payments is unknown");
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn duplicates_are_not_merged_while_a_refund_of_the_one_that_goes_is_under_way() {
    let (scene, _) = posted_twice().await;
    scene.decide(&refund("manual:BANK-1", 1, "40.00")).await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    assert_eq!(kept(&scene).await, 2);
    let refused = "select reason from audit.records where action = 'payment.merge_refused'";
    assert!(scene.test.text(refused).await.starts_with("a refund of the duplicate is under way"));
    let done = TestEvidence::reported(FactKind::Refund, "manual:BANK-1", &refund_id(1).to_string(), euro("40.00"));
    scene.receive(&[done]).await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r2")).await;
    assert_eq!(kept(&scene).await, 1);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "60", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_request_of_a_payment_that_was_merged_since_has_one_effect() {
    let (scene, _) = posted_twice().await;
    let command = refund("manual:BANK-1", 1, "40.00");
    scene.decide(&command).await;
    scene
        .receive(&[TestEvidence::reported(FactKind::Refund, "manual:BANK-1", &refund_id(1).to_string(), euro("40.00"))])
        .await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    scene.decide(&command).await;
    assert_eq!(scene.test.refunds().await.len(), 1);
    // Later evidence from the bank still applies to that refund.
    let failed =
        TestEvidence::reported(FactKind::RefundFailure, "manual:BANK-1", &refund_id(1).to_string(), euro("40.00"));
    scene.receive(&[failed]).await;
    assert_eq!(scene.test.refunds().await, [("40".to_owned(), "failed".to_owned(), None)]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn duplicates_with_two_amounts_are_a_contradiction() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let reported = [
        TestEvidence::capture("pi_1", Some(invoice), euro("100.00")),
        TestEvidence::bank_line("manual:B", None, euro("90.00")),
    ];
    scene.receive_each(&reported).await;
    scene.decide(&merge("stripe:pi_1", "manual:B", "r1")).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "90", "0"]);
    scene.assert_books_hold().await;
    let kinds: Vec<String> = scene.test.open_cases().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["contradiction"]);
}

#[tokio::test]
async fn unapplied_cash_of_a_merged_payment_fills_no_invoice_any_more() {
    let scene = Scene::begin().await;
    let (named, other) = (scene.invoice("100.00").await, scene.invoice("200.00").await);
    let stays = TestEvidence::capture("pi_1", Some(other), euro("130.00"));
    let goes = TestEvidence::capture("pi_2", Some(named), euro("130.00")).through(EvidenceChannel::Api);
    scene.receive_each(&[stays, goes.again("later", chrono::TimeDelta::hours(1))]).await;
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "100", "30"]);
    scene.decide(&merge("stripe:pi_1", "stripe:pi_2", "r1")).await;
    scene.assert_books_hold().await;
    assert_eq!(scene.paid(named).await, ["open", "0"]);
    assert_eq!(scene.paid(other).await, ["partially_paid", "130"]);
}

#[tokio::test]
async fn a_decision_about_a_case_that_went_with_its_payment_is_refused_with_its_reason() {
    let (scene, _) = posted_twice().await;
    let case = scene.test.case("surplus").await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    assert_eq!(scene.test.outcome(case).await.0.as_deref(), Some("merged"));
    scene.decide(&close("manual:BANK-1", case, CaseDecision::Refund, "r2")).await;
    assert_eq!(scene.test.refunds().await, []);
    let refused = "select count(*) from audit.records where action = 'case.decision_refused'
        and reason = 'the case is closed already: merged'";
    assert_eq!(scene.test.count(refused).await, 1);
}

#[tokio::test]
async fn a_case_about_a_third_payment_stays_open_when_another_duplicate_is_merged() {
    let (scene, _) = posted_twice().await;
    scene.receive(&[TestEvidence::capture("pi_3", None, euro("100.00"))]).await;
    scene
        .receive(
            &[TestEvidence::reported(FactKind::Authorisation, "pi_1", "a", euro("100.00")).known_as("stripe:pi_3")],
        )
        .await;
    let case = scene.test.case("twins").await;
    scene.decide(&merge("stripe:pi_1", "manual:BANK-1", "r1")).await;
    assert_eq!(scene.test.outcome(case).await, (None, None));
    scene.decide(&merge("stripe:pi_1", "stripe:pi_3", "r2")).await;
    assert_eq!(scene.test.outcome(case).await, (Some("merged".to_owned()), None));
}

#[tokio::test]
async fn evidence_and_refunds_that_arrive_during_a_merge_find_the_remaining_payment() {
    const ROUNDS: i64 = 20;
    let scene = Scene::begin().await;
    for round in 0..ROUNDS {
        let invoice = scene.invoice("100.00").await;
        let (stays, duplicate) = (format!("pi_{round}"), format!("manual:B{round}"));
        let line = TestEvidence::bank_line(&duplicate, Some(invoice), euro("100.00"));
        scene.receive_each(&[TestEvidence::capture(&stays, Some(invoice), euro("100.00")), line]).await;
        let name = format!("stripe:{stays}");
        let command = merge(&name, &duplicate, &format!("r{round}"));
        let returned = [TestEvidence::reported(FactKind::Reversal, &duplicate, "RET-1", euro("10.00"))];
        let asked = refund(&name, u128::try_from(round).unwrap() + 1, "50.00");
        tokio::join!(scene.decide(&command), scene.receive(&returned), scene.decide(&asked));
        assert_eq!(kept(&scene).await, round + 1);
        assert_eq!(scene.payment(&stays).await[0], "partially_refunded", "round {round}");
    }
    scene.assert_books_hold().await;
}
