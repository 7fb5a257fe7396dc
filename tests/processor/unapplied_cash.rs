//! The combined effect of several payments, several invoices and several pieces of evidence.

use chrono::TimeDelta;
use quittance_domain::fact::FactKind;

use super::{Scene, euro, surplus};
use crate::database::scene::TestEvidence;

#[tokio::test]
async fn a_second_payment_that_was_pending_when_the_first_succeeded_is_unapplied_cash_once_it_succeeds() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let claim = TestEvidence::claim("pi_2", Some(invoice), euro("100.00"));
    scene.receive_each(&[claim, TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_2").await, ["pending", "0", "0"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.receive(&[TestEvidence::capture("pi_2", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "0", "100"]);
    assert_eq!(scene.test.invoice(invoice).await, ("paid".to_owned(), "100".to_owned(), 3));
    assert_eq!(scene.test.open_cases().await, [surplus("already_paid")]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn two_captures_of_one_authorisation_add_up_in_any_order() {
    for index in 0..3 {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let part = |movement: &str, value: &str| {
            TestEvidence::reported(FactKind::Capture, "pi_1", movement, euro(value)).naming(&[invoice])
        };
        let mut reported = vec![part("ch_1", "60.00"), part("ch_2", "40.00")];
        reported.insert(index, TestEvidence::reported(FactKind::Authorisation, "pi_1", "pi_1", euro("100.00")));
        scene.receive_each(&reported).await;
        assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
        assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
        assert_eq!(scene.test.open_cases().await, []);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn money_that_arrives_after_all_counts_whatever_the_gateway_said_before_or_says_at_that_time() {
    for kind in [FactKind::Expiry, FactKind::Failure, FactKind::Unknown, FactKind::Authorisation] {
        for hours in [-1, 0, 1] {
            let scene = Scene::begin().await;
            let invoice = scene.invoice("100.00").await;
            let other =
                TestEvidence::reported(kind, "pi_1", "pi_1", euro("100.00")).again("other", TimeDelta::hours(hours));
            let capture = TestEvidence::capture("pi_1", Some(invoice), euro("100.00"));
            let reported = if hours < 0 { [other, capture] } else { [capture, other] };
            scene.receive_each(&reported).await;
            assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"], "{kind} {hours} hours later");
            assert_eq!(scene.test.open_cases().await, []);
            scene.assert_books_hold().await;
        }
    }
}

#[tokio::test]
async fn one_payment_pays_several_invoices_in_the_order_in_which_it_names_them() {
    let scene = Scene::begin().await;
    let (first, second, third) =
        (scene.invoice("40.00").await, scene.invoice("50.00").await, scene.invoice("30.00").await);
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00")).naming(&[second, first, third])]).await;
    assert_eq!(scene.paid(second).await, ["paid", "50"]);
    assert_eq!(scene.paid(first).await, ["paid", "40"]);
    assert_eq!(scene.paid(third).await, ["partially_paid", "10"]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    scene.assert_books_hold().await;
    // Outflows are taken from the last invoice first.
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("25.00"))]).await;
    assert_eq!(scene.paid(second).await, ["paid", "50"]);
    assert_eq!(scene.paid(first).await, ["partially_paid", "25"]);
    assert_eq!(scene.paid(third).await, ["open", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn several_payments_pay_one_invoice_and_the_last_has_what_is_too_much() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let part = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("40.00"));
    scene.receive(&[part("pi_1"), part("pi_2"), part("pi_3")]).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.payment("pi_3").await, ["confirmed", "20", "20"]);
    assert_eq!(scene.test.open_cases().await, [surplus("overpaid")]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn money_in_suspense_moves_when_somebody_names_its_invoice() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("70.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00"))]).await;
    assert_eq!(scene.test.open_cases().await, [surplus("unknown_invoice")]);
    scene.receive(&[TestEvidence::bank_line("pi_1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "70", "30"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "70"]);
    let owed = "select count(*) from payments.credits where client_id is not null";
    assert_eq!(scene.test.count(owed).await, 1, "what is too much is the client's now");
    assert_eq!(scene.test.open_cases().await, [surplus("overpaid")]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn money_moves_to_the_invoice_that_better_evidence_names() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let stranger = scene.test.client().await;
    let theirs = scene.test.open_invoice(stranger, "80.00", "EUR").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    let emitted = scene.receive(&[TestEvidence::bank_line("pi_1", Some(theirs), euro("100.00"))]).await;
    assert_eq!(emitted, ["invoice.reopened", "invoice.paid", "payment.surplus_recorded"]);
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    assert_eq!(scene.paid(theirs).await, ["paid", "80"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_that_fills_the_invoice_of_a_second_client_is_taken_from_the_first_clients_credit() {
    let scene = Scene::begin().await;
    let stranger = scene.test.client().await;
    let (own, theirs) = (scene.invoice("100.00").await, scene.test.open_invoice(stranger, "100.00", "EUR").await);
    let pays = |reference: &str, invoice| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive(&[pays("pi_1", own), pays("pi_2", theirs)]).await;
    scene.receive(&[TestEvidence::capture("pi_3", None, euro("100.00")).naming(&[own, theirs])]).await;
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_2", "RET-1", euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_3").await, ["confirmed", "100", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_message_that_failed_again_and_again_succeeds_once_the_cause_is_gone() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let capture = TestEvidence::capture("pi_1", Some(invoice), euro("100.00"));
    let causes = [
        ("update billing.clients set address = array[repeat('x', 21000)]", "update billing.clients set address = '{}'"),
        (
            "revoke insert on audit.records from quittance_processor",
            "grant insert on audit.records to quittance_processor",
        ),
    ];
    for (cause, _) in causes {
        sqlx::query(cause).execute(&scene.test.admin).await.unwrap();
        for _ in 0..5 {
            assert!(super::settle_all(&scene.processor, std::slice::from_ref(&capture)).await.is_err());
        }
    }
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 0);
    for (_, remedy) in causes {
        sqlx::query(remedy).execute(&scene.test.admin).await.unwrap();
    }
    assert_eq!(scene.receive(&[capture]).await, ["invoice.paid"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn the_same_payment_with_another_amount_posts_what_both_prove_and_opens_a_case() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let capture = |value: &str| TestEvidence::capture("pi_1", Some(invoice), euro(value));
    scene.receive_each(&[capture("100.00"), capture("90.00").again("evt_2", TimeDelta::hours(1))]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "90", "0"]);
    assert_eq!(scene.paid(invoice).await, ["partially_paid", "90"]);
    let kinds: Vec<String> = scene.test.open_cases().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["contradiction"]);
    scene.assert_books_hold().await;
}
