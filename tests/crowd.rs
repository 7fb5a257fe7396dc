//! Many at once: payments that meet at one invoice, and a thousand messages in any order.

use std::collections::VecDeque;
use std::sync::Arc;

use quittance_processor::settle::{Instruction, settle};
use quittance_store::Database;
use sha2::{Digest, Sha256};
use tokio::sync::{Barrier, Mutex};

use crate::database::TestDatabase;
use crate::database::scene::{Said, money, noon};
use crate::processor::ROLE;

const WORKERS: u32 = 8;

/// Rules that must hold whatever was sent; each query counts the rows that break one.
const BROKEN: [(&str, &str); 6] = [
    (
        "an invoice's paid amount is the sum of its allocations",
        "select count(*) from billing.invoices where paid_amount
             <> (select coalesce(sum(amount), 0) from payments.allocations where invoice_id = invoices.id)",
    ),
    (
        "a payment posts what was captured, no more and no less",
        "select count(*) from payments.payments where status = 'confirmed' and amount
             <> (select coalesce(sum(amount), 0) from payments.allocations where payment_id = payments.id)
              + (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id)",
    ),
    (
        "a payment posts once",
        "select count(*) from (
             select from payments.allocations group by payment_id, invoice_id having count(*) > 1) as twice",
    ),
    (
        "each allocation and each surplus has its one event",
        "select abs((select count(*) from payments.allocations) - (select count(*) from payments.outbox where type like 'invoice.%'))
             + abs((select count(*) from payments.credits) - (select count(*) from payments.outbox where type = 'payment.surplus_recorded'))",
    ),
    (
        "each surplus has its one case",
        "select abs((select count(*) from payments.credits) - (select count(*) from payments.cases where kind = 'surplus'))",
    ),
    (
        "each change of an invoice has its one audit record",
        "select count(*) from billing.invoices where version - 2
             <> (select count(*) from audit.records, jsonb_array_elements(after -> 'movements') as movement
                 where movement #>> '{invoice,id}' = 'inv_' || replace(invoices.id::text, '-', ''))",
    ),
];

async fn assert_books_hold(test: &TestDatabase) {
    for (rule, query) in BROKEN {
        let broken: i64 = sqlx::query_scalar(query).fetch_one(&test.admin).await.unwrap();
        assert_eq!(broken, 0, "{rule}");
    }
}

#[tokio::test]
async fn two_payments_that_meet_at_one_invoice_pay_it_once_and_leave_one_surplus() {
    const PAIRS: usize = 25;
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let processor = test.as_role(ROLE, 2).await;
    for pair in 0..PAIRS {
        let invoice = test.open_invoice(client, "100.00", "EUR").await;
        let start = Arc::new(Barrier::new(2));
        let pay = |side: &str| {
            let said = Said::capture(&format!("pi_{pair}_{side}"), Some(invoice), money("100.00", "EUR"));
            let (start, processor) = (Arc::clone(&start), processor.clone());
            tokio::spawn(async move {
                start.wait().await;
                settle(&processor, &[said.instruction()], noon()).await
            })
        };
        let (left, right) = (pay("left"), pay("right"));
        left.await.unwrap().unwrap();
        right.await.unwrap().unwrap();
        assert_eq!(test.invoice(invoice).await, ("paid".to_owned(), "100".to_owned(), 3));
    }
    let already_paid = test.count("select count(*) from payments.cases where reason = 'already_paid'").await;
    assert_eq!(already_paid, i64::try_from(PAIRS).unwrap());
    assert_books_hold(&test).await;
}

/// Works off batches until none is left, as instances of the function do.
async fn work(processor: Database, batches: Arc<Mutex<VecDeque<Vec<Instruction>>>>) {
    loop {
        let Some(batch) = batches.lock().await.pop_front() else { return };
        settle(&processor, &batch, noon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_messages_of_a_hundred_payments_in_any_order_pay_each_invoice_once() {
    const PAYMENTS: usize = 100;
    const DELIVERIES: usize = 5;
    const BATCH_SIZE: usize = 10;
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    let mut messages = Vec::new();
    for payment in 0..PAYMENTS {
        let invoice = test.open_invoice(client, "100.00", "EUR").await;
        let reference = format!("pi_{payment}");
        let claim = Said::claim(&reference, Some(invoice), money("120.00", "EUR"));
        let capture = Said::capture(&reference, Some(invoice), money("100.00", "EUR"));
        messages.extend([claim.instruction(), capture.instruction()]);
    }
    let mut deliveries: Vec<(usize, &Instruction)> =
        (0..DELIVERIES).flat_map(|round| messages.iter().map(move |message| (round, message))).collect();
    deliveries.sort_by_key(|(round, message)| Sha256::digest(format!("{round} {}", message.evidence.event_id)));
    assert_eq!(deliveries.len(), 1_000);
    let batches: VecDeque<Vec<Instruction>> = deliveries
        .chunks(BATCH_SIZE)
        .map(|batch| batch.iter().map(|(_, message)| (*message).clone()).collect())
        .collect();
    let batches = Arc::new(Mutex::new(batches));
    let processor = test.as_role(ROLE, WORKERS).await;
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(processor.clone(), Arc::clone(&batches)))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_books_hold(&test).await;
    let paid = test.count("select count(*) from billing.invoices where status = 'paid' and version = 3").await;
    assert_eq!(paid, i64::try_from(PAYMENTS).unwrap());
    assert_eq!(test.count("select count(*) from payments.facts").await, 200);
    assert_eq!(test.count("select count(*) from payments.credits").await, 0);
    // One record per fact at most: repetitions change nothing, so nothing is noted of them.
    assert!(test.count("select count(*) from audit.records").await <= 200);
}
