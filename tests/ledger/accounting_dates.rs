//! The accounting date in the books is that of the money, whenever it is reported.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use quittance_domain::case::CaseDecision;
use quittance_domain::event::{EventMessage, InvoiceEvent};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::ledger::journal;
use quittance_lambda::envelope::CloudEvent;
use quittance_ledger::post::post;
use quittance_processor::decide::{StaffCommandResult, StaffInstruction, decide};
use quittance_processor::settle::settle;
use quittance_store::books::{self, TransactionFilter};

use super::{ROLE, issue};
use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, money};
use crate::database::staff::close;

const ZONE: Tz = Tz::Europe__Berlin;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The time at which everything is reported: days after it happened.
fn told_at() -> DateTime<Tz> {
    "2026-11-05T09:00:00Z".parse::<DateTime<Utc>>().unwrap().with_timezone(&ZONE)
}

fn happening(mut reported: TestEvidence, time: &str) -> TestEvidence {
    reported.evidence.occurred_at = time.parse().unwrap();
    reported
}

/// A bank line of a day.
fn bank_line(reference: &str, value: &str, on: &str) -> TestEvidence {
    happening(TestEvidence::bank_line(reference, None, money(value, "EUR")), &format!("{on}T00:00:00Z"))
}

/// A bank line of a day that returns a payment.
fn returned(reference: &str, value: &str, on: &str) -> TestEvidence {
    let reported = TestEvidence::reported(FactKind::Reversal, reference, "return", money(value, "EUR"))
        .through(EvidenceChannel::Bank);
    happening(reported, &format!("{on}T00:00:00Z"))
}

struct Books {
    test: TestDatabase,
    client: ClientId,
}

impl Books {
    async fn begin() -> Self {
        let test = TestDatabase::migrated().await;
        let client = test.client().await;
        Self { test, client }
    }

    async fn post(&self, messages: Vec<EventMessage>) {
        let ledger = self.test.as_role(ROLE, 1).await;
        for message in messages {
            post(&ledger, &CloudEvent::<InvoiceEvent>::parse(&message.body).unwrap()).await.unwrap();
        }
    }

    async fn receive(&self, reported: &[TestEvidence]) {
        let processor = self.test.as_role(crate::processor::ROLE, 1).await;
        let instructions: Vec<_> = reported.iter().map(TestEvidence::instruction).collect();
        self.post(settle(&processor, &instructions, told_at()).await.unwrap().emitted.events).await;
    }

    async fn invoice(&self, value: &str) -> InvoiceId {
        let invoice = self.test.open_invoice(self.client, value, "EUR").await;
        issue(&self.test, &[invoice]).await;
        invoice
    }

    /// Accounting dates, accounts and amounts of all postings of payments, in the order of the books.
    async fn posted(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select entries.accounting_date || ' ' || split_part(account, ':', 1) || ' ' || trim_scale(amount)
             from ledger.entries join ledger.transactions on transactions.id = transaction_id
             where payment_id is not null and amount > 0 order by entries.accounting_date, 1",
        )
        .fetch_all(&self.test.admin)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_bank_line_is_booked_on_the_banks_day_and_a_gateways_payment_on_the_day_where_the_seller_is() {
    let books = Books::begin().await;
    let invoice = books.invoice("100.00").await;
    // Half past midnight in Berlin.
    let late = happening(TestEvidence::capture("pi_1", Some(invoice), money("60.00", "EUR")), "2026-10-31T23:30:00Z");
    let line = bank_line("manual:BANK-1", "40.00", "2026-10-30").naming(&[invoice]);
    books.receive(&[late, line]).await;
    assert_eq!(books.posted().await, ["2026-10-30 clearing 40", "2026-11-01 clearing 60"]);

    let billing = books.test.as_role("quittance_billing", 1).await;
    let mut snapshot = billing.snapshot().await.unwrap();
    let lines = books::statement(&mut snapshot, books.client, day("2026-10-01"), day("2026-10-31"), 10).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|line| (line.accounting_date.to_string(), line.amount.to_string())).collect();
    assert_eq!(lines, [("2026-10-30".to_owned(), "-40.00 EUR".to_owned())], "a statement has the month's money");
    let clearing = "clearing:manual".parse().unwrap();
    assert_eq!(books::balance(&mut snapshot, &clearing, day("2026-10-29")).await.unwrap(), []);
    assert_eq!(books::balance(&mut snapshot, &clearing, day("2026-10-30")).await.unwrap(), [money("40.00", "EUR")]);

    let filter = TransactionFilter { from: Some(day("2026-10-31")), to: Some(day("2026-11-01")), ..Default::default() };
    let found = books::transactions(&mut snapshot, &filter, 10).await.unwrap();
    let paid = found.iter().find(|transaction| transaction.description.contains("pi_1")).unwrap();
    assert_eq!((paid.accounting_date, paid.occurred_at), (day("2026-11-01"), told_at().to_utc()));
    let mut text = String::new();
    journal::write(paid, &mut text).unwrap();
    assert!(text.contains("\n2026-11-01 * \"Payment"), "{text}");
    assert!(text.contains(&format!("  recorded_at: \"{}", Utc::now().date_naive())), "{text}");
}

#[tokio::test]
async fn evidence_of_two_days_in_one_batch_is_posted_on_both() {
    let books = Books::begin().await;
    let invoice = books.invoice("100.00").await;
    let line = bank_line("manual:BANK-1", "100.00", "2026-10-30").naming(&[invoice]);
    books.receive(&[line, returned("manual:BANK-1", "100.00", "2026-11-04")]).await;
    assert_eq!(books.posted().await, ["2026-10-30 clearing 100", "2026-11-04 receivable 100"]);
}

#[tokio::test]
async fn what_staff_decide_is_booked_on_the_day_of_the_decision() {
    let books = Books::begin().await;
    books.receive(&[bank_line("manual:BANK-1", "100.00", "2026-10-30")]).await;
    let invoice = books.invoice("100.00").await;
    let case = books.test.case("surplus").await;
    let processor = books.test.as_role(crate::processor::ROLE, 1).await;
    let decision = close("manual:BANK-1", case, CaseDecision::Apply { invoice_id: invoice }, "r-1");
    // Half past midnight in Berlin; the message waited for days.
    let decision = StaffInstruction { decided_at: "2026-11-02T23:30:00Z".parse().unwrap(), ..decision };
    let StaffCommandResult::Committed(emitted) = decide(&processor, &decision, told_at()).await.unwrap() else {
        unreachable!()
    };
    books.post(emitted.events).await;
    let posted = books.posted().await;
    assert_eq!(posted, ["2026-10-30 clearing 100", "2026-11-03 clearing 100", "2026-11-03 suspense 100"]);
}

#[tokio::test]
async fn unapplied_cash_that_fills_a_gap_is_posted_with_the_gap_but_never_before_the_money_came() {
    for (unapplied_cash_on, filled_on) in [("2026-11-01", "2026-11-02"), ("2026-11-03", "2026-11-03")] {
        let books = Books::begin().await;
        let invoice = books.invoice("100.00").await;
        books.receive(&[bank_line("manual:BANK-1", "100.00", "2026-10-30").naming(&[invoice])]).await;
        books.receive(&[bank_line("manual:BANK-2", "100.00", unapplied_cash_on).naming(&[invoice])]).await;
        books.receive(&[returned("manual:BANK-1", "100.00", "2026-11-02")]).await;
        let posted = books.posted().await;
        let expected = format!("{filled_on} credit 100");
        assert!(posted.contains(&expected), "{posted:?}");
        assert!(posted.contains(&"2026-11-02 receivable 100".to_owned()), "{posted:?}");
    }
}

#[tokio::test]
async fn an_event_from_before_accounting_dates_is_booked_on_its_own_day() {
    let test = TestDatabase::migrated().await;
    let events = super::events_of_payment(&test, "100.00").await;
    let old = CloudEvent { accountingdate: None, time: events[0].time - Duration::days(7), ..events[0].clone() };
    assert!(post(&test.as_role(ROLE, 1).await, &old).await.unwrap());
    assert_eq!(test.text("select distinct accounting_date::text from ledger.entries").await, "2026-10-26");
}

#[tokio::test]
async fn a_client_who_says_whose_money_it_is_does_not_choose_the_day() {
    let books = Books::begin().await;
    books.receive(&[bank_line("manual:BANK-1", "100.00", "2026-10-30")]).await;
    let invoice = books.invoice("100.00").await;
    let claim = TestEvidence::claim("manual:BANK-1", Some(invoice), money("100.00", "EUR")).by_client(books.client);
    books.receive(&[happening(claim, "2016-01-01T00:00:00Z").through(EvidenceChannel::Confirmation)]).await;
    let posted = books.posted().await;
    assert_eq!(posted, ["2026-10-30 clearing 100", "2026-11-05 clearing 100", "2026-11-05 suspense 100"]);
}

#[tokio::test]
async fn money_found_by_an_inquiry_is_posted_on_the_day_of_the_inquiry() {
    let books = Books::begin().await;
    let invoice = books.invoice("100.00").await;
    let mut found =
        happening(TestEvidence::capture("pi_1", Some(invoice), money("100.00", "EUR")), "2026-10-01T00:00:00Z");
    found.evidence.found_at = Some("2026-11-04T10:00:00Z".parse().unwrap());
    books.receive(&[found]).await;
    assert_eq!(books.posted().await, ["2026-11-04 clearing 100"]);
}

#[tokio::test]
async fn a_late_part_is_posted_on_its_own_day_and_a_refund_before_its_payment_on_the_refunds_day() {
    let books = Books::begin().await;
    let invoice = books.invoice("100.00").await;
    let part = |name: &str, value: &str, time: &str| {
        let reported = TestEvidence::capture("pi_1", Some(invoice), money(value, "EUR")).moving(name);
        happening(reported, time)
    };
    books.receive(&[part("second", "60.00", "2026-11-02T10:00:00Z")]).await;
    books.receive(&[part("first", "40.00", "2026-10-31T10:00:00Z")]).await;
    assert_eq!(books.posted().await, ["2026-10-31 clearing 40", "2026-11-02 clearing 60"]);

    let other = Books::begin().await;
    let refund = TestEvidence::reported(FactKind::Refund, "pi_2", "re_1", money("30.00", "EUR"));
    other.receive(&[happening(refund, "2026-11-04T10:00:00Z")]).await;
    other
        .receive(&[happening(TestEvidence::capture("pi_2", None, money("100.00", "EUR")), "2026-10-31T10:00:00Z")])
        .await;
    assert_eq!(other.posted().await, ["2026-10-31 clearing 70", "2026-11-04 clearing 30"]);
}
