//! What is booked is never changed: it is taken back by its mirror, by a function of the database and nothing else.

use chrono::{DateTime, Utc};
use quittance_domain::id::LedgerTransactionId;
use quittance_ledger::post::post;
use quittance_store::Database;
use quittance_store::ledger::{Reversal, reverse};
use uuid::Uuid;

use super::{ROLE, balances, events_of_payment};
use crate::database::TestDatabase;
use crate::database::scene::noon;

async fn taken_back(billing: &Database, of: LedgerTransactionId, now: DateTime<Utc>) -> Reversal {
    let mut transaction = billing.begin().await.unwrap();
    let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
    let outcome = reverse(&mut transaction, mirror, of, "posted for another client", now).await.unwrap();
    transaction.commit().await.unwrap();
    outcome
}

#[tokio::test]
async fn a_transaction_is_taken_back_once_by_whoever_is_first_and_its_mirror_can_be_too() {
    let test = TestDatabase::migrated().await;
    let events = events_of_payment(&test, "100.00").await;
    let ledger = test.as_role(ROLE, 1).await;
    post(&ledger, &events[0]).await.unwrap();
    let id = async |query: &'static str| LedgerTransactionId::from_uuid(test.text(query).await.parse().unwrap());
    let posted = id("select id::text from ledger.transactions").await;
    let billing = test.as_role("quittance_billing", 2).await;
    let (left, right) = tokio::join!(taken_back(&billing, posted, noon()), taken_back(&billing, posted, noon()));
    let outcomes = [left, right];
    assert!(outcomes.contains(&Reversal::Posted) && outcomes.contains(&Reversal::AlreadyReversed), "{outcomes:?}");
    let nothing = [("clearing".to_owned(), "0".to_owned()), ("receivable".to_owned(), "0".to_owned())];
    assert_eq!(balances(&test).await, nothing);
    let mirror = id("select id::text from ledger.transactions where reverses is not null").await;
    assert_eq!(taken_back(&billing, mirror, noon()).await, Reversal::Posted);
    let again = [("clearing".to_owned(), "100".to_owned()), ("receivable".to_owned(), "-100".to_owned())];
    assert_eq!(balances(&test).await, again);
    let unknown = LedgerTransactionId::from_uuid(Uuid::now_v7());
    assert_eq!(taken_back(&billing, unknown, noon()).await, Reversal::Unknown);
}

/// Statements that must be refused, with what the refusal says.
const REFUSED: [(&str, &str, &str); 5] = [
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
    (ROLE, "select ledger.reverse(id, id, '', now()) from ledger.transactions", "permission denied"),
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
