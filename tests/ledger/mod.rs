//! The ledger's posting on a real PostgreSQL, under its own login role.

mod accounting_dates;
mod balances;
mod corrections;
mod month;
mod reconciliation;

use chrono::NaiveTime;
use quittance_domain::event::{InvoiceChanged, InvoiceEvent};
use quittance_domain::id::InvoiceId;
use quittance_lambda::envelope::CloudEvent;
use quittance_ledger::post::post;
use quittance_processor::settle::settle;
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

pub(crate) const ROLE: &str = "quittance_ledger";

/// The events of a payment of this amount of an invoice over 100.00.
async fn events_of_payment(test: &TestDatabase, value: &str) -> Vec<CloudEvent<InvoiceEvent>> {
    let invoice = test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.as_role(crate::processor::ROLE, 1).await;
    let reported = TestEvidence::capture("pi_1", Some(invoice), money(value, "EUR"));
    let messages = settle(&processor, &[reported.instruction()], at(noon())).await.unwrap().emitted.events;
    messages.iter().map(|message| CloudEvent::parse(&message.body).unwrap()).collect()
}

/// Posts the invoices' issue, as billing emits it, on the morning of their date of issue.
async fn issue(test: &TestDatabase, invoices: &[InvoiceId]) {
    let (billing, ledger) = (test.as_role("quittance_billing", 1).await, test.as_role(ROLE, 1).await);
    for id in invoices {
        let record = quittance_store::invoices::find(&billing, *id, None).await.unwrap().unwrap();
        let issued = InvoiceChanged { invoice: record.summary(&record.invoice).unwrap(), client: record.client };
        let time = issued.invoice.issued_on.and_time(NaiveTime::MIN).and_utc();
        let event = CloudEvent::of_event(Uuid::now_v7(), "billing", time, String::new(), InvoiceEvent::Issued(issued));
        assert!(post(&ledger, &event).await.unwrap());
    }
}

/// Accounts without the ids in their codes, with their balances.
async fn balances(test: &TestDatabase) -> Vec<(String, String)> {
    sqlx::query_as(
        "select split_part(account, ':', 1), trim_scale(sum(amount))::text from ledger.entries group by 1 order by 1",
    )
    .fetch_all(&test.admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_event_posts_once_however_often_and_by_how_many_it_is_delivered() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "100.00").await;
    let ledger = test.as_role(ROLE, 2).await;
    let (left, right) = tokio::join!(post(&ledger, &events[0]), post(&ledger, &events[0]));
    assert_ne!(left.unwrap(), right.unwrap(), "one of the two is new");
    assert!(!post(&ledger, &events[0]).await.unwrap());
    let expected = [("clearing".to_owned(), "100".to_owned()), ("receivable".to_owned(), "-100".to_owned())];
    assert_eq!(balances(&test).await, expected);
}

#[tokio::test]
async fn money_beyond_an_invoice_is_owed_to_the_client_and_the_books_balance() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "130.00").await;
    let ledger = test.as_role(ROLE, 1).await;
    for event in &events {
        assert!(post(&ledger, event).await.unwrap());
    }
    let expected = [("clearing", "130"), ("credit", "-30"), ("receivable", "-100")];
    assert_eq!(balances(&test).await, expected.map(|(account, sum)| (account.to_owned(), sum.to_owned())));
    assert_eq!(test.text("select trim_scale(sum(amount))::text from ledger.entries").await, "0");
}

#[tokio::test]
async fn entries_that_do_not_balance_in_each_currency_are_refused_by_the_database() {
    let test = TestDatabase::migrated().await;
    let ledger = test.pool_of(ROLE, 1).await;
    for entries in
        ["('a', 100, 'EUR'), ('b', -99.99, 'EUR')", "('a', 100, 'EUR'), ('b', -100, 'USD')", "('a', 1, 'EUR')"]
    {
        let statements = format!(
            "begin;
             insert into ledger.accounts (code) values ('a'), ('b') on conflict do nothing;
             insert into ledger.transactions (id, event_id, description, occurred_at)
                 values ('00000000-0000-0000-0000-000000000001', 'e', '', now());
             insert into ledger.entries (transaction_id, occurred_at, account, amount, currency)
                 select '00000000-0000-0000-0000-000000000001', now(), * from (values {entries}) as entry;
             commit"
        );
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&ledger).await.unwrap_err();
        assert!(refused.to_string().contains("does not balance"), "{entries}: {refused}");
        assert_eq!(test.count("select count(*) from ledger.transactions").await, 0);
    }
}
