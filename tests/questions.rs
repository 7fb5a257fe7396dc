//! What gateways have not decided is asked about, on a schedule and never for ever; what they told is listed again.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{GatewayCommand, ListEvents, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_lambda::envelope::CloudEvent;
use quittance_relay::inquire::{InquirableGateways, ask};
use quittance_store::Database;

use crate::database::scene::{Said, money, noon};
use crate::loopback::Loopback;
use crate::processor::Scene;

const ROLE: &str = "quittance_relay";
const NAME: &str = "stripe:order-17";

/// The relay, beside a processor.
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

    /// Runs the relay as if so much time had passed since noon. Answers how many payments it asks about.
    async fn ask(&self, after: TimeDelta) -> usize {
        self.run(InquirableGateways { about_payments: vec!["stripe"], for_events: vec![] }, after).await
    }

    async fn run(&self, askable: InquirableGateways, after: TimeDelta) -> usize {
        let deadline = SystemTime::now() + Duration::from_secs(60);
        ask(&self.relay, (&askable, &self.services.gateways()), noon() + after, deadline).await.unwrap()
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

    async fn questions(&self) -> Vec<QueryPayment> {
        let of = |command| match command {
            GatewayCommand::QueryPayment(question) => question,
            other => panic!("{other:?}"),
        };
        self.commands("QueryPayment").await.into_iter().map(of).collect()
    }
}

#[tokio::test]
async fn an_undecided_payment_is_asked_about_seven_times_the_last_says_so_and_then_no_more() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.order(NAME, invoice, "bff:k1").await;
    assert_eq!(asking.ask(TimeDelta::seconds(59)).await, 0);
    for minutes in [2, 7, 36, 140, 810, 1_610, 4_800] {
        assert_eq!(asking.ask(TimeDelta::minutes(minutes)).await, 1, "{minutes}");
        assert_eq!(asking.ask(TimeDelta::minutes(minutes)).await, 0, "once at a time");
    }
    assert_eq!(asking.ask(TimeDelta::days(30)).await, 0);
    let questions = asking.questions().await;
    let rounds: Vec<_> = questions.iter().map(|question| (question.round, question.is_last)).collect();
    let expected: Vec<_> = (1..=7).map(|round| (round, round == 7)).collect();
    assert_eq!(rounds, expected);
    let [order] = asking.scene.ordered().await.try_into().unwrap();
    assert!(questions.iter().all(|question| question.charge.as_ref() == Some(&order) && question.names.is_empty()));
    let names: std::collections::BTreeSet<_> = questions.iter().map(QueryPayment::name).collect();
    assert_eq!(names.len(), 7, "each has a name of its own");
    assert_eq!(asking.services.sent().len(), 7, "each was sent at once");
    assert_eq!(asking.scene.test.count("select count(*) from payments.outbox where published_at is null").await, 1);
}

#[tokio::test]
async fn what_is_decided_is_asked_about_no_more() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.order(NAME, invoice, "bff:k1").await;
    let [order] = asking.scene.ordered().await.try_into().unwrap();
    asking.scene.captured(&order).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 0);
    assert_eq!(asking.scene.test.count("select count(*) from payments.questions").await, 0);
}

#[tokio::test]
async fn a_claim_is_asked_about_by_the_gateways_own_names_and_only_where_somebody_can_be_asked() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    let claim = |name: &str| Said::claim(name, Some(invoice), money("100.00", "EUR"));
    asking.scene.hear(&[claim("stripe:pi_1"), claim("nobody:1")]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [question] = asking.questions().await.try_into().unwrap();
    assert_eq!((question.names, question.charge), (vec!["stripe:pi_1".parse().unwrap()], None));
}

#[tokio::test]
async fn a_charge_that_the_gateway_has_named_is_still_asked_about_by_our_ids() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.order(NAME, invoice, "bff:k1").await;
    let [order] = asking.scene.ordered().await.try_into().unwrap();
    let mut said = Said::told(FactKind::Authorisation, "pi_1", "pi_1", money("100.00", "EUR"));
    said.evidence.payment_id = Some(order.payment_id);
    asking.scene.hear(&[said]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [question] = asking.questions().await.try_into().unwrap();
    assert_eq!((question.names, question.charge, question.may_repeat), (vec![], Some(order), true));
}

#[tokio::test]
async fn a_charge_whose_invoice_was_paid_otherwise_is_looked_up_and_not_repeated() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.order(NAME, invoice, "bff:k1").await;
    asking.scene.hear(&[Said::bank_line("manual:1", Some(invoice), money("100.00", "EUR"))]).await;
    assert_eq!(asking.ask(TimeDelta::minutes(2)).await, 1);
    let [question] = asking.questions().await.try_into().unwrap();
    assert!(!question.may_repeat);
}

#[tokio::test]
async fn after_a_pause_questions_keep_their_distance() {
    let asking = Asking::begin().await;
    let invoice = asking.scene.invoice("100.00").await;
    asking.scene.order(NAME, invoice, "bff:k1").await;
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
