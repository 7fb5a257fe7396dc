//! Staff decisions about cases, and cases that are closed automatically.

use quittance_domain::case::CaseDecision;
use quittance_domain::fact::FactKind;
use quittance_domain::id::InvoiceId;
use quittance_processor::decide::StaffCommand;

use super::{Scene, euro, surplus};
use crate::database::scene::TestEvidence;
use crate::database::staff::{close, refund, refund_id};

const NAME: &str = "stripe:pi_1";

/// A capture of 130.00 of which 30.00 are unapplied, and the case about them.
async fn overpaid() -> (Scene, InvoiceId, quittance_domain::id::CaseId) {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("130.00"))]).await;
    let case = scene.test.case("surplus").await;
    (scene, invoice, case)
}

fn apply(invoice_id: InvoiceId) -> CaseDecision {
    CaseDecision::Apply { invoice_id }
}

fn resolved(resolution: &str) -> (Option<String>, Option<String>) {
    (Some(resolution.to_owned()), None)
}

#[tokio::test]
async fn unapplied_cash_is_applied_to_another_open_invoice_of_the_client() {
    let (scene, _, case) = overpaid().await;
    let other = scene.invoice("30.00").await;
    let command = close(NAME, case, apply(other), "r1");
    assert_eq!(scene.decide(&command).await, ["invoice.paid", "payment.surplus_reduced"]);
    assert_eq!(scene.decide(&command).await, Vec::<String>::new());
    assert_eq!(scene.paid(other).await, ["paid", "30"]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "130", "0"]);
    assert_eq!(scene.test.outcome(case).await, resolved("applied"));
    let why = scene.test.text("select decided_by || ': ' || decision_reason from payments.cases").await;
    assert_eq!(why, "user:finance: as agreed");
    scene.assert_books_hold().await;
    // Further evidence of the payment leaves the money where staff allocated it.
    scene.receive(&[TestEvidence::bank_line("pi_1", None, euro("130.00"))]).await;
    assert_eq!(scene.paid(other).await, ["paid", "30"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_decision_about_an_amount_that_has_changed_meanwhile_is_refused() {
    let (scene, invoice, case) = overpaid().await;
    let about = |value: &str, request: &str| {
        let mut command = close(NAME, case, CaseDecision::Refund, request);
        if let StaffCommand::Case(command) = &mut command.command {
            command.amount = Some(euro(value).positive().unwrap());
        }
        command
    };
    let command = about("30.00", "r1");
    scene
        .receive(&[TestEvidence::reported(FactKind::Capture, "pi_1", "ch_2", euro("500.00")).naming(&[invoice])])
        .await;
    scene.decide(&command).await;
    let refusal = "the amount of the case is no longer 30.00 EUR; reload it";
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal.to_owned())));
    assert_eq!(scene.test.refunds().await, []);
    scene.decide(&about("530.00", "r2")).await;
    assert_eq!(scene.test.refunds().await, [("530".to_owned(), "requested".to_owned(), None)]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn what_an_invoice_cannot_take_stays_in_the_case_for_another_decision() {
    let (scene, _, case) = overpaid().await;
    let (small, next) = (scene.invoice("10.00").await, scene.invoice("50.00").await);
    scene.decide(&close(NAME, case, apply(small), "r1")).await;
    assert_eq!(scene.test.outcome(case).await, (None, None));
    assert_eq!(scene.test.text("select trim_scale(amount)::text from payments.cases").await, "20");
    scene.decide(&close(NAME, case, apply(next), "r2")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("applied"));
    assert_eq!(scene.paid(next).await, ["partially_paid", "20"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_goes_to_no_invoice_of_another_client_or_currency_nor_to_a_closed_one() {
    let (scene, own, case) = overpaid().await;
    let stranger = scene.test.client().await;
    let foreign = scene.test.open_invoice(stranger, "30.00", "EUR").await;
    let dollars = scene.test.open_invoice(scene.client, "30.00", "USD").await;
    let voided = scene.invoice("30.00").await;
    let void = sqlx::query("update billing.invoices set status = 'void', version = 3 where id = $1");
    void.bind(voided.as_uuid()).execute(&scene.test.admin).await.unwrap();
    let unknown = "inv_00000000000000000000000000000001".parse().unwrap();
    for (number, invoice) in [foreign, dollars, voided, own, unknown].into_iter().enumerate() {
        scene.decide(&close(NAME, case, apply(invoice), &format!("r{number}"))).await;
        let (resolution, refusal) = scene.test.outcome(case).await;
        assert_eq!(resolution, None);
        assert!(refusal.unwrap().starts_with(&format!("invoice {invoice} is not an open invoice")));
        assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "30"]);
    }
    assert_eq!(scene.paid(foreign).await, ["open", "0"]);
    let noted = "select count(*) from audit.records where action = 'case.decision_refused' and actor = 'user:finance'";
    assert_eq!(scene.test.count(noted).await, 5);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn money_of_an_unknown_payer_may_go_to_any_clients_invoice() {
    let scene = Scene::begin().await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00"))]).await;
    let invoice = scene.invoice("100.00").await;
    let case = scene.test.case("surplus").await;
    scene.decide(&close(NAME, case, apply(invoice), "r1")).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_that_staff_leave_is_not_pulled_into_an_invoice_that_reopens() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let pays = |reference: &str| TestEvidence::capture(reference, Some(invoice), euro("100.00"));
    scene.receive_each(&[pays("pi_1"), pays("pi_2")]).await;
    let case = scene.test.case("surplus").await;
    scene.decide(&close("stripe:pi_2", case, CaseDecision::Dismiss, "r1")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("dismissed"));
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("100.00"))]).await;
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    // Nor by another source's report of the same money.
    scene.receive(&[TestEvidence::bank_line("pi_2", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_2").await, ["confirmed", "0", "100"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_that_comes_after_a_dismissed_one_went_back_has_a_case_of_its_own() {
    let scene = Scene::begin().await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("30.00"))]).await;
    let case = scene.test.case("surplus").await;
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "r1")).await;
    scene.receive(&[TestEvidence::reported(FactKind::Reversal, "pi_1", "RET-1", euro("30.00"))]).await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("20.00")).moving("second capture")]).await;
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "0", "20"]);
    assert_eq!(scene.test.open_cases().await, [surplus("unknown_invoice")]);
    let dismissed = "select amount::numeric(5, 2) || ' of which ' || kept_amount::numeric(5, 2) from payments.cases
        where resolution = 'dismissed'";
    assert_eq!(scene.test.text(dismissed).await, "30.00 of which 0.00");
}

#[tokio::test]
async fn a_decision_under_the_name_of_another_is_refused_and_the_first_stands() {
    let (scene, _, case) = overpaid().await;
    let (small, next) = (scene.invoice("10.00").await, scene.invoice("20.00").await);
    scene.decide(&close(NAME, case, apply(small), "r1")).await;
    assert_eq!(scene.decide(&close(NAME, case, apply(next), "r1")).await, ["other content"]);
    assert_eq!(scene.paid(next).await, ["open", "0"]);
    assert_eq!(scene.test.outcome(case).await, (None, None));
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn the_first_of_two_conflicting_decisions_counts_and_the_second_is_refused_with_its_reason() {
    let (scene, _, case) = overpaid().await;
    let other = scene.invoice("30.00").await;
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "r1")).await;
    assert_eq!(scene.decide(&close(NAME, case, apply(other), "r2")).await, Vec::<String>::new());
    scene.decide(&close(NAME, case, CaseDecision::Refund, "r3")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("dismissed"));
    assert_eq!(scene.paid(other).await, ["open", "0"]);
    assert_eq!(scene.test.refunds().await, []);
    let refused = "select count(*) from audit.records where action = 'case.decision_refused'
        and reason = 'the case is closed already: dismissed'";
    assert_eq!(scene.test.count(refused).await, 2);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn two_conflicting_decisions_at_once_have_the_effect_of_one() {
    let scene = Scene::begin().await;
    for round in 0..20 {
        let (invoice, other) = (scene.invoice("100.00").await, scene.invoice("30.00").await);
        let reference = format!("pi_{round}");
        scene.receive(&[TestEvidence::capture(&reference, Some(invoice), euro("130.00"))]).await;
        let (name, case) = (format!("stripe:{reference}"), scene.test.case("surplus").await);
        let command = |decision, request: &str| close(&name, case, decision, &format!("{request} {round}"));
        let orders = [command(CaseDecision::Refund, "r1"), command(apply(other), "r2")];
        tokio::join!(scene.decide(&orders[0]), scene.decide(&orders[1]));
        let (resolution, _) = scene.test.outcome(case).await;
        let expected = if resolution.as_deref() == Some("refunded") { ["open", "0"] } else { ["paid", "30"] };
        assert_eq!(scene.paid(other).await, expected, "round {round}: {resolution:?}");
    }
    let refunded = "select count(*) from payments.cases where resolution = 'refunded'";
    assert_eq!(scene.test.refunds().await.len(), usize::try_from(scene.test.count(refunded).await).unwrap());
    assert_eq!(scene.test.count("select count(*) from payments.decisions").await, 40);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_case_closes_with_its_unapplied_cash() {
    let (scene, _, case) = overpaid().await;
    scene.decide(&refund(NAME, 1, "30.00")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("settled"), "all of it is about to go back");
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "pi_1", &refund_id(1).to_string(), euro("30.00"))]).await;
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "100", "0"]);
    scene.decide(&close(NAME, case, CaseDecision::Refund, "r1")).await;
    assert_eq!(scene.test.refunds().await.len(), 1, "there is nothing left to refund");
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_contradiction_can_only_be_dismissed_and_stays_so() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let reported = [
        TestEvidence::capture("pi_1", Some(invoice), euro("100.00")),
        TestEvidence::bank_line("pi_1", None, euro("90.00")),
    ];
    scene.receive_each(&reported).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "90", "0"]);
    let case = scene.test.case("contradiction").await;
    scene.decide(&close(NAME, case, CaseDecision::Refund, "r1")).await;
    let refusal = "a case of kind contradiction has no unapplied cash to apply or refund".to_owned();
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal)));
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "r2")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("dismissed"));
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn an_overdrawn_payment_that_staff_leave_so_has_no_case_any_more() {
    let scene = Scene::begin().await;
    let returned = |movement: &str| TestEvidence::reported(FactKind::Reversal, "pi_1", movement, euro("30.00"));
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("30.00")), returned("RET-1"), returned("RET-2")]).await;
    assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "-30"]);
    let case = scene.test.case("overdrawn").await;
    scene.assert_books_hold().await;
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "r1")).await;
    assert_eq!(scene.test.outcome(case).await, resolved("dismissed"));
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}
