//! A month of business, posted, exported, and checked by a third-party program.

use std::fs;
use std::process::Command;

use chrono::{Duration, NaiveDate, NaiveTime, Utc};
use futures::{StreamExt, stream};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::fact::FactKind;
use quittance_domain::id::InvoiceId;
use quittance_domain::ledger::journal;
use quittance_domain::ledger::reconciliation::reconcile;
use quittance_lambda::envelope::CloudEvent;
use quittance_ledger::post::post;
use quittance_processor::settle::settle;
use quittance_store::Database;
use quittance_store::books::{self, TransactionFilter};
use quittance_store::ledger;
use uuid::Uuid;
use xtask::paths::workspace_root;
use xtask::python::Venv;

use super::{ROLE, issue};
use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

/// Invoices of the month; each is issued, and most are paid, some of them in parts, some in other ways.
const INVOICES: u64 = 8_000;

/// The minimum number of events of the month.
const EVENTS_MIN: i64 = 20_000;

/// The number of payments reported together.
const BATCH: usize = 50;

/// The day of an invoice; several invoices share a day.
fn day(number: u64) -> i64 {
    i64::try_from(number / 300).unwrap()
}

/// The reports about an invoice's payments, by round: those of a round follow those of the round before.
fn emitted(number: u64, invoice: InvoiceId, round: u32) -> Option<TestEvidence> {
    let euro = |value: &str| money(value, "EUR");
    let name = format!("pi_{number}");
    let later = |kind: FactKind, value: &str| {
        TestEvidence::reported(kind, &name, &format!("{name}-{}", kind == FactKind::Refund), euro(value))
            .again(&format!("{kind} {number}"), Duration::days(1))
    };
    let reported = match (number % 10, round) {
        // Not paid.
        (9, _) => return None,
        // Too much.
        (0, 0) => TestEvidence::capture(&name, Some(invoice), euro("149.99")),
        // In two parts.
        (1, 0) => TestEvidence::capture(&name, Some(invoice), euro("40.01")),
        (1, 1) => TestEvidence::capture(&format!("{name}b"), Some(invoice), euro("59.99")),
        (2, 1) => later(FactKind::Refund, "100.00"),
        (3, 1) => later(FactKind::Refund, "33.33"),
        (4, 1) | (5, 1) => later(FactKind::Dispute, "100.00"),
        (4, 2) => later(FactKind::DisputeWon, "100.00"),
        (5, 2) => later(FactKind::DisputeLost, "100.00"),
        // Without an invoice.
        (6, 0) => TestEvidence::capture(&name, None, euro("100.00")),
        (_, 0) => TestEvidence::capture(&name, Some(invoice), euro("100.00")),
        _ => return None,
    };
    Some(reported)
}

async fn invoices(test: &TestDatabase) -> Vec<InvoiceId> {
    let clients = "insert into billing.clients (id, name, email, address)
        select gen_random_uuid(), 'Client ' || n, 'a@b.example', '{}' from generate_series(1, 40) as n";
    sqlx::raw_sql(clients).execute(&test.admin).await.unwrap();
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "with numbered as (select id, row_number() over () - 1 as place from billing.clients)
         insert into billing.invoices
             (id, client_id, number, currency, total, tax, status, issued_on, due_on, version)
         select gen_random_uuid(), numbered.id, 'INV-' || n, 'EUR', 100, 15.97, 'open', date '2026-11-01' + (n / 300)::int,
             '2026-12-31', 2
         from generate_series(0, $1 - 1) as n join numbered on place = n % 40 order by n returning id",
    )
    .bind(i64::try_from(INVOICES).unwrap())
    .fetch_all(&test.admin)
    .await
    .unwrap();
    ids.into_iter().map(InvoiceId::from_uuid).collect()
}

/// Reports all payments to the processor, and returns its events.
async fn business(test: &TestDatabase, invoices: &[InvoiceId]) -> Vec<String> {
    let processor = test.as_role(crate::processor::ROLE, 1).await;
    let mut bodies = Vec::new();
    for round in 0..3 {
        let reported = invoices
            .iter()
            .zip(0..)
            .filter_map(|(invoice, number)| Some((day(number), emitted(number, *invoice, round)?)));
        let reported: Vec<(i64, TestEvidence)> = reported.collect();
        for batch in reported.chunks(BATCH) {
            let now = noon() + Duration::days(batch[0].0);
            let instructions: Vec<_> = batch.iter().map(|(_, reported)| reported.instruction()).collect();
            let settled = settle(&processor, &instructions, at(now)).await.unwrap();
            bodies.extend(settled.emitted.events.into_iter().map(|message| message.body));
        }
    }
    bodies
}

async fn book(ledger: &Database, bodies: &[String]) {
    let posted = stream::iter(bodies).map(async |body| {
        let event = CloudEvent::<InvoiceEvent>::parse(body).unwrap();
        post(ledger, &event).await.unwrap();
    });
    posted.buffer_unordered(4).collect::<Vec<()>>().await;
}

/// The books from the first to the last day, with the balance of each account at the end.
async fn exported(billing: &Database, end: NaiveDate) -> String {
    let mut snapshot = billing.snapshot().await.unwrap();
    let closing = books::balances(&mut snapshot, end).await.unwrap();
    let mut text = String::new();
    for (account, _) in &closing {
        journal::open(account, &mut text).unwrap();
    }
    // Accounts with a zero balance are in the transactions all the same.
    let mut known: Vec<String> = closing.iter().map(|(account, _)| account.to_string()).collect();
    let mut after = None;
    loop {
        let filter = TransactionFilter { after, ..TransactionFilter::default() };
        let page = books::transactions(&mut snapshot, &filter, 5_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for transaction in &page {
            for (account, _) in &transaction.entries {
                if !known.contains(&account.to_string()) {
                    known.push(account.to_string());
                    journal::open(account, &mut text).unwrap();
                }
            }
            journal::write(transaction, &mut text).unwrap();
        }
    }
    for (account, balance) in &closing {
        journal::assert_balance(end, account, *balance, &mut text).unwrap();
    }
    text
}

/// The output of `bean-check` for a file: empty if it is correct.
fn checked(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("books.beancount");
    fs::write(&file, text).unwrap();
    let program = Venv::ensure(&workspace_root()).unwrap().bin().join("bean-check");
    let output = Command::new(program).arg("--no-cache").arg(&file).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_month_of_twenty_thousand_events_balances_for_others_too_and_differs_from_nothing() {
    let test = TestDatabase::migrated().await;
    let invoices = invoices(&test).await;
    let bodies = business(&test, &invoices).await;
    let (ledger, billing) = (test.as_role(ROLE, 4).await, test.as_role("quittance_billing", 1).await);
    issue(&test, &invoices).await;
    book(&ledger, &bodies).await;
    let booked = test.count("select count(*) from ledger.transactions").await;
    assert!(booked >= EVENTS_MIN, "only {booked}");
    let end = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
    let midnight = end.and_time(NaiveTime::MIN).and_utc();
    assert_eq!(reconcile(books::differences(&billing, midnight, 100).await.unwrap()), []);
    let text = exported(&billing, end).await;
    assert_eq!(checked(&text), "");
    let wrong = text.replacen("100.00 EUR", "100.01 EUR", 1);
    assert_ne!(checked(&wrong), "", "the check can fail");
    let mut transaction = ledger.begin().await.unwrap();
    assert!(ledger::roll_up(&mut transaction, Utc::now(), Utc::now() + Duration::hours(1)).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(exported(&billing, end).await, text, "the sums of days say the same");
}
