//! The books compared with what they are about.

use chrono::{DateTime, Duration, Utc};
use quittance_domain::fact::FactKind;
use quittance_domain::ledger::reconciliation::{Difference, reconcile};
use quittance_store::books;

use super::issue;
use crate::database::TestDatabase;
use crate::database::scene::{Said, money, noon};
use crate::processor::Scene;

const LIMIT: i64 = 100;

/// When everything has happened.
fn in_the_end() -> DateTime<Utc> {
    noon() + Duration::days(365)
}

/// The differences, each with its account's name without the owner.
async fn found(test: &TestDatabase) -> Vec<(Difference, String)> {
    let billing = test.as_role("quittance_billing", 1).await;
    let differences = books::differences(&billing, in_the_end(), LIMIT).await.unwrap();
    let name = |account: String| account.split(':').next().unwrap_or_default().to_owned();
    reconcile(differences).into_iter().map(|finding| (finding.difference, name(finding.place.account))).collect()
}

/// A scene in which money came, went back, was disputed and is surplus; and all of it is booked.
async fn booked() -> Scene {
    let scene = Scene::begin().await;
    let (first, second) = (scene.invoice("100.00").await, scene.invoice("50.00").await);
    scene.hear(&[Said::capture("pi_1", Some(first), money("130.00", "EUR"))]).await;
    scene.hear(&[Said::capture("pi_2", Some(second), money("50.00", "EUR"))]).await;
    scene.hear(&[Said::capture("pi_3", None, money("7.00", "EUR"))]).await;
    scene.hear(&[Said::told(FactKind::Refund, "pi_2", "re_1", money("20.00", "EUR"))]).await;
    scene.hear(&[Said::told(FactKind::Dispute, "pi_1", "dp_1", money("130.00", "EUR"))]).await;
    scene.test.assert_books_hold().await;
    issue(&scene.test, &[first, second]).await;
    scene
}

#[tokio::test]
async fn books_that_say_what_happened_have_no_differences() {
    let scene = booked().await;
    assert_eq!(found(&scene.test).await, []);
    let provider = "select trim_scale(sum(amount))::text from ledger.entries where account = ";
    for (account, stands) in [("'clearing:stripe'", "57"), ("'refunds:stripe'", "-20"), ("'disputes:stripe'", "130")] {
        let query = sqlx::AssertSqlSafe(format!("{provider}{account}"));
        let sum: String = sqlx::query_scalar(query).fetch_one(&scene.test.admin).await.unwrap();
        assert_eq!(sum, stands, "{account}");
    }
}

#[tokio::test]
async fn a_void_invoice_counts_until_it_was_voided_and_not_afterwards() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    issue(&scene.test, &[invoice]).await;
    let voided =
        "update billing.invoices set status = 'void', version = version + 1, voided_at = '2026-11-10T12:00:00Z'";
    sqlx::query(voided).execute(&scene.test.admin).await.unwrap();
    let billing = scene.test.as_role("quittance_billing", 1).await;
    let before = "2026-11-09T12:00:00Z".parse().unwrap();
    assert_eq!(reconcile(books::differences(&billing, before, LIMIT).await.unwrap()), []);
    assert_eq!(found(&scene.test).await, [(Difference::Extra, "receivable".to_owned())], "the void is not booked");
}

#[tokio::test]
async fn a_credit_note_that_is_not_booked_is_missing() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    issue(&scene.test, &[invoice]).await;
    let noted = "with invoice as (
            update billing.invoices set credited_amount = 30, version = version + 1 returning id
        ) insert into billing.credit_notes (id, invoice_id, number, currency, total, tax, reason, issued_on, created_at)
        select gen_random_uuid(), id, 'CN-2026-000001', 'EUR', 30, 0, 'Rebate', '2026-11-10', '2026-11-10' from invoice";
    sqlx::query(noted).execute(&scene.test.admin).await.unwrap();
    assert_eq!(found(&scene.test).await, [(Difference::WrongAmount, "receivable".to_owned())]);
}

/// A mistake in the books as it might be made, and what is found of it.
const MISTAKES: [(&str, &[(Difference, &str)]); 6] = [
    (
        // An invoice that was never booked.
        "delete from ledger.entries where transaction_id in
             (select id from ledger.transactions where description like 'Invoice%' order by id limit 1)",
        &[(Difference::Missing, "receivable")],
    ),
    (
        // Money of a payment that nobody made.
        "with posted as (
             insert into ledger.transactions (id, event_id, description, occurred_at, payment_id)
             values (gen_random_uuid(), 'made up', '', '2026-11-02', gen_random_uuid()) returning id
         )
         insert into ledger.entries (transaction_id, account, amount, currency, occurred_at)
         select id, account, amount, 'EUR', '2026-11-02'
         from posted, (values ('clearing:stripe', 5), ('suspense', -5)) as entry (account, amount)",
        &[(Difference::Extra, "provider"), (Difference::Extra, "suspense")],
    ),
    (
        "update ledger.entries set amount = amount + sign(amount) where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(Difference::WrongAmount, "provider"), (Difference::WrongAmount, "suspense")],
    ),
    (
        "update ledger.entries set currency = 'USD' where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(Difference::WrongCurrency, "provider"), (Difference::WrongCurrency, "suspense")],
    ),
    (
        "update ledger.entries set amount = -amount where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(Difference::WrongSign, "provider"), (Difference::WrongSign, "suspense")],
    ),
    (
        "update ledger.entries set occurred_at = occurred_at + interval '3 days' where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(Difference::WrongDate, "provider"), (Difference::WrongDate, "suspense")],
    ),
];

#[tokio::test]
async fn each_kind_of_mistake_is_found_where_it_is_and_nowhere_else() {
    for (mistake, differences) in MISTAKES {
        let scene = booked().await;
        // No role can make it; whoever has the database can.
        let made = format!("set session_replication_role = replica; {mistake}; reset session_replication_role");
        sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(&scene.test.admin).await.unwrap();
        let expected: Vec<_> =
            differences.iter().map(|(difference, account)| (*difference, (*account).to_owned())).collect();
        assert_eq!(found(&scene.test).await, expected, "{mistake}");
    }
}
