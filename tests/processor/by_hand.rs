//! Evidence by hand: one person's alone up to a limit, above it with a second person's approval.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::case::CaseDecision;
use quittance_domain::command::{Evidence, InvoiceReference};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::InvoiceId;
use quittance_processor::decide::{StaffCommand, StaffInstruction, decide};

use super::{Scene, euro};
use crate::database::scene::{TestEvidence, at, noon};
use crate::database::staff::{close, merge};

const NAME: &str = "manual:WIRE-1";

/// Anna's entry of a movement of the payment.
fn entry(kind: FactKind, name: &str, value: &str, request: &str) -> Evidence {
    let reported = TestEvidence::reported(kind, name, name, euro(value)).through(EvidenceChannel::Staff);
    Evidence {
        event_id: format!("user:anna:{request}"),
        actor: "user:anna".to_owned(),
        reason: Some("seen at the bank".to_owned()),
        ..reported.evidence
    }
}

fn paying(evidence: Evidence, invoice: InvoiceId) -> Evidence {
    Evidence { invoice: Some(InvoiceReference::Id(invoice)), ..evidence }
}

fn decision(evidence: Evidence) -> StaffInstruction {
    StaffInstruction { command: StaffCommand::Entry(evidence), correlation_id: "test".to_owned(), decided_at: noon() }
}

impl Scene {
    async fn enter(&self, evidence: Evidence) -> Vec<String> {
        self.decide(&decision(evidence)).await
    }

    async fn enter_at(&self, evidence: Evidence, now: DateTime<Utc>) {
        decide(&self.processor, &decision(evidence), at(now)).await.unwrap();
    }

    /// Somebody approves the entry about a payment.
    async fn approve(&self, name: &str, actor: &str, request: &str) -> Vec<String> {
        let case = self.test.case("entered_by_hand").await;
        let mut decision = close(name, case, CaseDecision::Approve, request);
        if let StaffCommand::Case(command) = &mut decision.command {
            actor.clone_into(&mut command.actor);
        }
        self.decide(&decision).await
    }

    async fn open_kinds(&self) -> Vec<String> {
        sqlx::query_scalar("select kind from payments.cases where status = 'open' order by kind")
            .fetch_all(&self.test.admin)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_payment_that_finance_enters_pays_its_invoice_once() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let evidence = paying(entry(FactKind::Capture, NAME, "100.00", "r1"), invoice);
    assert_eq!(scene.enter(evidence.clone()).await, ["invoice.paid"]);
    assert_eq!(scene.enter(evidence.clone()).await, Vec::<String>::new(), "the message comes again");
    let other = Evidence { amount: Some(euro("90.00").positive().unwrap()), ..evidence };
    assert_eq!(scene.enter(other).await, ["other content"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    let record = "select actor || ': ' || reason from audit.records where action = 'payment.evidence_recorded'";
    let record = scene.test.text(record).await;
    assert!(record.starts_with("user:anna: capture of 100.00 EUR entered by hand (seen at the bank)"), "{record}");
    // The bank line is better evidence of the same money.
    scene.receive(&[TestEvidence::bank_line("manual:BANK-7", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn above_the_limit_an_entry_waits_until_somebody_else_approves_it() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("12000.00").await;
    assert_eq!(
        scene.enter(paying(entry(FactKind::Capture, NAME, "12000.00", "r1"), invoice)).await,
        Vec::<String>::new()
    );
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    assert_eq!(scene.test.payment(NAME).await.0, "pending", "it is a claim until then");
    assert_eq!(scene.open_kinds().await, ["entered_by_hand"]);
    assert_eq!(scene.enter(entry(FactKind::Refund, NAME, "1.00", "r2")).await, Vec::<String>::new());
    let refused = "select reason from audit.records where action = 'payment.evidence_refused'";
    assert_eq!(scene.test.text(refused).await, "another entry about the payment waits for a second person");

    let case = scene.test.case("entered_by_hand").await;
    assert_eq!(scene.approve(NAME, "user:anna", "a1").await, Vec::<String>::new());
    let refusal = "the person who entered it by hand cannot decide about it; another person has to".to_owned();
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal)));
    assert_eq!(scene.approve(NAME, "user:ben", "a2").await, ["invoice.paid"]);
    assert_eq!(scene.test.outcome(case).await, (Some("approved".to_owned()), None));
    assert_eq!(scene.paid(invoice).await, ["paid", "12000"]);
    assert_eq!(scene.open_kinds().await, Vec::<String>::new());
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn many_small_entries_of_one_payer_on_one_day_are_one_large_one() {
    let scene = Scene::begin().await;
    let other_client = scene.test.client().await;
    let (one, two) = (scene.invoice("6000.00").await, scene.invoice("6000.00").await);
    let others = scene.test.open_invoice(other_client, "6000.00", "EUR").await;
    let named =
        |name: &str, request: &str, invoice| paying(entry(FactKind::Capture, name, "6000.00", request), invoice);
    scene.enter(named("manual:W-1", "r1", one)).await;
    scene.enter(named("manual:W-2", "r2", two)).await;
    assert_eq!(
        (scene.paid(one).await, scene.paid(two).await),
        (["paid", "6000"].map(str::to_owned), ["open", "0"].map(str::to_owned))
    );
    assert_eq!(scene.open_kinds().await, ["entered_by_hand"]);
    scene.enter(named("manual:W-3", "r3", others)).await;
    assert_eq!(scene.paid(others).await, ["paid", "6000"], "it is another payer's");
    let tomorrow = scene.invoice("6000.00").await;
    scene.enter_at(named("manual:W-4", "r4", tomorrow), noon() + TimeDelta::days(1)).await;
    assert_eq!(scene.paid(tomorrow).await, ["paid", "6000"], "it is another day");
}

#[tokio::test]
async fn of_two_entries_at_once_that_are_too_much_together_one_waits() {
    let scene = Scene::begin().await;
    let (one, two) = (scene.invoice("6000.00").await, scene.invoice("6000.00").await);
    let entries = [("manual:W-1", one), ("manual:W-2", two)]
        .map(|(name, invoice)| decision(paying(entry(FactKind::Capture, name, "6000.00", name), invoice)));
    let (left, right) = tokio::join!(scene.decide(&entries[0]), scene.decide(&entries[1]));
    assert_eq!(left.len() + right.len(), 1, "{left:?} {right:?}");
    assert_eq!(scene.open_kinds().await, ["entered_by_hand"]);
}

#[tokio::test]
async fn a_reversal_that_finance_enters_takes_the_money_back() {
    let scene = Scene::begin().await;
    let (small, large) = (scene.invoice("100.00").await, scene.invoice("12000.00").await);
    scene
        .receive(&[
            TestEvidence::bank_line("manual:B-1", Some(small), euro("100.00")),
            TestEvidence::bank_line("manual:B-2", Some(large), euro("12000.00")),
        ])
        .await;
    let taken = scene.enter(entry(FactKind::Reversal, "manual:B-1", "100.00", "r1")).await;
    assert_eq!(taken, ["invoice.reopened"]);
    assert_eq!(scene.paid(small).await, ["open", "0"]);
    scene.enter(entry(FactKind::Reversal, "manual:B-2", "12000.00", "r2")).await;
    assert_eq!(scene.paid(large).await, ["paid", "12000"], "it waits");
    let amount = "select trim_scale(amount)::text from payments.cases where kind = 'entered_by_hand'";
    assert_eq!(scene.test.text(amount).await, "-12000", "below zero: it went back");
    assert_eq!(scene.approve("manual:B-2", "user:ben", "a1").await, ["invoice.reopened"]);
    assert_eq!(scene.paid(large).await, ["open", "0"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn money_that_the_bank_reports_meanwhile_is_not_approved_as_well() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("12000.00").await;
    scene.enter(paying(entry(FactKind::Capture, NAME, "12000.00", "r1"), invoice)).await;
    let case = scene.test.case("entered_by_hand").await;
    scene.receive(&[TestEvidence::bank_line("manual:BANK-7", Some(invoice), euro("12000.00"))]).await;
    assert_eq!(scene.test.outcome(case).await, (Some("settled".to_owned()), None));
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
    assert_eq!(scene.paid(invoice).await, ["paid", "12000"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_dismissed_entry_counts_for_nothing() {
    let scene = Scene::begin().await;
    scene.enter(entry(FactKind::Capture, NAME, "12000.00", "r1")).await;
    let case = scene.test.case("entered_by_hand").await;
    scene.decide(&close(NAME, case, CaseDecision::Dismiss, "d1")).await;
    assert_eq!(scene.test.outcome(case).await, (Some("dismissed".to_owned()), None));
    assert_eq!(scene.test.payment(NAME).await, ("pending".to_owned(), "0".to_owned(), "0".to_owned()));
    assert_eq!(scene.test.count("select count(*) from payments.facts where kind = 'capture'").await, 0);
}

#[tokio::test]
async fn money_of_an_unknown_payer_that_finance_enters_waits_in_suspense() {
    let scene = Scene::begin().await;
    assert_eq!(scene.enter(entry(FactKind::Capture, NAME, "50.00", "r1")).await, ["payment.surplus_recorded"]);
    assert_eq!(scene.open_kinds().await, ["surplus"]);
    assert_eq!(scene.enter(entry(FactKind::Capture, "manual:W-2", "9960.00", "r2")).await, Vec::<String>::new());
    assert_eq!(scene.open_kinds().await, ["entered_by_hand", "surplus"], "unknown payers are one payer");
    scene.assert_books_hold().await;
}

/// Why entries were refused.
async fn refusals(scene: &Scene) -> Vec<String> {
    sqlx::query_scalar("select reason from audit.records where action = 'payment.evidence_refused' order by id")
        .fetch_all(&scene.test.admin)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_small_entry_undoes_nothing_large() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("50000.00").await;
    scene.receive(&[TestEvidence::bank_line("manual:B-1", Some(invoice), euro("50000.00"))]).await;
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "manual:B-1", "R-1", euro("50000.00"))]).await;
    let cent =
        |kind, request: &str| Evidence { movement: "R-1".to_owned(), ..entry(kind, "manual:B-1", "0.01", request) };
    scene.enter(cent(FactKind::RefundFailure, "r1")).await;
    assert_eq!(refusals(&scene).await, ["refund R-1 is of 50000.00 EUR"]);
    let failure =
        Evidence { movement: "R-1".to_owned(), ..entry(FactKind::RefundFailure, "manual:B-1", "50000.00", "r2") };
    scene.enter(failure).await;
    assert!(scene.open_kinds().await.contains(&"entered_by_hand".to_owned()), "it waits for a second person");
    let other = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::bank_line("manual:B-2", Some(other), euro("100.00"))]).await;
    scene.enter(entry(FactKind::Capture, "manual:B-2", "0.01", "r3")).await;
    assert_eq!(scene.paid(other).await, ["paid", "100"], "what is proven is not made less");
    let refused = refusals(&scene).await;
    assert_eq!(refused[1], "the payment is proven already; money beyond it is a payment of its own");
}

#[tokio::test]
async fn an_entry_for_several_payers_counts_in_full_for_each() {
    let scene = Scene::begin().await;
    let theirs = scene.test.open_invoice(scene.test.client().await, "100.00", "EUR").await;
    let (ours, other) = (scene.invoice("8000.00").await, scene.invoice("8000.00").await);
    let both = Evidence {
        further_invoices: vec![InvoiceReference::Id(ours)],
        ..paying(entry(FactKind::Capture, NAME, "8100.00", "r1"), theirs)
    };
    scene.enter(both).await;
    assert_eq!(scene.paid(ours).await, ["paid", "8000"]);
    scene.enter(paying(entry(FactKind::Capture, "manual:W-2", "8000.00", "r2"), other)).await;
    assert_eq!(scene.paid(other).await, ["open", "0"], "the first named another's invoice before");
}

#[tokio::test]
async fn who_enters_money_does_not_say_whose_it_is_afterwards() {
    let scene = Scene::begin().await;
    let ours = scene.invoice("100.00").await;
    scene.enter(entry(FactKind::Capture, NAME, "100.00", "r2")).await;
    let case = scene.test.case("surplus").await;
    let by = |actor: &str, request: &str| {
        let mut decision = close(NAME, case, CaseDecision::Apply { invoice_id: ours }, request);
        if let StaffCommand::Case(command) = &mut decision.command {
            actor.clone_into(&mut command.actor);
        }
        decision
    };
    scene.decide(&by("user:anna", "d1")).await;
    assert_eq!(scene.paid(ours).await, ["open", "0"]);
    scene.decide(&by("user:ben", "d2")).await;
    assert_eq!(scene.paid(ours).await, ["paid", "100"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn what_another_source_reports_meanwhile_is_not_approved_once_more() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("12000.00").await;
    scene.receive(&[TestEvidence::bank_line("manual:B-1", Some(invoice), euro("12000.00"))]).await;
    scene
        .enter(Evidence { movement: "OUT-1".to_owned(), ..entry(FactKind::Reversal, "manual:B-1", "12000.00", "r1") })
        .await;
    let case = scene.test.case("entered_by_hand").await;
    let returned = TestEvidence::reported(FactKind::Reversal, "manual:B-1", "RET-7", euro("12000.00"))
        .through(EvidenceChannel::Bank);
    scene.receive(&[returned]).await;
    scene.approve("manual:B-1", "user:ben", "a1").await;
    let (resolution, refusal) = scene.test.outcome(case).await;
    assert_eq!(resolution, None);
    assert!(refusal.unwrap().starts_with("money of the payment was returned or reported again since"));
    assert_eq!(scene.test.payment("manual:B-1").await.0, "reversed");
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_payment_is_not_merged_away_while_an_entry_about_it_waits() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("12000.00").await;
    scene.receive(&[TestEvidence::bank_line("manual:B-1", Some(invoice), euro("12000.00"))]).await;
    scene.enter(entry(FactKind::Reversal, "manual:B-1", "12000.00", "r1")).await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("12000.00"))]).await;
    scene.decide(&merge("stripe:pi_1", "manual:B-1", "m1")).await;
    let refusal = "select reason from audit.records where action = 'payment.merge_refused'";
    assert_eq!(
        scene.test.text(refusal).await,
        "an entry about the duplicate waits for a second person; decide its case first"
    );
    assert_eq!(scene.open_kinds().await, ["entered_by_hand", "surplus"]);
}
