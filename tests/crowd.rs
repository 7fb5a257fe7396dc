//! Concurrency: payments that compete for one invoice, and a thousand messages in any order.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::TimeDelta;
use quittance_domain::fact::FactKind;
use quittance_domain::id::InvoiceId;
use quittance_processor::settle::{EvidenceInstruction, settle};
use quittance_store::Database;
use sha2::{Digest, Sha256};
use tokio::sync::{Barrier, Mutex};

use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};
use crate::processor::ROLE;

const WORKERS: u32 = 8;

#[tokio::test]
async fn two_payments_that_meet_at_one_invoice_pay_it_once_and_one_becomes_unapplied_cash() {
    const PAIRS: usize = 50;
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let processor = test.as_role(ROLE, 2).await;
    for pair in 0..PAIRS {
        let invoice = test.open_invoice(client, "100.00", "EUR").await;
        let start = Arc::new(Barrier::new(2));
        let pay = |side: &str| {
            let reported = TestEvidence::capture(&format!("pi_{pair}_{side}"), Some(invoice), money("100.00", "EUR"));
            let (start, processor) = (Arc::clone(&start), processor.clone());
            tokio::spawn(async move {
                start.wait().await;
                settle(&processor, &[reported.instruction()], at(noon())).await
            })
        };
        let (left, right) = (pay("left"), pay("right"));
        left.await.unwrap().unwrap();
        right.await.unwrap().unwrap();
        assert_eq!(test.invoice(invoice).await, ("paid".to_owned(), "100".to_owned(), 3));
    }
    let already_paid = test.count("select count(*) from payments.cases where reason = 'already_paid'").await;
    assert_eq!(already_paid, i64::try_from(PAIRS).unwrap());
    test.assert_books_hold().await;
}

/// Processes batches until none are left, like the instances of the function.
async fn work(processor: Database, batches: Arc<Mutex<VecDeque<Vec<EvidenceInstruction>>>>) {
    loop {
        let Some(batch) = batches.lock().await.pop_front() else { return };
        settle(&processor, &batch, at(noon())).await.unwrap();
    }
}

const PAYMENTS: usize = 100;

/// Ten messages of one payment. Every fourth payment is partially refunded, every fifth is too much, every seventh is
/// disputed; of every ten, two pay one invoice.
fn messages_of(payment: usize, invoices: &[InvoiceId]) -> Vec<TestEvidence> {
    let (reference, invoice) = (format!("pi_{payment}"), invoices[payment / 10 * 10 + (payment % 10).min(8)]);
    let captured = if payment.is_multiple_of(5) { "130.00" } else { "100.00" };
    let emitted = |kind: FactKind, movement: &str, value: &str, hours: i64| {
        TestEvidence::reported(kind, &reference, movement, money(value, "EUR"))
            .again(&format!("{kind} {movement} of {reference}"), TimeDelta::hours(hours))
    };
    let mut reported = vec![
        TestEvidence::claim(&reference, Some(invoice), money("120.00", "EUR")),
        emitted(FactKind::Authorisation, &reference, captured, 1),
        TestEvidence::capture(&reference, Some(invoice), money(captured, "EUR")),
        TestEvidence::capture(&reference, Some(invoice), money(captured, "EUR"))
            .again(&format!("again {payment}"), TimeDelta::hours(2)),
        TestEvidence::bank_line(&reference, None, money(captured, "EUR")),
        emitted(FactKind::Unknown, &reference, captured, 1),
    ];
    if payment.is_multiple_of(4) {
        reported.push(emitted(FactKind::Reversal, "RET-1", "10.00", 3));
        reported.push(emitted(FactKind::Refund, "re_1", "20.00", 4));
    } else if payment.is_multiple_of(7) {
        reported.push(emitted(FactKind::Dispute, "dp_1", captured, 3));
        reported.push(emitted(FactKind::DisputeLost, "dp_1", captured, 4));
    } else {
        reported.push(emitted(FactKind::Refund, "re_1", "5.00", 3));
        reported.push(emitted(FactKind::RefundFailure, "re_1", "5.00", 4));
    }
    reported.push(emitted(FactKind::Expiry, &reference, captured, 5));
    reported.push(emitted(FactKind::Authorisation, "late", captured, 6));
    reported
}

/// All messages ten times, shuffled, in batches of ten.
fn batches_of(messages: &[EvidenceInstruction]) -> VecDeque<Vec<EvidenceInstruction>> {
    const DELIVERIES: usize = 10;
    const BATCH_SIZE: usize = 10;
    let mut deliveries: Vec<(usize, &EvidenceInstruction)> =
        (0..DELIVERIES).flat_map(|round| messages.iter().map(move |message| (round, message))).collect();
    deliveries.sort_by_key(|(round, message)| Sha256::digest(format!("{round} {}", message.evidence.event_id)));
    let batch = |batch: &[(usize, &EvidenceInstruction)]| batch.iter().map(|(_, message)| (*message).clone()).collect();
    deliveries.chunks(BATCH_SIZE).map(batch).collect()
}

#[tokio::test]
async fn a_thousand_messages_of_a_hundred_payments_ten_times_each_by_eight_workers_end_as_if_each_had_come_once() {
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let mut invoices = Vec::new();
    for _ in 0..PAYMENTS {
        invoices.push(test.open_invoice(client, "100.00", "EUR").await);
    }
    let messages: Vec<EvidenceInstruction> = (0..PAYMENTS)
        .flat_map(|payment| messages_of(payment, &invoices))
        .map(|reported| reported.instruction())
        .collect();
    assert_eq!(messages.len(), 1_000);
    let batches = Arc::new(Mutex::new(batches_of(&messages)));
    let processor = test.as_role(ROLE, WORKERS).await;
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(processor.clone(), Arc::clone(&batches)))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    test.assert_books_hold().await;
    assert_eq!(test.count("select count(*) from payments.facts").await, 1_000);
    assert_eq!(test.count("select count(*) from payments.payments").await, 100);
    // At most one record per fact, and per payment whose unapplied cash was moved: redeliveries change nothing.
    assert_eq!(
        test.count("select count(*) from audit.records where action = 'payment.evidence_recorded'").await,
        1_000
    );
    let net = "select sum(case when n % 5 = 0 then 130 else 100 end
            - case when n % 4 = 0 then 30 when n % 7 = 0 then case when n % 5 = 0 then 130 else 100 end else 0 end)
        from generate_series(0, 99) as n";
    let kept = "select sum(amount - returned_amount) from payments.payments";
    let same: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select ({net}) = ({kept})")))
        .fetch_one(&test.admin)
        .await
        .unwrap();
    assert!(same);
    // An invoice that is not paid in full has taken all the money of its payments.
    let thirsty = "select count(*) from billing.invoices join payments.payments on payments.invoice_id = invoices.id
        where paid_amount < total and exists (select from payments.credits where payment_id = payments.id
            group by payment_id having sum(credits.amount) > 0)";
    assert_eq!(test.count(thirsty).await, 0);
}
