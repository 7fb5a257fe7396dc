//! The reason of a refund determines what is owed, the client's credit, and the postings.

use quittance_domain::case::CaseDecision;
use quittance_domain::command::{CreditUse, ReleaseCredited};
use quittance_domain::fact::FactKind;
use quittance_domain::id::InvoiceId;
use quittance_domain::refund_reason::{RefundReason, RefundTerms};
use quittance_processor::decide::{StaffCommand, StaffInstruction};

use super::{Scene, euro};
use crate::database::scene::{TestEvidence, noon};
use crate::database::staff::{close, refund_for, refund_id};

const NAME: &str = "stripe:pi_1";

/// A capture of 119.00 that pays its invoice.
async fn paid() -> (Scene, InvoiceId) {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("119.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("119.00"))]).await;
    (scene, invoice)
}

/// A refund of 30.00 that we did not request.
fn seen_at_the_gateway() -> TestEvidence {
    TestEvidence::reported(FactKind::Refund, "pi_1", "re_1", euro("30.00"))
}

async fn refunded(scene: &Scene, reason: RefundReason) -> Vec<String> {
    scene.decide(&refund_for(NAME, 1, "30.00", reason)).await;
    let movement = refund_id(1).to_string();
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "pi_1", &movement, euro("30.00"))]).await
}

async fn balance(scene: &Scene, account: &str) -> String {
    let sum = "select coalesce(trim_scale(sum(amount)), 0)::text from ledger.entries where account like $1";
    sqlx::query_scalar(sum).bind(account).fetch_one(&scene.test.admin).await.unwrap()
}

fn classify(reason: RefundReason, reopens: bool) -> CaseDecision {
    CaseDecision::Classify { terms: RefundTerms { reason, reopens } }
}

#[tokio::test]
async fn only_money_that_was_taken_back_makes_the_invoice_owed_again() {
    for (reason, status, paid_amount) in [
        (RefundReason::Chargeback, "partially_paid", "89"),
        (RefundReason::ReturnedByBank, "partially_paid", "89"),
        (RefundReason::Goodwill, "paid", "119"),
        (RefundReason::Credited, "paid", "119"),
        (RefundReason::Duplicate, "paid", "119"),
        (RefundReason::Unspecified, "paid", "119"),
    ] {
        let (scene, invoice) = paid().await;
        let emitted = refunded(&scene, reason).await;
        assert_eq!(scene.paid(invoice).await, [status, paid_amount], "{reason}");
        assert_eq!(emitted.contains(&"invoice.reopened".to_owned()), status != "paid", "{reason}: {emitted:?}");
        let event = "select body::jsonb #>> '{data,reason_kind}' from payments.outbox where type = 'payment.refunded'";
        assert_eq!(scene.test.text(event).await, reason.as_str());
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn goodwill_is_an_expense_and_a_duplicate_takes_the_clients_credit() {
    let (scene, _) = paid().await;
    let emitted = refunded(&scene, RefundReason::Goodwill).await;
    assert_eq!(emitted, ["payment.refunded", "payment.goodwill_recorded"]);
    scene.assert_books_hold().await;
    assert_eq!([balance(&scene, "goodwill").await, balance(&scene, "receivable:%").await], ["30", "-119"]);
    assert_eq!(scene.test.open_cases().await, []);
    let (scene, _) = paid().await;
    assert_eq!(refunded(&scene, RefundReason::Duplicate).await, ["payment.surplus_reduced", "payment.refunded"]);
    scene.assert_books_hold().await;
    assert_eq!([balance(&scene, "goodwill").await, balance(&scene, "credit:%").await], ["0", "30"]);
}

#[tokio::test]
async fn a_refund_first_seen_at_the_gateway_reopens_nothing_and_is_a_case_until_somebody_says_why() {
    for (decision, status, goodwill) in [
        (classify(RefundReason::Goodwill, false), ["paid", "119"], "30"),
        (classify(RefundReason::Chargeback, false), ["partially_paid", "89"], "0"),
        (classify(RefundReason::Unspecified, true), ["partially_paid", "89"], "0"),
    ] {
        let (scene, invoice) = paid().await;
        assert_eq!(scene.receive(&[seen_at_the_gateway()]).await, ["payment.surplus_reduced", "payment.refunded"]);
        assert_eq!(scene.paid(invoice).await, ["paid", "119"]);
        assert_eq!(scene.test.open_cases().await.len(), 1);
        scene.assert_books_hold().await;
        let case = scene.test.case("unexplained_refund").await;
        scene.decide(&close(NAME, case, decision, "r1")).await;
        assert_eq!(scene.paid(invoice).await, status, "{decision:?}");
        assert_eq!(scene.test.outcome(case).await, (Some("classified".to_owned()), None));
        assert_eq!(scene.test.open_cases().await, []);
        scene.assert_books_hold().await;
        assert_eq!(balance(&scene, "goodwill").await, goodwill);
    }
}

#[tokio::test]
async fn an_unexplained_refund_that_staff_leave_as_it_is_stays_closed() {
    let (scene, invoice) = paid().await;
    scene.receive(&[seen_at_the_gateway()]).await;
    let case = scene.test.case("unexplained_refund").await;
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "r1")).await;
    scene.receive(&[TestEvidence::bank_line("pi_1", None, euro("119.00"))]).await;
    assert_eq!(
        (scene.test.open_cases().await.len(), scene.paid(invoice).await),
        (0, ["paid", "119"].map(str::to_owned))
    );
}

/// The command that billing commits with a credit note of 30.00.
async fn credit(scene: &Scene, invoice: InvoiceId, then: CreditUse) -> StaffInstruction {
    let credited = "update billing.invoices set credited_amount = 30, version = version + 1 where id = $1";
    sqlx::query(credited).bind(invoice.as_uuid()).execute(&scene.test.admin).await.unwrap();
    let command = ReleaseCredited {
        transaction_id: NAME.parse().unwrap(),
        invoice_id: invoice,
        amount: euro("30.00").positive().unwrap(),
        then,
        reason: "credit note CN-2026-000001: delivered in part".to_owned(),
        actor: "user:finance".to_owned(),
        request: "cn_1:stripe:pi_1".to_owned(),
    };
    StaffInstruction { command: StaffCommand::Credit(command), correlation_id: "test".to_owned(), decided_at: noon() }
}

#[tokio::test]
async fn what_a_credit_note_takes_off_a_paid_invoice_becomes_the_clients_credit_once() {
    let (scene, invoice) = paid().await;
    let decision = credit(&scene, invoice, CreditUse::Keep).await;
    assert_eq!(scene.decide(&decision).await, ["payment.unapplied", "payment.surplus_recorded"]);
    assert_eq!(scene.decide(&decision).await, Vec::<String>::new());
    assert_eq!(scene.paid(invoice).await, ["paid", "89"]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "89", "30"]);
    assert_eq!(scene.test.open_cases().await, [("surplus".to_owned(), "credited".to_owned())]);
}

#[tokio::test]
async fn credit_of_a_credit_note_is_refunded_in_the_same_step_if_asked() {
    let (scene, invoice) = paid().await;
    let decision = credit(&scene, invoice, CreditUse::Refund { refund_id: refund_id(1) }).await;
    scene.decide(&decision).await;
    assert_eq!(scene.test.refunds().await, [("30".to_owned(), "requested".to_owned(), None)]);
    let movement = refund_id(1).to_string();
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "pi_1", &movement, euro("30.00"))]).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "89"]);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "89", "0"]);
    assert_eq!(scene.test.open_cases().await, []);
}

#[tokio::test]
async fn credit_of_a_credit_note_pays_another_invoice_in_the_same_step_if_asked() {
    let (scene, invoice) = paid().await;
    let other = scene.invoice("50.00").await;
    let decision = credit(&scene, invoice, CreditUse::Apply { invoice_id: other }).await;
    scene.decide(&decision).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "89"]);
    assert_eq!(scene.paid(other).await, ["partially_paid", "30"]);
    assert_eq!(scene.test.open_cases().await, []);
}

#[tokio::test]
async fn what_the_gateway_refunded_before_is_not_refunded_again_for_the_credit_note() {
    let (scene, invoice) = paid().await;
    scene.receive(&[seen_at_the_gateway()]).await;
    let decision = credit(&scene, invoice, CreditUse::Refund { refund_id: refund_id(1) }).await;
    scene.decide(&decision).await;
    assert_eq!(scene.test.refunds().await, []);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "89", "0"]);
    let refused = "select reason from audit.records where action = 'payment.credit_refused'";
    let expected = "of 30.00 EUR credited only 0.00 EUR is unapplied cash of the payment";
    assert_eq!(scene.test.text(refused).await, expected);
}

#[tokio::test]
async fn credit_that_another_message_released_first_is_refunded_all_the_same() {
    let (scene, invoice) = paid().await;
    let decision = credit(&scene, invoice, CreditUse::Refund { refund_id: refund_id(1) }).await;
    scene.receive(&[TestEvidence::bank_line("pi_1", None, euro("119.00"))]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "89", "30"]);
    scene.decide(&decision).await;
    assert_eq!(scene.test.refunds().await, [("30".to_owned(), "requested".to_owned(), None)]);
}

#[tokio::test]
async fn a_classification_that_is_refused_says_nothing_of_the_refund() {
    let (scene, invoice) = paid().await;
    scene.receive(&[seen_at_the_gateway()]).await;
    let case = scene.test.case("unexplained_refund").await;
    let mut decision = close(NAME, case, classify(RefundReason::Goodwill, false), "r1");
    if let StaffCommand::Case(command) = &mut decision.command {
        command.amount = Some(euro("20.00").positive().unwrap());
    }
    scene.decide(&decision).await;
    assert_eq!(scene.test.count("select count(*) from payments.refund_terms").await, 0);
    assert_eq!(
        (scene.paid(invoice).await, scene.test.open_cases().await.len()),
        (["paid", "119"].map(str::to_owned), 1)
    );
}

#[tokio::test]
async fn a_credit_note_explains_the_refund_that_came_before_it() {
    let (scene, invoice) = paid().await;
    scene.receive(&[seen_at_the_gateway()]).await;
    let decision = credit(&scene, invoice, CreditUse::Keep).await;
    scene.decide(&decision).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "89"]);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "89", "0"]);
    let case = scene.test.case("unexplained_refund").await;
    scene.decide(&close(NAME, case, classify(RefundReason::Credited, false), "r1")).await;
    assert_eq!(scene.test.open_cases().await, []);
    assert_eq!(scene.paid(invoice).await, ["paid", "89"]);
}
