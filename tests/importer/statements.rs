//! Which invoices each line of a statement pays.

use quittance_domain::creditor_reference::CreditorReference;
use quittance_domain::upload::{LineOutcome, UploadKind, UploadStatus};
use quittance_importer::import::ImportEnd;

use super::statement::{Entry, camt, camt_closing};
use super::{ImportScene, MINUTES, euros, pair};
use crate::database::scene::{TestEvidence, at, noon};

#[tokio::test]
async fn each_line_pays_what_it_names_and_the_rest_is_left_with_a_reason() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let referenced = scene.invoice(nord, "2026-0001", "100.00").await;
    let (first, second) =
        (scene.invoice(nord, "2026-0002", "40.00").await, scene.invoice(nord, "2026-0003", "60.00").await);
    let short = scene.invoice(nord, "2026-0004", "500.00").await;
    let reference = CreditorReference::of_number("2026-0001").unwrap().to_string();
    let upload = scene
        .statement(&camt(&[
            Entry::credit("100.00", "Anybody", &reference),
            Entry::credit("100.00", "SCHRAUBEN NORD GMBH", "2026-0002, 2026-0003"),
            Entry::credit("497.50", "Schrauben Nord", "Invoice 2026-0004").sent_as("500.00"),
            Entry::credit("12.34", "Finanzamt", "Erstattung"),
            Entry::debit("20.00", "Telecom"),
            Entry::credit("40.00", "Schrauben Nord", "2026-0002").pending(),
        ]))
        .await;
    assert_eq!(scene.outcomes(&upload).await, ["matched", "matched", "matched", "unmatched", "ignored", "ignored"]);
    assert_eq!(scene.paid(referenced).await, pair("paid", "100"));
    assert_eq!((scene.paid(first).await, scene.paid(second).await), (pair("paid", "40"), pair("paid", "60")));
    assert_eq!(scene.paid(short).await, pair("partially_paid", "497.5"));
    let lines = scene.lines(&upload).await;
    let reason = |place: usize| lines[place].line.decision.reason.clone().unwrap();
    assert!(reason(2).contains("less 2.50 EUR, which banks took"), "{}", reason(2));
    assert_eq!(reason(4), "money left the account");
    assert_eq!(reason(5), "it is not booked yet; the statement that books it counts");
    assert!(lines[3].payment_status.is_some(), "it waits for staff as a payment of its own");
    assert_eq!(scene.test.open_cases().await.len(), 1);
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn staff_see_the_best_candidates_of_an_unmatched_line() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let upload = scene.statement(&camt(&[Entry::credit("70.00", "Somebody", "2026-0001")])).await;
    let lines = scene.lines(&upload).await;
    let candidates = lines[0].line.decision.candidates.clone().unwrap();
    assert_eq!(candidates[0]["invoice_id"], invoice.to_string());
    assert_eq!(candidates[0]["score"], 35);
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
}

#[tokio::test]
async fn a_claim_and_the_line_that_bears_its_name_are_one_payment() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let claim = TestEvidence::claim("manual:WIRE-2026.77", Some(invoice), euros("100.00"));
    quittance_processor::settle::settle(&scene.processor, &[claim.instruction()], at(noon())).await.unwrap();
    let upload = scene.statement(&camt(&[Entry::credit("100.00", "Holding SE", "").end_to_end("WIRE-2026.77")])).await;
    assert_eq!(scene.outcomes(&upload).await, ["matched"]);
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
}

#[tokio::test]
async fn a_returned_transfer_reopens_what_it_paid() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let received = Entry::credit("100.00", "Schrauben Nord", "2026-0001").end_to_end("E2E-4711");
    scene.statement(&camt(std::slice::from_ref(&received))).await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    let taken_back = Entry::debit("100.00", "Schrauben Nord").end_to_end("E2E-4711").returned().on("2026-11-05");
    let upload = scene.statement(&camt(&[taken_back.clone(), taken_back.end_to_end("E2E-0000")])).await;
    assert_eq!(scene.outcomes(&upload).await, ["returned", "rejected"]);
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn a_statement_that_does_not_add_up_or_breaks_off_is_refused_whole() {
    let scene = ImportScene::begin().await;
    let entries = [Entry::credit("100.00", "Nord", "2026-0001"), Entry::credit("1.00", "Nord", "2026-0002")];
    let wrong = camt_closing(&entries, |closing| closing.checked_add(euros("0.01")).unwrap());
    let whole = camt(&entries);
    let doctype = whole.replace("<Document", "<!DOCTYPE x [<!ENTITY a \"b\">]><Document");
    let yen = whole.replace("<Amt Ccy=\"EUR\">1.00</Amt>", "<Amt Ccy=\"JPY\">1.50</Amt>");
    for (file, refusal) in [
        (wrong.as_str(), "the opening balance and the entries make"),
        (&whole[..whole.len() - 40], "line 1"),
        (&doctype, "DOCTYPE"),
        (&yen, "JPY"),
    ] {
        let upload = scene.announce(UploadKind::BankStatement, None, None).await;
        assert_eq!(scene.step(&upload, file.as_bytes(), MINUTES).await.unwrap(), ImportEnd::Finished);
        let upload = scene.outcome(&upload).await;
        assert_eq!(upload.status, UploadStatus::Refused);
        assert!(upload.refusal.as_ref().unwrap().contains(refusal), "{:?}", upload.refusal);
        assert!(scene.lines(&upload).await.is_empty());
    }
    assert_eq!(scene.services.take_sent(), []);
}

#[tokio::test]
async fn a_wrong_match_waits_for_staff_to_be_moved_and_theirs_stays() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let upload = scene.statement(&camt(&[Entry::credit("100.00", "Somebody", "thanks")])).await;
    let name = scene.lines(&upload).await[0].line.decision.transaction_id.clone().unwrap();
    let case = scene.test.case("surplus").await;
    let apply = quittance_domain::case::CaseDecision::Apply { invoice_id: invoice };
    scene.decide(&crate::database::staff::close(name.as_str(), case, apply, "r-1")).await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    let again = scene.statement(&camt(&[Entry::credit("100.00", "Somebody", "thanks")])).await;
    assert_eq!(scene.lines(&again).await[0].line.decision.outcome, LineOutcome::Duplicate);
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
}
