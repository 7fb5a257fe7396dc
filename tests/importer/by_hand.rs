//! What staff do when matching is uncertain, or wrong.

use chrono::TimeDelta;
use quittance_domain::case::CaseDecision;
use quittance_domain::command::UnmatchPayment;
use quittance_domain::fact::EvidenceChannel;
use quittance_domain::id::{ClientId, InvoiceId, TransactionId};
use quittance_domain::upload::UploadKind;
use quittance_processor::decide::{StaffCommand, StaffInstruction};
use quittance_processor::settle::settle;
use serde_json::json;

use super::statement::{Entry, camt};
use super::{ImportScene, MINUTES, euros, pair};
use crate::database::scene::{TestEvidence, at, noon};
use crate::database::staff::{close, merge};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

fn unmatch(payment: &TransactionId, invoice_id: InvoiceId, request: &str) -> StaffInstruction {
    let command = UnmatchPayment {
        transaction_id: payment.clone(),
        invoice_id,
        reason: "it is another's money".to_owned(),
        actor: "user:finance".to_owned(),
        request: request.to_owned(),
    };
    StaffInstruction { command: StaffCommand::Unmatch(command), correlation_id: "test".to_owned(), decided_at: noon() }
}

impl ImportScene {
    /// A client uploads an image of a payment.
    async fn show_picture(&self, client: ClientId, number: &str, value: &str) {
        let typed = json!({"payments": [{
            "transaction_id": "WIRE-2026.1", "invoice_number": number, "amount": {"value": value, "currency": "EUR"},
            "paid_on": "2026-11-02",
        }]});
        let upload = self.announce(UploadKind::PaymentConfirmation, Some(client), Some(typed)).await;
        self.step(&upload, PNG, MINUTES).await.unwrap();
        self.settle().await;
    }

    async fn approve(&self, actor: &str, request: &str) {
        let case = self.test.case("claimed").await;
        let mut decision = close("manual:WIRE-2026.1", case, CaseDecision::Approve, request);
        if let StaffCommand::Case(command) = &mut decision.command {
            actor.clone_into(&mut command.actor);
        }
        self.decide(&decision).await;
    }
}

#[tokio::test]
async fn taking_a_line_away_from_an_invoice_touches_no_other_line() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let entries = [Entry::credit("60.00", "Nord", "2026-0001"), Entry::credit("40.00", "Nord", "2026-0001")];
    let upload = scene.statement(&camt(&entries)).await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    let names: Vec<TransactionId> =
        scene.lines(&upload).await.iter().map(|view| view.line.decision.transaction_id.clone().unwrap()).collect();
    for _ in 0..2 {
        scene.decide(&unmatch(&names[0], invoice, "r-1")).await;
    }
    assert_eq!(scene.paid(invoice).await, pair("partially_paid", "40"));
    assert_eq!(scene.test.payment(names[0].as_str()).await.2, "60", "its money waits for staff");
    assert_eq!(scene.test.payment(names[1].as_str()).await.1, "40");
    assert_eq!(scene.test.open_cases().await.len(), 1);
    scene.statement(&camt(&entries)).await;
    assert_eq!(scene.paid(invoice).await, pair("partially_paid", "40"), "no file brings it back");
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn what_staff_put_at_an_invoice_can_be_taken_away_and_what_is_not_there_cannot() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let upload = scene.statement(&camt(&[Entry::credit("100.00", "Somebody", "thanks")])).await;
    let name = scene.lines(&upload).await[0].line.decision.transaction_id.clone().unwrap();
    scene.decide(&unmatch(&name, invoice, "r-0")).await;
    let refused = "select count(*) from audit.records where action = 'payment.unmatch_refused'";
    assert_eq!(scene.test.count(refused).await, 1);
    let case = scene.test.case("surplus").await;
    scene.decide(&close(name.as_str(), case, CaseDecision::Apply { invoice_id: invoice }, "r-1")).await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    scene.decide(&unmatch(&name, invoice, "r-2")).await;
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn an_approved_picture_pays_and_the_bank_line_that_comes_later_is_the_same_money() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    scene.show_picture(nord, "2026-0001", "100.00").await;
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    scene.approve("user:anna", "r-1").await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    assert_eq!(scene.test.open_cases().await, []);
    scene.statement(&camt(&[Entry::credit("100.00", "Nord", "2026-0001")])).await;
    assert_eq!(scene.test.payment("manual:WIRE-2026.1").await.2, "0");
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn a_bank_line_closes_the_case_of_a_picture() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    scene.invoice(nord, "2026-0001", "100.00").await;
    scene.show_picture(nord, "2026-0001", "100.00").await;
    let case = scene.test.case("claimed").await;
    scene.statement(&camt(&[Entry::credit("100.00", "Somebody", "").end_to_end("WIRE-2026.1")])).await;
    assert_eq!(scene.test.outcome(case).await, (Some("settled".to_owned()), None));
}

#[tokio::test]
async fn above_a_limit_a_second_person_has_to_approve() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "10000.01").await;
    scene.show_picture(nord, "2026-0001", "10000.01").await;
    let case = scene.test.case("claimed").await;
    for request in ["r-1", "r-2"] {
        scene.approve("user:anna", request).await;
    }
    let refusal = "above 10000 for one payer on one day a second person has to approve".to_owned();
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal)));
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    scene.approve("user:bert", "r-3").await;
    assert_eq!(scene.test.outcome(case).await, (Some("approved".to_owned()), None));
    assert_eq!(scene.paid(invoice).await, pair("paid", "10000.01"));
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn an_unmatched_payment_stays_unmatched_when_it_is_merged_into_its_duplicate() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let first = scene.statement(&camt(&[Entry::credit("60.00", "Nord", "2026-0001")])).await;
    let second = scene.statement(&camt(&[Entry::credit("60.00", "Somebody", "")])).await;
    let duplicate = scene.lines(&first).await[0].line.decision.transaction_id.clone().unwrap();
    let kept = scene.lines(&second).await[0].line.decision.transaction_id.clone().unwrap();
    scene.decide(&unmatch(&duplicate, invoice, "r-1")).await;
    scene.decide(&merge(kept.as_str(), duplicate.as_str(), "r-2")).await;
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn staff_approve_what_they_saw_and_never_their_own_upload() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "9000.00").await;
    scene.show_picture(nord, "2026-0001", "50.00").await;
    let case = scene.test.case("claimed").await;
    scene.approve("user:finance", "r-0").await;
    let refusal = "the person who uploaded the image cannot approve it; another person has to".to_owned();
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal)));
    // With an earlier date it becomes the first claim.
    let claim =
        TestEvidence::claim("manual:WIRE-2026.1", Some(invoice), euros("9000.00")).again("later", -TimeDelta::days(9));
    settle(&scene.processor, &[claim.instruction()], at(noon())).await.unwrap();
    scene.approve("user:anna", "r-1").await;
    let refusal = "the amount of the case is no longer 50.00 EUR; reload it".to_owned();
    assert_eq!(scene.test.outcome(case).await, (None, Some(refusal)));
    assert_eq!(scene.test.count("select count(*) from payments.facts where kind = 'capture'").await, 0);
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
}

#[tokio::test]
async fn what_one_person_approves_of_a_payer_on_one_day_counts_together() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let (one, two) =
        (scene.invoice(nord, "2026-0001", "6000.00").await, scene.invoice(nord, "2026-0002", "6000.00").await);
    scene.show_picture(nord, "2026-0001", "6000.00").await;
    scene.approve("user:anna", "r-1").await;
    assert_eq!(scene.paid(one).await, pair("paid", "6000"));
    let claim = TestEvidence::claim("manual:WIRE-2", Some(two), euros("6000.00"));
    let mut claim = claim.by_client(nord).through(EvidenceChannel::Confirmation);
    claim.evidence.attachment = Some("upl_019a3f6034567f5e8899aabbccddee03".parse().unwrap());
    settle(&scene.processor, &[claim.instruction()], at(noon())).await.unwrap();
    let case = scene.test.case("claimed").await;
    let mut decision = close("manual:WIRE-2", case, CaseDecision::Approve, "r-2");
    if let StaffCommand::Case(command) = &mut decision.command {
        "user:ben".clone_into(&mut command.actor);
    }
    scene.decide(&decision).await;
    assert_eq!(scene.paid(two).await, pair("open", "0"), "12,000 of one payer are too much for single persons");
}
