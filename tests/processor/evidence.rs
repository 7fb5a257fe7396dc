//! The effects of a batch of evidence: what it pays, what remains unapplied, the events, and what it does not touch.

use chrono::TimeDelta;
use quittance_domain::error::Chain;
use quittance_processor::settle::settle;
use serde_json::Value;

use super::{ROLE, emitted, settle_all, surplus};
use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

#[tokio::test]
async fn a_capture_pays_its_invoice_and_emits_an_event() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let messages =
        settle_all(&processor, &[TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR"))]).await.unwrap();
    assert_eq!(test.invoice(invoice).await, ("paid".to_owned(), "100".to_owned(), 3));
    assert_eq!(emitted(&messages), ["invoice.paid"]);
    let body: Value = serde_json::from_str(&messages[0].body).unwrap();
    assert_eq!(body["data"]["allocated"]["value"], "100.00");
    assert_eq!(body["invoiceversion"], 3);
    assert_eq!(test.text("select body from payments.outbox").await, messages[0].body);
    let audited = test.text("select after #>> '{movements,0,invoice,status}' from audit.records").await;
    assert_eq!(audited, "paid");
}

#[tokio::test]
async fn a_payment_delivered_twice_posts_once() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let reported = TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR"));
    settle_all(&processor, &[reported.clone(), reported.clone()]).await.unwrap();
    let again = settle_all(&processor, std::slice::from_ref(&reported)).await.unwrap();
    assert_eq!(emitted(&again), Vec::<&str>::new());
    // Stripe also sends the same capture under another event id.
    let renamed = reported.again("evt_2", TimeDelta::seconds(1));
    assert_eq!(emitted(&settle_all(&processor, &[renamed]).await.unwrap()), ["payment.duplicate_recorded"]);
    assert_eq!(test.payment("stripe:pi_1").await, ("confirmed".to_owned(), "100".to_owned(), "0".to_owned()));
    assert_eq!(test.count("select count(*) from payments.allocations").await, 1);
    assert_eq!(test.count("select count(*) from payments.outbox where type = 'invoice.paid'").await, 1);
}

#[tokio::test]
async fn parts_pay_an_invoice_in_part_and_then_in_full() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let part = |reference: &str| TestEvidence::capture(reference, Some(invoice), money("50.00", "EUR"));
    assert_eq!(emitted(&settle_all(&processor, &[part("pi_1")]).await.unwrap()), ["invoice.partially_paid"]);
    assert_eq!(test.invoice(invoice).await, ("partially_paid".to_owned(), "50".to_owned(), 3));
    assert_eq!(emitted(&settle_all(&processor, &[part("pi_2")]).await.unwrap()), ["invoice.paid"]);
    assert_eq!(test.invoice(invoice).await, ("paid".to_owned(), "100".to_owned(), 4));
}

#[tokio::test]
async fn a_claim_alone_leaves_payment_and_invoice_as_they_were() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let claim = TestEvidence::claim("pi_1", Some(invoice), money("100.00", "EUR"));
    let messages = settle_all(&processor, &[claim]).await.unwrap();
    assert_eq!(emitted(&messages), Vec::<&str>::new());
    assert_eq!(test.payment("stripe:pi_1").await, ("pending".to_owned(), "0".to_owned(), "0".to_owned()));
    assert_eq!(test.invoice(invoice).await, ("open".to_owned(), "0".to_owned(), 2));
}

#[tokio::test]
async fn claim_and_capture_end_the_same_in_either_order() {
    let mut ends = Vec::new();
    for is_claim_first in [true, false] {
        let test = TestDatabase::migrated().await;
        let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
        let processor = test.as_role(ROLE, 1).await;
        let claim = TestEvidence::claim("pi_1", Some(invoice), money("100.00", "EUR"));
        // The captured amount counts, not the claimed one.
        let mut reported = [claim, TestEvidence::capture("pi_1", Some(invoice), money("90.00", "EUR"))];
        if !is_claim_first {
            reported.reverse();
        }
        for one in reported {
            settle_all(&processor, &[one]).await.unwrap();
        }
        ends.push((test.payment("stripe:pi_1").await, test.invoice(invoice).await, test.open_cases().await));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].0, ("confirmed".to_owned(), "90".to_owned(), "0".to_owned()));
    assert_eq!(ends[0].1, ("partially_paid".to_owned(), "90".to_owned(), 3));
}

#[tokio::test]
async fn money_that_no_invoice_can_take_is_kept_whole_with_a_case() {
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let voided = test.open_invoice(client, "100.00", "EUR").await;
    sqlx::query("update billing.invoices set status = 'void', version = 3").execute(&test.admin).await.unwrap();
    let open = test.open_invoice(client, "100.00", "EUR").await;
    let unknown = "inv_00000000000000000000000000000001".parse().unwrap();
    let processor = test.as_role(ROLE, 1).await;
    let reported = [
        TestEvidence::capture("pi_void", Some(voided), money("100.00", "EUR")),
        TestEvidence::capture("pi_unknown", Some(unknown), money("100.00", "EUR")),
        TestEvidence::capture("pi_unnamed", None, money("100.00", "EUR")),
        TestEvidence::capture("pi_currency", Some(open), money("100", "JPY")),
        TestEvidence::capture("pi_over", Some(open), money("130.00", "EUR")),
    ];
    let messages = settle_all(&processor, &reported).await.unwrap();
    let kept =
        |status: &str, allocated: &str, surplus: &str| (status.to_owned(), allocated.to_owned(), surplus.to_owned());
    for reference in ["void", "unknown", "unnamed", "currency"] {
        let name = format!("stripe:pi_{reference}");
        assert_eq!(test.payment(&name).await, kept("confirmed", "0", "100"), "{reference}");
    }
    assert_eq!(test.payment("stripe:pi_over").await, kept("confirmed", "100", "30"));
    assert_eq!(test.invoice(open).await.0, "paid");
    let reasons = ["not_payable", "overpaid", "unknown_invoice", "unknown_invoice", "wrong_currency"];
    assert_eq!(test.open_cases().await, reasons.map(surplus));
    assert_eq!(messages.iter().filter(|message| message.event_type == "payment.surplus_recorded").count(), 5);
    // The payer is known only if an invoice is named.
    let in_suspense = "select count(*) from payments.credits where client_id is null";
    assert_eq!(test.count(in_suspense).await, 2);
}

#[tokio::test]
async fn a_client_cannot_pay_anothers_invoice_nor_attach_a_payment_to_it() {
    let test = TestDatabase::migrated().await;
    let (own, other) = (test.client().await, test.client().await);
    let foreign = test.open_invoice(other, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let claim = TestEvidence::claim("pi_1", Some(foreign), money("100.00", "EUR")).by_client(own);
    settle_all(&processor, &[claim]).await.unwrap();
    let attached = "select count(*) from payments.payments join payments.facts on payment_id = payments.id
                    where payments.invoice_id is not null or facts.invoice_id is not null";
    assert_eq!(test.count(attached).await, 0);
    // The gateway names no invoice: the claim must not assign another client's payment to the claimant.
    settle_all(&processor, &[TestEvidence::capture("pi_1", None, money("100.00", "EUR"))]).await.unwrap();
    assert_eq!(test.invoice(foreign).await, ("open".to_owned(), "0".to_owned(), 2));
    assert_eq!(test.payment("stripe:pi_1").await, ("confirmed".to_owned(), "0".to_owned(), "100".to_owned()));
}

#[tokio::test]
async fn what_the_outbox_refuses_leaves_nothing_of_the_payment_behind() {
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let invoice = test.open_invoice(client, "100.00", "EUR").await;
    // An event has the client's address; this one makes it exceed the maximum size of an event.
    sqlx::query("update billing.clients set address = array[repeat('x', 21000)]").execute(&test.admin).await.unwrap();
    let processor = test.as_role(ROLE, 1).await;
    let error = settle_all(&processor, &[TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR"))]).await;
    let error = error.unwrap_err();
    assert!(Chain(&error).to_string().contains("outbox_body_bounds"), "{error}");
    assert!(!error.is_outage(), "one message's fault must not stop the others");
    let left = "select (select count(*) from payments.payments) + (select count(*) from payments.facts)
        + (select count(*) from payments.allocations) + (select count(*) from payments.outbox)
        + (select count(*) from audit.records)";
    assert_eq!(test.count(left).await, 0);
    assert_eq!(test.invoice(invoice).await, ("open".to_owned(), "0".to_owned(), 2));
}

#[tokio::test]
async fn a_payment_that_two_clients_claim_pays_the_invoice_of_neither() {
    let test = TestDatabase::migrated().await;
    let (one, other) = (test.client().await, test.client().await);
    let mine = test.open_invoice(one, "100.00", "EUR").await;
    let theirs = test.open_invoice(other, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let claim = TestEvidence::claim("t", Some(theirs), money("100.00", "EUR")).by_client(other);
    let foreign = TestEvidence::claim("t", Some(mine), money("100.00", "EUR"))
        .by_client(one)
        .again("foreign", TimeDelta::days(-900));
    settle_all(&processor, &[claim]).await.unwrap();
    settle_all(&processor, &[foreign]).await.unwrap();
    settle_all(&processor, &[TestEvidence::capture("t", None, money("100.00", "EUR"))]).await.unwrap();
    for invoice in [mine, theirs] {
        assert_eq!(test.invoice(invoice).await, ("open".to_owned(), "0".to_owned(), 2));
    }
    assert_eq!(
        test.count("select count(*) from payments.payments where client_id is null and invoice_id is null").await,
        1
    );
    assert_eq!(test.open_cases().await, [surplus("unknown_invoice")]);
}

#[tokio::test]
async fn a_claim_that_comes_after_the_money_leads_it_only_with_its_exact_amount() {
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let invoice = test.open_invoice(client, "777.77", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    settle_all(&processor, &[TestEvidence::capture("t", None, money("777.77", "EUR"))]).await.unwrap();
    let claim = |value: &str| {
        TestEvidence::claim("t", Some(invoice), money(value, "EUR")).by_client(client).again(value, TimeDelta::zero())
    };
    settle_all(&processor, &[claim("0.01")]).await.unwrap();
    assert_eq!(test.count("select count(*) from payments.payments where client_id is null").await, 1);
    settle_all(&processor, &[claim("777.77")]).await.unwrap();
    assert_eq!(test.invoice(invoice).await.0, "paid");
    assert_eq!(test.open_cases().await, []);
}

#[tokio::test]
async fn a_message_with_the_event_id_of_another_is_a_conflict_and_has_no_effect() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(ROLE, 1).await;
    let first = TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR"));
    settle_all(&processor, std::slice::from_ref(&first)).await.unwrap();
    let namesakes = [
        TestEvidence::capture("pi_2", None, money("100.00", "EUR")).again(&first.evidence.event_id, TimeDelta::zero()),
        TestEvidence::capture("pi_1", Some(invoice), money("555.00", "EUR")),
        TestEvidence::capture("pi_3", None, money("1.00", "EUR")),
    ];
    let instructions: Vec<_> = namesakes.iter().map(TestEvidence::instruction).collect();
    let settled = settle(&processor, &instructions, at(noon())).await.unwrap();
    assert_eq!(settled.conflicting, [0, 1].into());
    assert_eq!(test.count("select count(*) from payments.payments where transaction_id = 'stripe:pi_2'").await, 0);
    assert_eq!(test.payment("stripe:pi_3").await, ("confirmed".to_owned(), "0".to_owned(), "1".to_owned()));
}
