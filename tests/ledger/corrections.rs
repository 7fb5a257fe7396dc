//! Postings are never changed: they are reversed, only by a function of the database.

use chrono::{DateTime, Utc};
use quittance_domain::error::Chain;
use quittance_domain::id::LedgerTransactionId;
use quittance_domain::ledger::Account;
use quittance_domain::money::Money;
use quittance_ledger::post::post;
use quittance_store::Database;
use quittance_store::ledger::{ReversalOutcome, replace, reverse};
use uuid::Uuid;

use super::{ROLE, balances, events_of_payment};
use crate::database::TestDatabase;
use crate::database::scene::{money, noon};

async fn taken_back(billing: &Database, of: LedgerTransactionId, now: DateTime<Utc>) -> ReversalOutcome {
    let mut transaction = billing.begin().await.unwrap();
    let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
    let outcome = reverse(&mut transaction, mirror, of, "posted for another client", Some((now, now.date_naive())))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    outcome
}

#[tokio::test]
async fn a_transaction_is_reversed_once_and_its_reversal_can_be_reversed_too() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "100.00").await;
    let ledger = test.as_role(ROLE, 1).await;
    post(&ledger, &events[0]).await.unwrap();
    let id = async |query: &'static str| LedgerTransactionId::from_uuid(test.text(query).await.parse().unwrap());
    let posted = id("select id::text from ledger.transactions").await;
    let billing = test.as_role("quittance_billing", 2).await;
    let (left, right) = tokio::join!(taken_back(&billing, posted, noon()), taken_back(&billing, posted, noon()));
    let outcomes = [left, right];
    assert!(
        outcomes.contains(&ReversalOutcome::Posted) && outcomes.contains(&ReversalOutcome::AlreadyReversed),
        "{outcomes:?}"
    );
    let nothing = [("clearing".to_owned(), "0".to_owned()), ("receivable".to_owned(), "0".to_owned())];
    assert_eq!(balances(&test).await, nothing);
    let mirror = id("select id::text from ledger.transactions where reverses is not null").await;
    assert_eq!(taken_back(&billing, mirror, noon()).await, ReversalOutcome::Posted);
    let again = [("clearing".to_owned(), "100".to_owned()), ("receivable".to_owned(), "-100".to_owned())];
    assert_eq!(balances(&test).await, again);
    let unknown = LedgerTransactionId::from_uuid(Uuid::now_v7());
    assert_eq!(taken_back(&billing, unknown, noon()).await, ReversalOutcome::Unknown);
}

#[tokio::test]
async fn what_should_have_been_booked_takes_the_place_of_what_was_once_and_as_of_the_same_day() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "100.00").await;
    post(&test.as_role(ROLE, 1).await, &events[0]).await.unwrap();
    let posted = test.text("select id::text from ledger.transactions").await;
    let posted = LedgerTransactionId::from_uuid(posted.parse().unwrap());
    let billing = test.as_role("quittance_billing", 1).await;
    let entries: Vec<(Account, Money)> = vec![
        ("clearing:adyen".parse().unwrap(), money("100", "EUR")),
        ("suspense".parse().unwrap(), money("-100", "EUR")),
    ];
    let replaced = async || {
        let mut transaction = billing.begin().await.unwrap();
        let id = LedgerTransactionId::from_uuid(Uuid::now_v7());
        let outcome = replace(&mut transaction, id, posted, None, None, &entries).await;
        transaction.commit().await.unwrap();
        outcome.map_err(|error| Chain(&error).to_string())
    };
    let refused = replaced().await.unwrap_err();
    assert!(refused.contains("has not been taken back"), "{refused}");
    let mut transaction = billing.begin().await.unwrap();
    let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
    assert_eq!(reverse(&mut transaction, mirror, posted, "Adyen's", None).await.unwrap(), ReversalOutcome::Posted);
    transaction.commit().await.unwrap();
    replaced().await.unwrap();
    let again = replaced().await.unwrap_err();
    assert!(again.contains("transactions_event_id_key"), "{again}");
    let stands = "select string_agg(account || trim_scale(amount), ' ' order by account)
        from ledger.balances_on((select min(accounting_date) from ledger.transactions)) where amount <> 0";
    assert_eq!(test.text(stands).await, "clearing:adyen100 suspense-100", "on the day of the first");
    let about = "select count(distinct (invoice_id, payment_id)) from ledger.transactions where payment_id is not null";
    assert_eq!(test.count(about).await, 1, "all three are about one payment and invoice");
}

/// Statements that must be refused, with the text of the refusal.
const REFUSED: [(&str, &str, &str); 6] = [
    (
        ROLE,
        "select ledger.replace(id, id, now(), current_date, '{tax,revenue}', '{1,-1}', '{EUR,EUR}') from ledger.transactions",
        "permission denied",
    ),
    (
        ROLE,
        "insert into ledger.transactions (id, event_id, description, occurred_at)
         values ('00000000-0000-0000-0000-00000000000a', 'empty', '', now())",
        "has no entries",
    ),
    (
        ROLE,
        "with mirror as (
             insert into ledger.transactions (id, event_id, description, occurred_at, reverses, reason)
             select '00000000-0000-0000-0000-00000000000a', 'half', '', now(), id, 'half of it'
             from ledger.transactions returning id, reverses
         )
         insert into ledger.entries (transaction_id, account, amount, currency, occurred_at)
         select id, account, -amount / 2, currency, now() from mirror
             join ledger.entries on entries.transaction_id = reverses",
        "does not mirror",
    ),
    ("quittance_billing", "insert into ledger.accounts (code) values ('cash')", "permission denied"),
    (
        "quittance_billing",
        "insert into ledger.entries select transaction_id, account, amount, currency, now(), now() from ledger.entries",
        "permission denied",
    ),
    (ROLE, "select ledger.reverse(id, id, '', now(), current_date) from ledger.transactions", "permission denied"),
];

#[tokio::test]
async fn no_role_books_an_empty_transaction_half_a_mirror_or_what_is_not_its_own() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "100.00").await;
    post(&test.as_role(ROLE, 1).await, &events[0]).await.unwrap();
    for (role, statement, refusal) in REFUSED {
        let pool = test.pool_of(role, 1).await;
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains(refusal), "{statement}: {refused}");
    }
    assert_eq!(test.count("select count(*) from ledger.transactions").await, 1);
}
