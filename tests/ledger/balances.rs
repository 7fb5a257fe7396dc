//! Balances at any time, with and without the rolled-up sums of earlier days.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use quittance_domain::ledger::Account;
use quittance_domain::money::Money;
use quittance_store::{Database, books, ledger};

use super::ROLE;
use crate::database::TestDatabase;
use crate::database::scene::{money, noon};

/// The number of days between the bank's booking of a movement and its report.
const BOOKED_BEFORE: i64 = 3;

/// Posts an amount that happened, and was recorded, so many hours after noon.
async fn book(test: &TestDatabase, value: i32, happened: i64, recorded: i64) {
    let times = (noon() + Duration::hours(happened), noon() + Duration::hours(recorded));
    sqlx::query(
        "with codes as (insert into ledger.accounts (code) values ('suspense'), ('clearing:stripe') on conflict do nothing),
         posted as (
             insert into ledger.transactions (id, event_id, description, occurred_at, recorded_at, accounting_date)
             values (gen_random_uuid(), gen_random_uuid()::text, '', $2, $3, $4) returning id
         )
         insert into ledger.entries (transaction_id, account, amount, currency, occurred_at, recorded_at, accounting_date)
         select id, code, amount, 'EUR', $2, $3, $4 from posted, (values ('suspense', -$1), ('clearing:stripe', $1)) as entry (code, amount)",
    )
    .bind(value)
    .bind(times.0)
    .bind(times.1)
    .bind(times.0.date_naive() - Duration::days(BOOKED_BEFORE))
    .execute(&test.admin)
    .await
    .unwrap();
}

async fn rolled_up(ledger: &Database, now: DateTime<Utc>) -> bool {
    let mut transaction = ledger.begin().await.unwrap();
    let is_new = ledger::roll_up(&mut transaction, now - Duration::hours(1), now).await.unwrap();
    transaction.commit().await.unwrap();
    is_new
}

fn day(days: i64) -> NaiveDate {
    noon().date_naive() + Duration::days(days)
}

/// The balance of an account at the end of each of some days.
async fn course(billing: &Database) -> Vec<Vec<Money>> {
    let account: Account = "clearing:stripe".parse().unwrap();
    let (mut course, mut snapshot) = (Vec::new(), billing.snapshot().await.unwrap());
    for days in -5..8 {
        course.push(books::balance(&mut snapshot, &account, day(days)).await.unwrap());
    }
    course
}

#[tokio::test]
async fn a_balance_is_the_same_however_much_of_it_was_summed_up_before_and_however_late_it_came() {
    let test = TestDatabase::migrated().await;
    let (ledger, billing) = (test.as_role(ROLE, 1).await, test.as_role("quittance_billing", 1).await);
    // Some of it is reported days after it happened.
    for (value, happened, recorded) in [
        (100, 0, 0),
        (7, 1, 1),
        (-30, 20, 21),
        (1_000, 3, 60),
        (9, 50, 50),
        (40, 10, 130),
        (-6, 131, 131),
        (5, 200, 200),
    ] {
        book(&test, value, happened, recorded).await;
    }
    let plain = course(&billing).await;
    assert_eq!(plain[1], [], "nothing is booked before the first accounting date");
    assert_eq!(plain[2], [money("1147", "EUR")]);
    assert_eq!(plain.last().unwrap(), &[money("1125", "EUR")]);
    for hour in [22, 61, 140, 190] {
        assert!(rolled_up(&ledger, noon() + Duration::hours(hour)).await);
        assert_eq!(course(&billing).await, plain, "after the sums of hour {hour}");
    }
    assert_eq!(test.count("select count(*) from ledger.rollups").await, 4);
    let trial = books::balances(&mut billing.snapshot().await.unwrap(), day(8)).await.unwrap();
    let trial: Vec<String> = trial.iter().map(|(account, balance)| format!("{account} {balance}")).collect();
    assert_eq!(trial, ["clearing:stripe 1125.00 EUR", "suspense -1125.00 EUR"]);
}

#[tokio::test]
async fn sums_are_made_once_for_each_time_and_leave_out_what_may_not_be_committed_yet() {
    let test = TestDatabase::migrated().await;
    let ledger = test.as_role(ROLE, 2).await;
    book(&test, 100, 0, 0).await;
    let soon = noon() + Duration::minutes(9);
    assert!(rolled_up(&ledger, soon).await);
    assert_eq!(test.count("select count(*) from ledger.daily_sums").await, 0, "it was recorded minutes ago");
    assert!(!rolled_up(&ledger, soon + Duration::minutes(30)).await, "the last time is not an hour ago");
    let later = soon + Duration::hours(2);
    let (left, right) = tokio::join!(rolled_up(&ledger, later), rolled_up(&ledger, later));
    assert_ne!(left, right, "one of two makes them");
    assert_eq!(test.count("select count(*) from ledger.daily_sums").await, 2);
    assert_eq!(test.count("select sum(amount)::bigint from ledger.daily_sums where account = 'suspense'").await, -100);
}

#[tokio::test]
async fn unbalanced_sums_are_reported_by_currency() {
    let test = TestDatabase::migrated().await;
    let ledger = test.as_role(ROLE, 1).await;
    book(&test, 100, 0, 0).await;
    assert!(rolled_up(&ledger, noon() + Duration::hours(22)).await);
    let unbalanced = async || ledger::unbalanced_currencies(&ledger).await.unwrap();
    assert_eq!(unbalanced().await, 0);
    let slip = "insert into ledger.daily_sums select up_to, account, 'USD', day, 0.01 from ledger.daily_sums";
    sqlx::query(slip).execute(&test.admin).await.unwrap();
    assert_eq!(unbalanced().await, 1);
}
