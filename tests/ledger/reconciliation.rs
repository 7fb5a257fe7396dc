//! Tests of the ledger's reconciliation.

use chrono::{DateTime, Duration, Utc};
use quittance_domain::adjustment::AdjustmentKind;
use quittance_domain::event::{AdjustmentRecorded, AdjustmentSummary, InvoiceEvent};
use quittance_domain::fact::FactKind;
use quittance_domain::id::{AdjustmentId, LedgerTransactionId, Provider};
use quittance_domain::ledger::Account;
use quittance_domain::ledger::reconciliation::{DiscrepancyKind, reconcile};
use quittance_domain::money::Money;
use quittance_lambda::envelope::CloudEvent;
use quittance_ledger::post::post;
use quittance_store::ledger::{replace, reverse};
use quittance_store::{adjustments, books};
use uuid::Uuid;

use super::{ROLE, issue};
use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, money, noon};
use crate::processor::Scene;

const LIMIT: i64 = 100;

/// After everything has happened.
fn in_the_end() -> DateTime<Utc> {
    noon() + Duration::days(365)
}

/// The differences, each with its account's code without the owner.
async fn found(test: &TestDatabase) -> Vec<(DiscrepancyKind, String)> {
    let billing = test.as_role("quittance_billing", 1).await;
    let differences = books::differences(&billing, in_the_end(), LIMIT).await.unwrap();
    let name = |account: String| account.split(':').next().unwrap_or_default().to_owned();
    reconcile(differences).into_iter().map(|finding| (finding.difference, name(finding.place.account))).collect()
}

/// A scene in which money came in, went back, was disputed and is unapplied; all of it is posted.
async fn booked() -> Scene {
    let scene = Scene::begin().await;
    let (first, second) = (scene.invoice("100.00").await, scene.invoice("50.00").await);
    scene.receive(&[TestEvidence::capture("pi_1", Some(first), money("130.00", "EUR"))]).await;
    scene.receive(&[TestEvidence::capture("pi_2", Some(second), money("50.00", "EUR"))]).await;
    scene.receive(&[TestEvidence::capture("pi_3", None, money("7.00", "EUR"))]).await;
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "pi_2", "re_1", money("20.00", "EUR"))]).await;
    scene.receive(&[TestEvidence::reported(FactKind::Dispute, "pi_1", "dp_1", money("130.00", "EUR"))]).await;
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
    assert_eq!(found(&scene.test).await, [(DiscrepancyKind::Extra, "receivable".to_owned())], "the void is not booked");
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
    assert_eq!(found(&scene.test).await, [(DiscrepancyKind::WrongAmount, "receivable".to_owned())]);
}

#[tokio::test]
async fn a_void_or_a_credit_note_that_is_booked_days_later_is_found() {
    let voided =
        "update billing.invoices set status = 'void', version = version + 1, voided_at = '2026-11-10T12:00:00Z'";
    let mirrored = "with mirror as (
            insert into ledger.transactions (id, event_id, description, occurred_at, invoice_id)
            select gen_random_uuid(), 'void', '', '2026-11-20', invoice_id from ledger.transactions returning id
        ) insert into ledger.entries (transaction_id, account, amount, currency, occurred_at)
        select mirror.id, account, -amount, currency, '2026-11-20' from ledger.entries, mirror";
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    issue(&scene.test, &[invoice]).await;
    for statement in [voided, mirrored] {
        sqlx::query(statement).execute(&scene.test.admin).await.unwrap();
    }
    assert_eq!(found(&scene.test).await, [(DiscrepancyKind::WrongDate, "receivable".to_owned())]);
}

#[tokio::test]
async fn what_was_taken_back_counts_as_if_it_had_never_been() {
    let scene = booked().await;
    let billing = scene.test.as_role("quittance_billing", 1).await;
    let id = scene.test.text("select id::text from ledger.transactions where description like '%pi_3%'").await;
    let reversed = LedgerTransactionId::from_uuid(id.parse().unwrap());
    let missing = ["provider", "suspense"].map(|account| (DiscrepancyKind::Missing, account.to_owned()));
    let mut latest = reversed;
    for (days, what) in (9..).zip(["nothing stands there any more", "it stands again", "and is taken back again"]) {
        let mut transaction = billing.begin().await.unwrap();
        let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
        let at = noon() + Duration::days(days);
        reverse(&mut transaction, mirror, latest, "wrong", Some((at, at.date_naive()))).await.unwrap();
        transaction.commit().await.unwrap();
        let expected = if days % 2 == 1 { &missing[..] } else { &[] };
        assert_eq!(found(&scene.test).await, expected, "{what}");
        latest = mirror;
    }
    let entries: Vec<(Account, Money)> = vec![
        ("clearing:stripe".parse().unwrap(), money("7", "EUR")),
        ("suspense".parse().unwrap(), money("-7", "EUR")),
    ];
    let mut transaction = billing.begin().await.unwrap();
    let id = LedgerTransactionId::from_uuid(Uuid::now_v7());
    replace(&mut transaction, id, reversed, None, None, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(found(&scene.test).await, []);
}

#[tokio::test]
async fn a_fee_is_expected_of_the_provider_and_of_no_payment() {
    let scene = booked().await;
    let billing = scene.test.as_role("quittance_billing", 1).await;
    let ledger = scene.test.as_role(ROLE, 1).await;
    let stripe: Provider = "stripe".parse().unwrap();
    for (kind, value) in [(AdjustmentKind::Fee, "9.90"), (AdjustmentKind::RoundingGain, "0.01")] {
        let adjustment = AdjustmentSummary {
            id: AdjustmentId::from_uuid(Uuid::now_v7()),
            kind,
            provider: stripe.clone(),
            amount: money(value, "EUR"),
            reference: "2026-11".to_owned(),
        };
        let mut transaction = billing.begin().await.unwrap();
        assert!(adjustments::insert(&mut transaction, &adjustment, "bill", noon()).await.unwrap());
        assert!(!adjustments::insert(&mut transaction, &adjustment, "bill", noon()).await.unwrap(), "once");
        transaction.commit().await.unwrap();
        let difference = found(&scene.test).await;
        assert_eq!(difference.len(), 1, "not booked yet: {difference:?}");
        let recorded = InvoiceEvent::AdjustmentRecorded(AdjustmentRecorded { adjustment });
        let event = CloudEvent::of_event(Uuid::now_v7(), "billing", noon(), String::new(), recorded);
        assert!(post(&ledger, &event).await.unwrap());
        assert_eq!(found(&scene.test).await, []);
    }
    let sums = "select string_agg(account || ' ' || trim_scale(amount), ', ' order by account)
        from ledger.balances_on('2027-01-01') where account in ('fees:stripe', 'rounding', 'clearing:stripe')";
    assert_eq!(scene.test.text(sums).await, "clearing:stripe 47.11, fees:stripe 9.9, rounding -0.01");
}

/// A possible error in the books, and the discrepancies found.
const MISTAKES: [(&str, &[(DiscrepancyKind, &str)]); 6] = [
    (
        // An invoice that was never posted.
        "delete from ledger.entries where transaction_id in
             (select id from ledger.transactions where description like 'Invoice%' order by id limit 1)",
        &[(DiscrepancyKind::Missing, "receivable")],
    ),
    (
        // Money of a payment that does not exist.
        "with posted as (
             insert into ledger.transactions (id, event_id, description, occurred_at, accounting_date, payment_id)
             values (gen_random_uuid(), 'made up', '', '2026-11-02', '2026-11-02', gen_random_uuid()) returning id
         )
         insert into ledger.entries (transaction_id, account, amount, currency, occurred_at, accounting_date)
         select id, account, amount, 'EUR', '2026-11-02', '2026-11-02'
         from posted, (values ('clearing:stripe', 5), ('suspense', -5)) as entry (account, amount)",
        &[(DiscrepancyKind::Extra, "provider"), (DiscrepancyKind::Extra, "suspense")],
    ),
    (
        "update ledger.entries set amount = amount + sign(amount) where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(DiscrepancyKind::WrongAmount, "provider"), (DiscrepancyKind::WrongAmount, "suspense")],
    ),
    (
        "update ledger.entries set currency = 'USD' where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(DiscrepancyKind::WrongCurrency, "provider"), (DiscrepancyKind::WrongCurrency, "suspense")],
    ),
    (
        "update ledger.entries set amount = -amount where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(DiscrepancyKind::WrongSign, "provider"), (DiscrepancyKind::WrongSign, "suspense")],
    ),
    (
        "update ledger.entries set occurred_at = occurred_at + interval '3 days' where transaction_id in
             (select transaction_id from ledger.entries where account = 'suspense')",
        &[(DiscrepancyKind::WrongDate, "provider"), (DiscrepancyKind::WrongDate, "suspense")],
    ),
];

#[tokio::test]
async fn each_kind_of_mistake_is_found_where_it_is_and_nowhere_else() {
    for (mistake, differences) in MISTAKES {
        let scene = booked().await;
        // No role can do this; the database's superuser can.
        let made = format!("set session_replication_role = replica; {mistake}; reset session_replication_role");
        sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(&scene.test.admin).await.unwrap();
        let expected: Vec<_> =
            differences.iter().map(|(difference, account)| (*difference, (*account).to_owned())).collect();
        assert_eq!(found(&scene.test).await, expected, "{mistake}");
    }
}
