//! Money that went back without our doing: returned debits and disputes.

use chrono::TimeDelta;
use quittance_domain::fact::FactKind;

use super::{Scene, euro, surplus};
use crate::database::scene::{TestEvidence, money};

#[tokio::test]
async fn a_returned_debit_reopens_its_invoice_and_is_reported_as_reversed() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    let returned = TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"));
    assert_eq!(scene.receive(std::slice::from_ref(&returned)).await, ["invoice.reopened"]);
    // The same return under another message id takes nothing more.
    scene.receive(&[returned.clone(), returned.again("RET-1 once more", TimeDelta::hours(1))]).await;
    assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "0"]);
    assert_eq!(scene.test.invoice(invoice).await, ("open".to_owned(), "0".to_owned(), 4));
    let reason = "select body::jsonb #>> '{data,reason}' from payments.outbox where type = 'invoice.reopened'";
    assert_eq!(scene.test.text(reason).await, "reversed");
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn outflows_with_two_reasons_in_one_batch_have_an_event_each() {
    for is_new in [false, true] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let history = [
            TestEvidence::capture("pi_1", Some(invoice), euro("100.00")),
            TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("30.00")),
            TestEvidence::reported(FactKind::Authorisation, "pi_1", "auth_1", euro("100.00")),
            TestEvidence::reported(FactKind::DisputeLost, "pi_1", "dp_1", euro("70.00")),
        ];
        let (earlier, now) = history.split_at(if is_new { 0 } else { 1 });
        scene.receive_each(earlier).await;
        scene.receive(now).await;
        let reasons = "select coalesce(string_agg(body::jsonb #>> '{data,reason}' || ' '
            || (body::jsonb #>> '{data,released,value}'), ', ' order by id), '')
            from payments.outbox where type = 'invoice.reopened'";
        // If the payment was unknown until now, the returned money never reached the invoice.
        let expected = if is_new { "charged_back 70.00" } else { "reversed 30.00, charged_back 70.00" };
        assert_eq!(scene.test.text(reasons).await, expected);
        assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "0"]);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_reversal_that_comes_before_its_payment_ends_the_same() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let reported = [
        TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("30.00")),
        TestEvidence::capture("pi_1", Some(invoice), euro("100.00")),
    ];
    scene.receive_each(&reported).await;
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "70", "0"]);
    assert_eq!(scene.paid(invoice).await, ["partially_paid", "70"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_of_another_payment_that_names_the_invoice_fills_it_when_it_reopens() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let pays = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive_each(&[pays("pi_1"), pays("pi_2"), pays("pi_3")]).await;
    assert_eq!(scene.test.open_cases().await, [surplus("already_paid"), surplus("already_paid")]);
    let emitted = scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"))]).await;
    assert_eq!(emitted, ["invoice.reopened", "invoice.paid", "payment.surplus_reduced"]);
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "100", "0"], "the older surplus comes first");
    assert_eq!(scene.payment("pi_3").await, ["confirmed", "0", "100"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.test.open_cases().await, [surplus("already_paid")]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_in_the_batch_that_reopens_its_invoice_fills_it_too() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let pays = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive(&[pays("pi_1")]).await;
    scene.receive(&[pays("pi_2"), TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "100", "0"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_case_says_how_much_is_left_when_its_payment_gains_and_fills_in_one_batch() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let pays = |reference: &str, value: &str| TestEvidence::capture(reference, Some(invoice), euro(value));
    scene.receive_each(&[pays("pi_1", "100.00"), pays("pi_2", "30.00")]).await;
    let more = pays("pi_2", "20.00").moving("second capture");
    scene.receive(&[more, TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("20.00"))]).await;
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "20", "30"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn two_invoices_that_reopen_at_once_share_the_unapplied_cash_that_names_both() {
    let scene = Scene::begin().await;
    let (left, right) = (scene.invoice("100.00").await, scene.invoice("100.00").await);
    let pays = |reference: &str, invoice| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive_each(&[pays("pi_left", left), pays("pi_right", right)]).await;
    scene.receive(&[TestEvidence::capture("pi_both", None, euro("100.00")).naming(&[left, right])]).await;
    assert_eq!(scene.payment("pi_both").await, ["confirmed", "0", "100"]);
    // Both have read the unapplied cash before one of them writes: its case is locked until both wait for it.
    let mut gate = scene.test.admin.begin().await.unwrap();
    sqlx::query("select from payments.cases for update").execute(&mut *gate).await.unwrap();
    let reopen = |reference: &'static str| {
        let processor = scene.processor.clone();
        let returned = TestEvidence::reported(FactKind::Reversal, reference, "RET-1", euro("100.00"));
        tokio::spawn(async move { super::settle_all(&processor, &[returned]).await })
    };
    let (first, second) = (reopen("pi_left"), reopen("pi_right"));
    scene.test.until_waiting(2).await;
    gate.commit().await.unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    scene.assert_books_hold().await;
    assert_eq!(scene.payment("pi_both").await, ["confirmed", "100", "0"]);
}

#[tokio::test]
async fn a_dispute_moves_nothing_until_it_is_lost_and_nothing_when_it_is_won() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let dispute = |kind: FactKind, days: i64| {
        TestEvidence::reported(kind, "pi_1", "dp_1", euro("100.00"))
            .again(&format!("{kind} {days}"), TimeDelta::days(days))
    };
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.receive(&[dispute(FactKind::Dispute, 1)]).await, ["payment.disputed"]);
    assert_eq!(scene.payment("pi_1").await, ["disputed", "100", "0"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.receive(&[dispute(FactKind::DisputeWon, 2)]).await, ["payment.dispute_closed"]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    assert_eq!(scene.receive(&[dispute(FactKind::DisputeLost, 3)]).await, ["invoice.reopened"]);
    assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "0"]);
    let reason = "select body::jsonb #>> '{data,reason}' from payments.outbox where type = 'invoice.reopened'";
    assert_eq!(scene.test.text(reason).await, "charged_back");
    // A late report of its opening changes nothing.
    assert_eq!(scene.receive(&[dispute(FactKind::Dispute, 0)]).await, Vec::<String>::new());
    assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "0"]);
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn money_that_goes_back_in_another_currency_is_a_contradiction_whichever_comes_first() {
    let mut ends = Vec::new();
    for is_refund_first in [true, false] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let refund = TestEvidence::reported(FactKind::Refund, "pi_1", "re_1", money("50.00", "USD"));
        let mut reported = [refund, TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))];
        if !is_refund_first {
            reported.reverse();
        }
        scene.receive_each(&reported).await;
        scene.assert_books_hold().await;
        ends.push((scene.payment("pi_1").await, scene.paid(invoice).await, scene.test.open_cases().await));
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn evidence_of_a_payment_whose_unapplied_cash_fills_an_invoice_waits_without_a_deadlock() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let pays = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive_each(&[pays("pi_1"), pays("pi_2")]).await;
    // The first to wait for the invoice takes the unapplied cash of the second's payment, which the second has locked.
    let mut gate = scene.test.admin.begin().await.unwrap();
    sqlx::query("select from billing.invoices for update").execute(&mut *gate).await.unwrap();
    let receive = |reported: TestEvidence| {
        let processor = scene.processor.clone();
        tokio::spawn(async move { super::settle_all(&processor, &[reported]).await })
    };
    let first = receive(TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00")));
    scene.test.until_waiting(1).await;
    let second = receive(TestEvidence::bank_line("pi_2", None, euro("100.00")));
    scene.test.until_waiting(2).await;
    gate.commit().await.unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "100", "0"]);
    scene.assert_books_hold().await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(scene.test.count(deadlocks).await, 0);
}
