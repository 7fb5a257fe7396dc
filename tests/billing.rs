//! Tests of invoices as billing writes them, under its own login role.

use std::time::Duration;

use quittance_domain::invoice::{Amounts, Invoice};
use quittance_processor::settle::settle;
use quittance_store::invoices;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

const ROLE: &str = "quittance_billing";

#[tokio::test]
async fn invoice_numbers_have_no_gaps_although_some_issuers_give_up() {
    const ISSUERS: u32 = 20;
    let test = TestDatabase::migrated().await;
    let billing = test.as_role(ROLE, 8).await;
    let mut issuers = JoinSet::new();
    for issuer in 0..ISSUERS {
        let billing = billing.clone();
        issuers.spawn(async move {
            let mut transaction = billing.begin().await.unwrap();
            let number = invoices::next_number(&mut transaction, 2026).await.unwrap();
            if issuer % 3 == 0 {
                transaction.rollback().await.unwrap();
                return None;
            }
            transaction.commit().await.unwrap();
            Some(number)
        });
    }
    let mut numbers: Vec<String> = issuers.join_all().await.into_iter().flatten().collect();
    numbers.sort();
    let expected: Vec<String> = (1..=13).map(|number| format!("INV-2026-{number:06}")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn numbers_begin_anew_each_year() {
    let test = TestDatabase::migrated().await;
    let billing = test.as_role(ROLE, 1).await;
    let mut transaction = billing.begin().await.unwrap();
    for (year, number) in [(2026, "INV-2026-000001"), (2026, "INV-2026-000002"), (2027, "INV-2027-000001")] {
        assert_eq!(invoices::next_number(&mut transaction, year).await.unwrap(), number);
    }
}

/// Waits until a connection to this database waits for a lock.
async fn somebody_waits(test: &TestDatabase) {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let watch = async {
        while test.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), watch).await.expect("somebody waits for a lock within 10 s");
}

#[tokio::test]
async fn an_invoice_is_not_issued_in_the_middle_of_a_payment_that_names_it() {
    let test = TestDatabase::migrated().await;
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let (billing, processor) = (test.as_role(ROLE, 1).await, test.as_role(crate::processor::ROLE, 2).await);
    // A payment that has inserted its fact and not yet locked the invoice.
    let mut paying = processor.begin().await.unwrap();
    sqlx::query(
        "with payment as (insert into payments.payments (id, transaction_id, provider) values ($1, 'manual:x', 'manual') returning id)
         insert into payments.facts (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, actor, occurred_at)
         select $1, id, 'claim', 1, 'EUR', 'api', 'x', 'x', $2, 'x', now() from payment",
    )
    .bind(Uuid::now_v7())
    .bind(invoice.as_uuid())
    .execute(&mut *paying)
    .await
    .unwrap();
    let issuing = tokio::spawn(async move {
        let mut transaction = billing.begin().await.unwrap();
        let mut record = invoices::lock_document(&mut transaction, invoice).await.unwrap().unwrap();
        record.number = Some("INV-2026-000001".to_owned());
        let issued = &record.invoice;
        let amounts = Amounts { total: issued.total(), credited: issued.credited(), paid: issued.paid() };
        let version = issued.version() + 1;
        record.invoice = Invoice::restore(invoice, issued.client_id(), amounts, issued.status(), version).unwrap();
        invoices::update_document(&mut transaction, &record).await.unwrap();
        transaction.commit().await.unwrap();
    });
    somebody_waits(&test).await;
    assert_eq!(invoices::lock(&mut paying, &[invoice]).await.unwrap().len(), 1, "no deadlock");
    paying.commit().await.unwrap();
    issuing.await.unwrap();
    // The invoice can still be paid afterwards.
    let reported = TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR"));
    settle(&processor, &[reported.instruction()], at(noon())).await.unwrap();
    assert_eq!(test.invoice(invoice).await.0, "paid");
}
