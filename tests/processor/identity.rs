//! One movement of money, one payment: by whatever names and doors it comes, in whatever order, and at once.

use chrono::TimeDelta;
use quittance_domain::case::CaseDecision;
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::PaymentId;

use super::{Scene, euro, settle_all, surplus};
use crate::database::scene::Said;
use crate::database::staff::close;

const PAYMENTS: &str = "select count(*) from payments.payments";
const PAID: &str = "select count(*) from payments.outbox where type = 'invoice.paid'";

/// Every order in which a few messages may come.
fn orders(said: &[Said]) -> Vec<Vec<Said>> {
    if said.len() < 2 {
        return vec![said.to_vec()];
    }
    let mut all = Vec::new();
    for place in 0..said.len() {
        let mut others = said.to_vec();
        let first = others.remove(place);
        all.extend(orders(&others).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

#[tokio::test]
async fn the_same_money_through_every_door_is_one_payment_and_posts_once_in_every_order() {
    let scene = Scene::begin().await;
    for number in 0..24 {
        let invoice = scene.invoice("100.00").await;
        let reference = format!("pi_{number}");
        let said = [
            Said::claim(&reference, Some(invoice), euro("100.00")).by_client(scene.client),
            Said::capture(&reference, Some(invoice), euro("100.00")),
            Said::claim(&reference, Some(invoice), euro("100.00")).through(EvidenceChannel::Confirmation),
            // The bank knows a name of its own, and ours beside it.
            Said::bank_line(&format!("manual:B{number}"), None, euro("100.00"))
                .known_as(&format!("stripe:{reference}")),
        ];
        scene.hear_each(&orders(&said)[number]).await;
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
    scene.hear(&[Said::claim("PO-1", Some(invoice), euro("100.00"))]).await;
    let id = sqlx::query_scalar("select id from payments.payments").fetch_one(&scene.test.admin).await.unwrap();
    let mut capture = Said::capture("pi_1", None, euro("100.00"));
    capture.evidence.payment_id = Some(PaymentId::from_uuid(id));
    scene.hear(&[capture]).await;
    assert_eq!(scene.payment("PO-1").await, ["confirmed", "100", "0"]);
    // From now on the gateway's name will do.
    scene.hear(&[Said::told(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"))]).await;
    assert_eq!(scene.payment("PO-1").await, ["reversed", "0", "0"]);
    assert_eq!(scene.test.count(PAYMENTS).await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn an_id_of_ours_that_nobody_knows_leads_nowhere() {
    let scene = Scene::begin().await;
    let mut capture = Said::capture("pi_1", None, euro("100.00"));
    capture.evidence.payment_id = Some("pay_00000000000000000000000000000001".parse().unwrap());
    scene.hear(&[capture]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "0", "100"]);
    scene.assert_books_hold().await;
}

fn transfer(value: &str) -> [Said; 2] {
    [Said::claim("manual:PO-1", None, euro(value)), Said::bank_line("manual:BANK-1", None, euro("100.00"))]
}

#[tokio::test]
async fn a_bank_line_meets_the_claim_of_its_invoice_and_amount_in_both_orders() {
    for is_claim_first in [true, false] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let mut said = transfer("100.00").map(|said| said.naming(&[invoice]));
        if !is_claim_first {
            said.reverse();
        }
        scene.hear_each(&said).await;
        scene.hear_each(&said).await;
        assert_eq!(scene.test.count(PAYMENTS).await, 1);
        assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_bank_line_and_a_claim_that_does_not_fit_are_two_payments() {
    let scene = Scene::begin().await;
    let (invoice, other) = (scene.invoice("100.00").await, scene.invoice("100.00").await);
    let [_, line] = transfer("100.00").map(|said| said.naming(&[invoice]));
    let [amount, _] = transfer("99.00").map(|said| said.naming(&[invoice]));
    let elsewhere = Said::claim("manual:PO-2", Some(other), euro("100.00"));
    let gateway = Said::claim("pi_1", Some(invoice), euro("100.00"));
    scene.hear_each(&[amount, elsewhere, gateway, line]).await;
    assert_eq!(scene.test.count(PAYMENTS).await, 4);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_bank_line_and_its_claim_that_come_at_once_are_one_payment() {
    let scene = Scene::begin().await;
    for round in 0..30 {
        let invoice = scene.invoice("100.00").await;
        let claim = [Said::claim(&format!("manual:PO-{round}"), Some(invoice), euro("100.00"))];
        let line = [Said::bank_line(&format!("manual:BANK-{round}"), Some(invoice), euro("100.00"))];
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
        let claim = |name: &str| Said::claim(&format!("manual:PO-{name}"), Some(invoice), euro("100.00"));
        let line = |name: &str| Said::bank_line(&format!("manual:BANK-{name}"), Some(invoice), euro("100.00"));
        for batch in [claim("1"), claim("2"), line("1"), line("2")].chunks(size) {
            scene.hear(batch).await;
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
    let [claim, line] = transfer("100.00").map(|said| said.naming(&[invoice]));
    scene.hear(&[line]).await;
    scene.hear(&[Said::told(FactKind::Reversal, "manual:BANK-1", "RET-1", euro("100.00"))]).await;
    scene.hear(&[claim]).await;
    assert_eq!(scene.test.count(PAYMENTS).await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_message_that_names_two_payments_counts_for_one_and_opens_a_case() {
    let scene = Scene::begin().await;
    scene.hear(&[Said::capture("pi_1", None, euro("100.00")), Said::capture("ch_1", None, euro("100.00"))]).await;
    let both = Said::bank_line("pi_1", None, euro("100.00")).known_as("stripe:ch_1");
    scene.hear(std::slice::from_ref(&both)).await;
    let case = scene.test.case("twins").await;
    scene.hear(&[both]).await;
    assert_eq!(scene.test.case("twins").await, case);
    assert_eq!(scene.test.count(PAYMENTS).await, 2);
    scene.decide(&close("stripe:pi_1", case, CaseDecision::Dismiss, "r1")).await;
    assert_eq!(scene.test.outcome(case).await, (Some("dismissed".to_owned()), None));
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn twins_that_staff_told_apart_stay_so_and_each_further_one_has_a_case() {
    let scene = Scene::begin().await;
    let capture = |reference: &str| Said::capture(reference, None, euro("100.00"));
    scene.hear(&[capture("pi_1"), capture("ch_1"), capture("ch_2"), capture("ch_3")]).await;
    let both =
        |other: &str| Said::bank_line("pi_1", None, euro("100.00")).known_as(other).again(other, TimeDelta::zero());
    scene.hear(&[both("stripe:ch_1")]).await;
    let case = scene.test.case("twins").await;
    scene.decide(&close("stripe:pi_1", case, CaseDecision::Dismiss, "r1")).await;
    scene.hear(&[both("stripe:ch_1").again("once more", TimeDelta::zero())]).await;
    assert_eq!(scene.test.open_cases().await, vec![surplus("unknown_invoice"); 4]);
    scene.hear_each(&[both("stripe:ch_2"), both("stripe:ch_3")]).await;
    let others = "select count(distinct other_payment_id) from payments.cases where kind = 'twins' and status = 'open'";
    assert_eq!(scene.test.count(others).await, 2);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_name_that_another_payment_takes_at_the_same_moment_makes_twins_of_the_two() {
    let scene = Scene::begin().await;
    scene.hear(&[Said::capture("pi_1", None, euro("100.00")), Said::capture("pi_2", None, euro("100.00"))]).await;
    let known_as = |reference: &str| Said::bank_line(reference, None, euro("100.00")).known_as("manual:E2E-1");
    // Both have looked the name up before one of them takes it: it is locked until both wait.
    let mut gate = scene.test.admin.begin().await.unwrap();
    let taken = "insert into payments.payment_references (reference, payment_id)
        select 'manual:E2E-1', id from payments.payments limit 1";
    sqlx::query(taken).execute(&mut *gate).await.unwrap();
    let hear = |said: Said| {
        let processor = scene.processor.clone();
        tokio::spawn(async move { settle_all(&processor, &[said]).await })
    };
    let (first, second) = (hear(known_as("pi_1")), hear(known_as("pi_2")));
    scene.test.until_waiting(2).await;
    gate.rollback().await.unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(scene.test.count("select count(*) from payments.cases where kind = 'twins'").await, 1);
    scene.assert_books_hold().await;
}
