//! Payments that a gateway collects: ordered once, retried only after a failure, never left undecided.

use chrono::TimeDelta;
use quittance_domain::case::CaseDecision;
use quittance_domain::command::{GatewayCommand, InitiateCharge};
use quittance_domain::fact::FactKind;
use quittance_domain::id::InvoiceId;
use quittance_lambda::envelope::CloudEvent;
use quittance_processor::decide::{StaffCommand, decide};

use super::{Scene, euro};
use crate::database::scene::{TestEvidence, at, noon};
use crate::database::staff::{charge, close, escalate, merge};

const NAME: &str = "stripe:order-17";

impl Scene {
    /// Orders a charge of 100.00 for an invoice.
    pub(crate) async fn command(&self, name: &str, invoice: InvoiceId, request: &str) -> Vec<String> {
        self.decide(&charge(name, (self.client, invoice), "100.00", request)).await
    }

    /// The charges ordered from the gateway, in order.
    pub(crate) async fn ordered(&self) -> Vec<InitiateCharge> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "select body from payments.outbox where type = 'InitiateCharge' order by created_at, id",
        )
        .fetch_all(&self.test.admin)
        .await
        .unwrap();
        let command = |body: &String| CloudEvent::<GatewayCommand>::parse(body).unwrap().payload;
        bodies
            .iter()
            .map(command)
            .map(|command| {
                let GatewayCommand::InitiateCharge(command) = command else { panic!("a charge is asked for") };
                command
            })
            .collect()
    }

    async fn refusal(&self) -> String {
        self.test.text("select refusal from payments.charges where refusal is not null").await
    }

    /// The gateway function's evidence about an attempt.
    async fn outcome(&self, kind: FactKind, command: &InitiateCharge) {
        let mut reported = TestEvidence::reported(kind, NAME, &command.key(), euro("100.00"));
        reported.evidence.occurred_at = command.ordered_at;
        reported.evidence.payment_id = Some(command.payment_id);
        reported.evidence.reason = Some("the gateway answered 402: card_declined".to_owned());
        self.receive(&[reported]).await;
    }

    /// The gateway's evidence under its own id of the payment, with our id in its metadata.
    pub(crate) async fn captured(&self, command: &InitiateCharge) -> Vec<String> {
        let mut reported = TestEvidence::capture("pi_1", None, euro("100.00"));
        reported.evidence.payment_id = Some(command.payment_id);
        self.receive(&[reported]).await
    }
}

#[tokio::test]
async fn a_charge_is_requested_once_and_in_the_commit_that_makes_the_payment_pending() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    for _ in 0..3 {
        assert_eq!(scene.command(NAME, invoice, "bff:k1").await, Vec::<String>::new());
    }
    let [command] = scene.ordered().await.try_into().unwrap();
    assert_eq!((command.attempt, *command.amount, command.invoice_id), (1, euro("100.00"), invoice));
    assert_eq!(command.method(), (Some("cus_1"), "pm_1"));
    let together = "select count(*) from payments.outbox join payments.charges on outbox.xmin = charges.xmin
        join payments.questions on questions.xmin = charges.xmin join payments.payments on payments.xmin = charges.xmin
        where status = 'pending' and next_at between '2026-11-02T12:01:00Z' and '2026-11-02T12:01:06Z'";
    assert_eq!(scene.test.count(together).await, 1, "one transaction wrote all");
    assert_eq!(scene.test.payment(NAME).await.0, "pending");
}

#[tokio::test]
async fn what_a_charge_brings_pays_the_invoice_that_it_was_ordered_for_whatever_others_claim() {
    let scene = Scene::begin().await;
    let (invoice, other) = (scene.invoice("100.00").await, scene.invoice("100.00").await);
    scene.command(NAME, invoice, "bff:k1").await;
    let [command] = scene.ordered().await.try_into().unwrap();
    scene.receive(&[TestEvidence::claim(NAME, Some(other), euro("100.00"))]).await;
    assert_eq!(scene.captured(&command).await, ["invoice.paid"]);
    assert_eq!(
        (scene.paid(invoice).await, scene.paid(other).await),
        (["paid", "100"].map(Into::into), ["open", "0"].map(Into::into))
    );
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_failed_charge_may_be_tried_again_under_another_key_and_one_under_way_may_not() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    scene.command(NAME, invoice, "bff:k2").await;
    assert!(scene.refusal().await.starts_with("a payment of this transaction id is pending already"));
    let [first] = scene.ordered().await.try_into().unwrap();
    scene.outcome(FactKind::Failure, &first).await;
    assert_eq!(scene.test.payment(NAME).await.0, "failed");
    let reason = "select reason from payments.facts where kind = 'failure'";
    assert_eq!(scene.test.text(reason).await, "the gateway answered 402: card_declined");
    // What failed at noon is retried later.
    let later = noon() + TimeDelta::minutes(10);
    decide(&scene.processor, &charge(NAME, (scene.client, invoice), "100.00", "bff:k3"), at(later)).await.unwrap();
    let [_, second] = scene.ordered().await.try_into().unwrap();
    assert_eq!((second.payment_id, second.attempt), (first.payment_id, 3), "the refused attempt has a number too");
    assert_ne!(first.key(), second.key());
    assert_eq!(scene.test.payment(NAME).await.0, "pending");
    let anew = "select count(*) from payments.questions where since = '2026-11-02T12:10:00Z'";
    assert_eq!(scene.test.count(anew).await, 1, "it is asked about anew");
    scene.captured(&second).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
}

#[tokio::test]
async fn news_of_an_attempt_that_failed_say_nothing_of_the_next_one() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    let [first] = scene.ordered().await.try_into().unwrap();
    let later = |minutes| noon() + TimeDelta::minutes(minutes);
    let emitted = async |kind, minutes| {
        let mut reported = TestEvidence::reported(kind, "pi_1", "pi_1", euro("100.00"));
        reported.evidence.event_id = format!("{kind} {minutes}");
        (reported.evidence.payment_id, reported.evidence.occurred_at) = (Some(first.payment_id), later(minutes));
        scene.receive(&[reported]).await;
    };
    emitted(FactKind::Failure, 1).await;
    decide(&scene.processor, &charge(NAME, (scene.client, invoice), "100.00", "bff:k2"), at(later(10))).await.unwrap();
    assert_eq!(scene.test.payment(NAME).await.0, "pending");
    scene.outcome(FactKind::Failure, &first).await;
    emitted(FactKind::Expiry, 20).await;
    assert_eq!(scene.test.payment(NAME).await.0, "pending", "the first attempt's end ends the first attempt");
}

#[tokio::test]
async fn an_order_that_waited_for_hours_is_not_carried_out() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let late = noon() + TimeDelta::hours(2);
    decide(&scene.processor, &charge(NAME, (scene.client, invoice), "100.00", "bff:k1"), at(late)).await.unwrap();
    assert!(scene.refusal().await.starts_with("the request has expired"));
    assert_eq!(scene.ordered().await.len(), 0);
}

#[tokio::test]
async fn a_charge_command_sent_twice_at_two_times_is_one() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let mut command = charge(NAME, (scene.client, invoice), "100.00", "bff:k1");
    assert_eq!(scene.decide(&command).await, Vec::<String>::new());
    let StaffCommand::Charge(again) = &mut command.command else { panic!("it is a charge") };
    again.ordered_at += TimeDelta::seconds(1);
    assert_eq!(scene.decide(&command).await, Vec::<String>::new(), "and no other content");
    assert_eq!(scene.ordered().await.len(), 1);
}

#[tokio::test]
async fn a_charge_of_a_payment_that_was_merged_into_another_holds_up_no_further_one() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00"))]).await;
    scene.decide(&merge("stripe:pi_1", NAME, "m1")).await;
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    let refunded = TestEvidence::reported(FactKind::Reversal, "pi_1", "stripe:pi_1", euro("100.00"));
    scene.receive(&[refunded]).await;
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    scene.command("stripe:order-18", invoice, "bff:k2").await;
    assert_eq!(scene.ordered().await.len(), 2);
}

#[tokio::test]
async fn staff_end_an_undecided_payment_by_dismissing_its_case_and_it_may_be_tried_again() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    sqlx::query("delete from payments.questions").execute(&scene.test.admin).await.unwrap();
    scene.decide(&escalate(NAME, "q7")).await;
    let case = scene.test.case("undecided").await;
    let later = noon() + TimeDelta::minutes(10);
    decide(&scene.processor, &close(NAME, case, CaseDecision::Dismiss, "d1"), at(later)).await.unwrap();
    assert_eq!(scene.test.outcome(case).await, (Some("dismissed".to_owned()), None));
    assert_eq!(scene.test.payment(NAME).await.0, "failed");
    assert_eq!(scene.test.count("select count(*) from payments.questions").await, 0);
    let again = later + TimeDelta::minutes(10);
    decide(&scene.processor, &charge(NAME, (scene.client, invoice), "100.00", "bff:k2"), at(again)).await.unwrap();
    assert_eq!(scene.ordered().await.len(), 2);
}

#[tokio::test]
async fn a_charge_that_may_not_be_made_fails_with_its_reason_and_no_gateway_call() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("60.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    assert_eq!(scene.test.payment(NAME).await.0, "failed");
    let refusal = scene.refusal().await;
    assert!(refusal.starts_with("100.00 EUR is more than what is left to pay: 60.00 EUR"), "{refusal}");
    assert_eq!(scene.test.text("select reason from payments.facts where kind = 'failure'").await, refusal);
    assert_eq!(scene.ordered().await.len(), 0);
    assert_eq!(scene.test.count("select count(*) from payments.questions").await, 0);
}

#[tokio::test]
async fn an_invoice_is_not_collected_twice_though_two_ask_at_once() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let names = ["stripe:order-1", "stripe:order-2"];
    let orders = names.map(|name| charge(name, (scene.client, invoice), "100.00", name));
    let both = tokio::join!(
        decide(&scene.processor, &orders[0], at(noon())),
        decide(&scene.processor, &orders[1], at(noon()))
    );
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(scene.ordered().await.len(), 1);
    assert!(scene.refusal().await.contains("less 100.00 EUR of charges in progress"));
}

#[tokio::test]
async fn an_unknown_outcome_is_a_state_of_its_own_until_evidence_ends_it() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    let [command] = scene.ordered().await.try_into().unwrap();
    scene.outcome(FactKind::Unknown, &command).await;
    assert_eq!(scene.test.payment(NAME).await.0, "unknown");
    scene.command(NAME, invoice, "bff:k2").await;
    assert!(scene.refusal().await.contains("is unknown already"));
    scene.captured(&command).await;
    assert_eq!(scene.test.payment(NAME).await.0, "confirmed");
    assert_eq!(scene.ordered().await.len(), 1);
}

#[tokio::test]
async fn a_payment_that_stays_undecided_becomes_a_case_which_its_evidence_closes() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.command(NAME, invoice, "bff:k1").await;
    let [command] = scene.ordered().await.try_into().unwrap();
    sqlx::query("delete from payments.questions").execute(&scene.test.admin).await.unwrap();
    for _ in 0..2 {
        scene.decide(&escalate(NAME, "q7")).await;
    }
    let words = "stripe has not reported the outcome: the gateway answered 503";
    assert_eq!(scene.test.open_cases().await, [("undecided".to_owned(), words.to_owned())]);
    let asked = "select count(*) from payments.questions";
    assert_eq!(scene.test.count(asked).await, 0, "nobody is asked any more");
    scene.captured(&command).await;
    assert_eq!(scene.test.open_cases().await, []);
    scene.decide(&escalate(NAME, "q8")).await;
    assert_eq!(scene.test.open_cases().await, [], "what is decided needs no case");
}

#[tokio::test]
async fn a_claim_of_a_gateways_payment_is_inquired_about_and_one_of_a_bank_transfer_is_not() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::claim("pi_1", Some(invoice), euro("100.00"))]).await;
    scene.receive(&[TestEvidence::claim("manual:1", Some(invoice), euro("40.00"))]).await;
    scene.receive(&[TestEvidence::capture("pi_2", None, euro("40.00"))]).await;
    let asked = "select transaction_id from payments.questions join payments.payments on payments.id = payment_id";
    assert_eq!(scene.test.text(asked).await, "stripe:pi_1");
    assert_eq!(scene.test.count("select count(*) from payments.questions").await, 1);
}
