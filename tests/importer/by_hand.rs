//! What staff do where matching is not sure, or wrong.

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
use super::{Desk, MINUTES, euros, pair};
use crate::database::scene::{Said, at, noon};
use crate::database::staff::{close, merge};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

fn unmatch(payment: &TransactionId, invoice_id: InvoiceId, request: &str) -> StaffInstruction {
    let order = UnmatchPayment {
        transaction_id: payment.clone(),
        invoice_id,
        reason: "it is another's money".to_owned(),
        actor: "user:finance".to_owned(),
        request: request.to_owned(),
    };
    StaffInstruction { order: StaffCommand::Unmatch(order), correlation_id: "test".to_owned(), decided_at: noon() }
}

impl Desk {
    /// A client shows a picture of a payment.
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
        if let StaffCommand::Case(order) = &mut decision.order {
            actor.clone_into(&mut order.actor);
        }
        self.decide(&decision).await;
    }
}

#[tokio::test]
async fn taking_a_line_away_from_an_invoice_touches_no_other_line() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "100.00").await;
    let entries = [Entry::credit("60.00", "Nord", "2026-0001"), Entry::credit("40.00", "Nord", "2026-0001")];
    let upload = desk.statement(&camt(&entries)).await;
    assert_eq!(desk.paid(invoice).await, pair("paid", "100"));
    let names: Vec<TransactionId> =
        desk.lines(&upload).await.iter().map(|view| view.line.decision.transaction_id.clone().unwrap()).collect();
    for _ in 0..2 {
        desk.decide(&unmatch(&names[0], invoice, "r-1")).await;
    }
    assert_eq!(desk.paid(invoice).await, pair("partially_paid", "40"));
    assert_eq!(desk.test.payment(names[0].as_str()).await.2, "60", "its money waits for staff");
    assert_eq!(desk.test.payment(names[1].as_str()).await.1, "40");
    assert_eq!(desk.test.open_cases().await.len(), 1);
    desk.statement(&camt(&entries)).await;
    assert_eq!(desk.paid(invoice).await, pair("partially_paid", "40"), "no file brings it back");
    desk.test.assert_books_hold().await;
}

#[tokio::test]
async fn what_staff_put_at_an_invoice_can_be_taken_away_and_what_is_not_there_cannot() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "100.00").await;
    let upload = desk.statement(&camt(&[Entry::credit("100.00", "Somebody", "thanks")])).await;
    let name = desk.lines(&upload).await[0].line.decision.transaction_id.clone().unwrap();
    desk.decide(&unmatch(&name, invoice, "r-0")).await;
    let refused = "select count(*) from audit.records where action = 'payment.unmatch_refused'";
    assert_eq!(desk.test.count(refused).await, 1);
    let case = desk.test.case("surplus").await;
    desk.decide(&close(name.as_str(), case, CaseDecision::Apply { invoice_id: invoice }, "r-1")).await;
    assert_eq!(desk.paid(invoice).await, pair("paid", "100"));
    desk.decide(&unmatch(&name, invoice, "r-2")).await;
    assert_eq!(desk.paid(invoice).await, pair("open", "0"));
    desk.test.assert_books_hold().await;
}

#[tokio::test]
async fn an_approved_picture_pays_and_the_bank_line_that_comes_later_is_the_same_money() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "100.00").await;
    desk.show_picture(nord, "2026-0001", "100.00").await;
    assert_eq!(desk.paid(invoice).await, pair("open", "0"));
    desk.approve("user:anna", "r-1").await;
    assert_eq!(desk.paid(invoice).await, pair("paid", "100"));
    assert_eq!(desk.test.open_cases().await, []);
    desk.statement(&camt(&[Entry::credit("100.00", "Nord", "2026-0001")])).await;
    assert_eq!(desk.test.payment("manual:WIRE-2026.1").await.2, "0");
    assert_eq!(desk.test.count("select count(*) from payments.payments").await, 1);
    desk.test.assert_books_hold().await;
}

#[tokio::test]
async fn a_bank_line_closes_the_case_of_a_picture() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    desk.invoice(nord, "2026-0001", "100.00").await;
    desk.show_picture(nord, "2026-0001", "100.00").await;
    let case = desk.test.case("claimed").await;
    desk.statement(&camt(&[Entry::credit("100.00", "Somebody", "").end_to_end("WIRE-2026.1")])).await;
    assert_eq!(desk.test.outcome(case).await, (Some("settled".to_owned()), None));
}

#[tokio::test]
async fn above_a_limit_a_second_person_has_to_approve() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "10000.01").await;
    desk.show_picture(nord, "2026-0001", "10000.01").await;
    let case = desk.test.case("claimed").await;
    for request in ["r-1", "r-2"] {
        desk.approve("user:anna", request).await;
    }
    let refusal = "above 10000 of one payer on one day a second person has to approve".to_owned();
    assert_eq!(desk.test.outcome(case).await, (None, Some(refusal)));
    assert_eq!(desk.paid(invoice).await, pair("open", "0"));
    desk.approve("user:bert", "r-3").await;
    assert_eq!(desk.test.outcome(case).await, (Some("approved".to_owned()), None));
    assert_eq!(desk.paid(invoice).await, pair("paid", "10000.01"));
    desk.test.assert_books_hold().await;
}

#[tokio::test]
async fn a_payment_that_was_taken_away_stays_so_when_it_is_merged_into_its_twin() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "100.00").await;
    let first = desk.statement(&camt(&[Entry::credit("60.00", "Nord", "2026-0001")])).await;
    let second = desk.statement(&camt(&[Entry::credit("60.00", "Somebody", "")])).await;
    let twin = desk.lines(&first).await[0].line.decision.transaction_id.clone().unwrap();
    let kept = desk.lines(&second).await[0].line.decision.transaction_id.clone().unwrap();
    desk.decide(&unmatch(&twin, invoice, "r-1")).await;
    desk.decide(&merge(kept.as_str(), twin.as_str(), "r-2")).await;
    assert_eq!(desk.paid(invoice).await, pair("open", "0"));
    desk.test.assert_books_hold().await;
}

#[tokio::test]
async fn what_was_approved_is_what_staff_saw_and_nobody_approves_an_upload_of_their_own() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let invoice = desk.invoice(nord, "2026-0001", "9000.00").await;
    desk.show_picture(nord, "2026-0001", "50.00").await;
    let case = desk.test.case("claimed").await;
    desk.approve("user:finance", "r-0").await;
    let refusal = "whoever uploaded the picture cannot approve it; somebody else has to".to_owned();
    assert_eq!(desk.test.outcome(case).await, (None, Some(refusal)));
    // An earlier day makes it what the client says first.
    let claim = Said::claim("manual:WIRE-2026.1", Some(invoice), euros("9000.00")).again("later", -TimeDelta::days(9));
    settle(&desk.processor, &[claim.instruction()], at(noon())).await.unwrap();
    desk.approve("user:anna", "r-1").await;
    let refusal = "the case is not about 50.00 EUR any more; look at it again".to_owned();
    assert_eq!(desk.test.outcome(case).await, (None, Some(refusal)));
    assert_eq!(desk.test.count("select count(*) from payments.facts where kind = 'capture'").await, 0);
    assert_eq!(desk.paid(invoice).await, pair("open", "0"));
}

#[tokio::test]
async fn what_one_person_approves_of_a_payer_on_one_day_counts_together() {
    let desk = Desk::begin().await;
    let nord = desk.client("Nord").await;
    let (one, two) =
        (desk.invoice(nord, "2026-0001", "6000.00").await, desk.invoice(nord, "2026-0002", "6000.00").await);
    desk.show_picture(nord, "2026-0001", "6000.00").await;
    desk.approve("user:anna", "r-1").await;
    assert_eq!(desk.paid(one).await, pair("paid", "6000"));
    let claim = Said::claim("manual:WIRE-2", Some(two), euros("6000.00"));
    let mut claim = claim.by_client(nord).through(EvidenceChannel::Confirmation);
    claim.evidence.attachment = Some("upl_019a3f6034567f5e8899aabbccddee03".parse().unwrap());
    settle(&desk.processor, &[claim.instruction()], at(noon())).await.unwrap();
    let case = desk.test.case("claimed").await;
    let mut decision = close("manual:WIRE-2", case, CaseDecision::Approve, "r-2");
    if let StaffCommand::Case(order) = &mut decision.order {
        "user:ben".clone_into(&mut order.actor);
    }
    desk.decide(&decision).await;
    assert_eq!(desk.paid(two).await, pair("open", "0"), "12,000 of one payer are too much for single persons");
}
