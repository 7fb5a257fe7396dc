//! Status inquiries about undecided payments, on a schedule and never for ever; and event backfills.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{GatewayCommand, ListEvents, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_lambda::envelope::CloudEvent;
use quittance_relay::inquire::{InquirableGateways, ask};
use quittance_store::Database;

use crate::database::scene::{TestEvidence, money, noon};
use crate::loopback::Loopback;
use crate::processor::Scene;

const ROLE: &str = "quittance_relay";
const NAME: &str = "stripe:order-17";

/// The relay, with a processor.
struct Asking {
    scene: Scene,
    relay: Database,
    services: Loopback,
}

impl Asking {
    async fn begin() -> Self {
        let scene = Scene::begin().await;
        let relay = scene.test.as_role(ROLE, 1).await;
        Self { scene, relay, services: Loopback::serve() }
    }

    /// Runs the relay as if this much time had passed since noon. Returns the number of inquiries.
    async fn ask(&self, after: TimeDelta) -> usize {
        self.run(InquirableGateways { about_payments: vec!["stripe"], for_events: vec![] }, after).await
    }

    async fn run(&self, askable: InquirableGateways, after: TimeDelta) -> usize {
        let deadline = SystemTime::now() + Duration::from_secs(60);
        ask(&self.relay, &askable, &self.services.gateways(), noon() + after, deadline).await.unwrap()
    }

    /// Every command of a type, oldest first.
    async fn commands(&self, kind: &str) -> Vec<GatewayCommand> {
        let bodies: Vec<String> =
            sqlx::query_scalar("select body from payments.outbox where type = $1 order by created_at, id")
                .bind(kind)
                .fetch_all(&self.scene.test.admin)
                .await
                .unwrap();
        bodies.iter().map(|body| CloudEvent::<GatewayCommand>::parse(body).unwrap().payload).collect()
    }

    async fn inquiries(&self) -> Vec<QueryPayment> {
        let of = |command| match command {
            GatewayCommand::QueryPayment(inquiry) => inquiry,
            other => panic!("{other:?}"),
        };
        self.commands("QueryPayment").await.into_iter().map(of).collect()
    }
}

#[tokio::test]
async fn an_undecided_payment_has_seven_inquiries_of_which_the_last_is_marked() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.command(NAME, invoice, "bff:k1").await;
    assert_eq!(asking.ask(TimeDelta::seconds(59)).await, 0);
    for minutes in [2, 7, 36, 140, 810, 1_610, 4_800] {
        assert_eq!(asking.ask(TimeDelta::minutes(minutes)).await, 1, "{minutes}");
        assert_eq!(asking.ask(TimeDelta::minutes(minutes)).await, 0, "once at a time");
    }
    assert_eq!(asking.ask(TimeDelta::days(30)).await, 0);
    let inquiries = asking.inquiries().await;
    let rounds: Vec<_> = inquiries.iter().map(|inquiry| (inquiry.round, inquiry.is_last)).collect();
    let expected: Vec<_> = (1..=7).map(|round| (round, round == 7)).collect();
    assert_eq!(rounds, expected);
    let [command] = asking.scene.ordered().await.try_into().unwrap();
    assert!(inquiries.iter().all(|inquiry| inquiry.charge.as_ref() == Some(&command) && inquiry.names.is_empty()));
    let names: std::collections::BTreeSet<_> = inquiries.iter().map(QueryPayment::name).collect();
    assert_eq!(names.len(), 7, "each has a name of its own");
    assert_eq!(asking.services.sent().len(), 7, "each was sent at once");
    assert_eq!(asking.scene.test.count("select count(*) from payments.outbox where published_at is null").await, 1);
}

#[tokio::test]
async fn a_decided_payment_has_no_more_inquiries() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.command(NAME, invoice, "bff:k1").await;
    let [command] = asking.scene.ordered().await.try_into().unwrap();
    asking.scene.captured(&command).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 0);
    assert_eq!(asking.scene.test.count("select count(*) from payments.questions").await, 0);
}

#[tokio::test]
async fn a_claim_is_inquired_about_by_the_gateways_names_and_only_where_a_gateway_answers() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    let claim = |name: &str| TestEvidence::claim(name, Some(invoice), money("100.00", "EUR"));
    asking.scene.receive(&[claim("stripe:pi_1"), claim("nobody:1")]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [inquiry] = asking.inquiries().await.try_into().unwrap();
    assert_eq!((inquiry.names, inquiry.charge), (vec!["stripe:pi_1".parse().unwrap()], None));
}

#[tokio::test]
async fn a_charge_that_the_gateway_has_named_is_still_inquired_about_by_our_ids() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.command(NAME, invoice, "bff:k1").await;
    let [command] = asking.scene.ordered().await.try_into().unwrap();
    let mut reported = TestEvidence::reported(FactKind::Authorisation, "pi_1", "pi_1", money("100.00", "EUR"));
    reported.evidence.payment_id = Some(command.payment_id);
    asking.scene.receive(&[reported]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [inquiry] = asking.inquiries().await.try_into().unwrap();
    assert_eq!((inquiry.names, inquiry.charge, inquiry.may_repeat), (vec![], Some(command), true));
}

#[tokio::test]
async fn a_charge_whose_invoice_was_paid_otherwise_is_looked_up_and_not_repeated() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.command(NAME, invoice, "bff:k1").await;
    asking.scene.receive(&[TestEvidence::bank_line("manual:1", Some(invoice), money("100.00", "EUR"))]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [inquiry] = asking.inquiries().await.try_into().unwrap();
    assert!(!inquiry.may_repeat);
}

#[tokio::test]
async fn after_a_pause_inquiries_keep_their_intervals() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.command(NAME, invoice, "bff:k1").await;
    let pause = TimeDelta::days(4);
    assert_eq!(asking.ask(pause).await, 1);
    assert_eq!(asking.ask(pause + TimeDelta::minutes(3)).await, 0);
    assert_eq!(asking.ask(pause + TimeDelta::minutes(5)).await, 1);
}

#[tokio::test]
async fn events_are_listed_without_gaps_from_the_first_run_on() {
    let asking = Asking::begin().await;
    for minutes in [0, 29, 31, 31, 62] {
        let askable = InquirableGateways { about_payments: vec![], for_events: vec!["stripe"] };
        asking.run(askable, TimeDelta::minutes(minutes)).await;
    }
    let spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = asking
        .commands("ListEvents")
        .await
        .into_iter()
        .map(|command| match command {
            GatewayCommand::ListEvents(ListEvents { from, until, .. }) => (from, until),
            other => panic!("{other:?}"),
        })
        .collect();
    let at = |minutes| noon() + TimeDelta::minutes(minutes);
    assert_eq!(spans, [(at(-30), at(31)), (at(1), at(62))], "each overlaps the one before");
}
