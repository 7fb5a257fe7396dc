//! One movement of money is one payment: under any transaction ids, through any channels, in any order, and
//! concurrently.

use chrono::TimeDelta;
use quittance_domain::case::CaseDecision;
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::PaymentId;

use super::{Scene, euro, settle_all, surplus};
use crate::database::scene::TestEvidence;
use crate::database::staff::close;

const PAYMENTS: &str = "select count(*) from payments.payments";
const PAID: &str = "select count(*) from payments.outbox where type = 'invoice.paid'";

/// Every order of a few messages.
fn orders(reported: &[TestEvidence]) -> Vec<Vec<TestEvidence>> {
    if reported.len() < 2 {
        return vec![reported.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..reported.len() {
        let mut others = reported.to_vec();
        let first = others.remove(index);
        all.extend(orders(&others).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

#[tokio::test]
async fn the_same_money_through_every_channel_is_one_payment_and_posts_once_in_every_order() {
    let scene = Scene::begin().await;
    for number in 0..24 {
        let invoice = scene.invoice("100.00").await;
        let reference = format!("pi_{number}");
        let reported = [
            TestEvidence::claim(&reference, Some(invoice), euro("100.00")).by_client(scene.client),
            TestEvidence::capture(&reference, Some(invoice), euro("100.00")),
            TestEvidence::claim(&reference, Some(invoice), euro("100.00")).through(EvidenceChannel::Confirmation),
            // The bank has a reference of its own, and also gives ours.
            TestEvidence::bank_line(&format!("manual:B{number}"), None, euro("100.00"))
                .known_as(&format!("stripe:{reference}")),
        ];
        scene.receive_each(&orders(&reported)[number]).await;
        assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    }
    assert_eq!(scene.test.count(PAYMENTS).await, 24);
    assert_eq!(scene.test.count(PAID).await, 24);
    assert_eq!(scene.test.count("select count(*) from payments.facts").await, 4 * 24);
    assert_eq!(scene.test.count("select count(*) from payments.payment_references").await, 2 * 24);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_gateway_that_carries_our_own_id_leads_to_the_payment_whatever_it_calls_it() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::claim("PO-1", Some(invoice), euro("100.00"))]).await;
    let id = sqlx::query_scalar("select id from payments.payments").fetch_one(&scene.test.admin).await.unwrap();
    let mut capture = TestEvidence::capture("pi_1", None, euro("100.00"));
    capture.evidence.payment_id = Some(PaymentId::from_uuid(id));
    scene.receive(&[capture]).await;
    assert_eq!(scene.payment("PO-1").await, ["confirmed", "100", "0"]);
    // From here on the gateway's id is sufficient.
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"))]).await;
    assert_eq!(scene.payment("PO-1").await, ["reversed", "0", "0"]);
    assert_eq!(scene.test.count(PAYMENTS).await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn an_unknown_id_of_ours_leads_nowhere() {
    let scene = Scene::begin().await;
    let mut capture = TestEvidence::capture("pi_1", None, euro("100.00"));
    capture.evidence.payment_id = Some("pay_00000000000000000000000000000001".parse().unwrap());
    scene.receive(&[capture]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "0", "100"]);
    scene.assert_books_hold().await;
}

fn transfer(value: &str) -> [TestEvidence; 2] {
    [
        TestEvidence::claim("manual:PO-1", None, euro(value)),
        TestEvidence::bank_line("manual:BANK-1", None, euro("100.00")),
    ]
}

#[tokio::test]
async fn a_bank_line_meets_the_claim_of_its_invoice_and_amount_in_both_orders() {
    for is_claim_first in [true, false] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let mut reported = transfer("100.00").map(|reported| reported.naming(&[invoice]));
        if !is_claim_first {
            reported.reverse();
        }
        scene.receive_each(&reported).await;
        scene.receive_each(&reported).await;
        assert_eq!(scene.test.count(PAYMENTS).await, 1);
        assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_bank_line_and_a_claim_that_does_not_fit_are_two_payments() {
    let scene = Scene::begin().await;
    let (invoice, other) = (scene.invoice("100.00").await, scene.invoice("100.00").await);
    let [_, line] = transfer("100.00").map(|reported| reported.naming(&[invoice]));
    let [amount, _] = transfer("99.00").map(|reported| reported.naming(&[invoice]));
    let elsewhere = TestEvidence::claim("manual:PO-2", Some(other), euro("100.00"));
    let gateway = TestEvidence::claim("pi_1", Some(invoice), euro("100.00"));
    scene.receive_each(&[amount, elsewhere, gateway, line]).await;
    assert_eq!(scene.test.count(PAYMENTS).await, 4);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_bank_line_and_its_claim_that_come_at_once_are_one_payment() {
    let scene = Scene::begin().await;
    for round in 0..30 {
        let invoice = scene.invoice("100.00").await;
        let claim = [TestEvidence::claim(&format!("manual:PO-{round}"), Some(invoice), euro("100.00"))];
        let line = [TestEvidence::bank_line(&format!("manual:BANK-{round}"), Some(invoice), euro("100.00"))];
        let (left, right) = tokio::join!(settle_all(&scene.processor, &claim), settle_all(&scene.processor, &line));
        left.unwrap();
        right.unwrap();
        assert_eq!(scene.test.count(PAYMENTS).await, round + 1);
    }
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn two_bank_lines_meet_two_claims_whether_they_come_together_or_one_by_one() {
    for size in [1, 2, 4] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("200.00").await;
        let claim = |name: &str| TestEvidence::claim(&format!("manual:PO-{name}"), Some(invoice), euro("100.00"));
        let line = |name: &str| TestEvidence::bank_line(&format!("manual:BANK-{name}"), Some(invoice), euro("100.00"));
        for batch in [claim("1"), claim("2"), line("1"), line("2")].chunks(size) {
            scene.receive(batch).await;
        }
        let confirmed = "select count(*) from payments.payments where status = 'confirmed' and amount = 100";
        assert_eq!((scene.test.count(PAYMENTS).await, scene.test.count(confirmed).await), (2, 2), "{size} at a time");
        assert_eq!(scene.paid(invoice).await, ["paid", "200"]);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_claim_meets_its_bank_line_although_the_money_went_back_since() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let [claim, line] = transfer("100.00").map(|reported| reported.naming(&[invoice]));
    scene.receive(&[line]).await;
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "manual:BANK-1", "RET-1", euro("100.00"))]).await;
    scene.receive(&[claim]).await;
    assert_eq!(scene.test.count(PAYMENTS).await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_message_that_names_two_payments_counts_for_one_and_opens_a_case() {
    let scene = Scene::begin().await;
    scene
        .receive(&[
            TestEvidence::capture("pi_1", None, euro("100.00")),
            TestEvidence::capture("ch_1", None, euro("100.00")),
        ])
        .await;
    let both = TestEvidence::bank_line("pi_1", None, euro("100.00")).known_as("stripe:ch_1");
    scene.receive(std::slice::from_ref(&both)).await;
    let case = scene.test.case("twins").await;
    scene.receive(&[both]).await;
    assert_eq!(scene.test.case("twins").await, case);
    assert_eq!(scene.test.count(PAYMENTS).await, 2);
    scene.decide(&close("stripe:pi_1", case, CaseDecision::Dismiss, "r1")).await;
    assert_eq!(scene.test.outcome(case).await, (Some("dismissed".to_owned()), None));
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn dismissed_duplicates_stay_apart_and_each_further_one_has_a_case() {
    let scene = Scene::begin().await;
    let capture = |reference: &str| TestEvidence::capture(reference, None, euro("100.00"));
    scene.receive(&[capture("pi_1"), capture("ch_1"), capture("ch_2"), capture("ch_3")]).await;
    let both = |other: &str| {
        TestEvidence::bank_line("pi_1", None, euro("100.00")).known_as(other).again(other, TimeDelta::zero())
    };
    scene.receive(&[both("stripe:ch_1")]).await;
    let case = scene.test.case("twins").await;
    scene.decide(&close("stripe:pi_1", case, CaseDecision::Dismiss, "r1")).await;
    scene.receive(&[both("stripe:ch_1").again("once more", TimeDelta::zero())]).await;
    assert_eq!(scene.test.open_cases().await, vec![surplus("unknown_invoice"); 4]);
    scene.receive_each(&[both("stripe:ch_2"), both("stripe:ch_3")]).await;
    let others = "select count(distinct other_payment_id) from payments.cases where kind = 'twins' and status = 'open'";
    assert_eq!(scene.test.count(others).await, 2);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_name_that_another_payment_takes_at_the_same_moment_makes_the_two_duplicates() {
    let scene = Scene::begin().await;
    scene
        .receive(&[
            TestEvidence::capture("pi_1", None, euro("100.00")),
            TestEvidence::capture("pi_2", None, euro("100.00")),
        ])
        .await;
    let known_as = |reference: &str| TestEvidence::bank_line(reference, None, euro("100.00")).known_as("manual:E2E-1");
    // Both have looked up the id before one of them reserves it: it is locked until both wait.
    let mut gate = scene.test.admin.begin().await.unwrap();
    let taken = "insert into payments.payment_references (reference, payment_id)
        select 'manual:E2E-1', id from payments.payments limit 1";
    sqlx::query(taken).execute(&mut *gate).await.unwrap();
    let receive = |reported: TestEvidence| {
        let processor = scene.processor.clone();
        tokio::spawn(async move { settle_all(&processor, &[reported]).await })
    };
    let (first, second) = (receive(known_as("pi_1")), receive(known_as("pi_2")));
    scene.test.until_waiting(2).await;
    gate.rollback().await.unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(scene.test.count("select count(*) from payments.cases where kind = 'twins'").await, 1);
    scene.assert_books_hold().await;
}
