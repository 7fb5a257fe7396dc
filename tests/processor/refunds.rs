//! Refunds: never more than was captured, requested once, decided by the gateway's response.

use quittance_domain::case::CaseDecision;
use quittance_domain::command::GatewayCommand;
use quittance_domain::fact::FactKind;
use quittance_lambda::envelope::CloudEvent;
use quittance_processor::decide::{StaffCommandResult, decide};
use quittance_store::Database;

use super::{ROLE, Scene, euro, surplus};
use crate::database::scene::{TestEvidence, at, noon};
use crate::database::staff::{close, refund, refund_id};

/// A capture of 100.00 that pays its invoice.
async fn paid_scene() -> (Scene, quittance_domain::id::InvoiceId) {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    (scene, invoice)
}

/// The gateway's evidence about the refund with that number.
fn answered(kind: FactKind, reference: &str, number: u128, value: &str) -> TestEvidence {
    TestEvidence::reported(kind, reference, &refund_id(number).to_string(), euro(value))
}

#[tokio::test]
async fn a_refund_is_requested_in_the_commit_that_reserves_it_and_moves_no_money_yet() {
    let (scene, invoice) = paid_scene().await;
    assert_eq!(scene.decide(&refund("stripe:pi_1", 1, "60.00")).await, Vec::<String>::new());
    assert_eq!(scene.test.refunds().await, [("60".to_owned(), "requested".to_owned(), None)]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    let command = "from payments.outbox where destination = 'gateway_commands' and type = 'InitiateRefund'";
    assert_eq!(
        scene.test.count("select count(*) from payments.outbox where destination = 'gateway_commands'").await,
        1
    );
    let together = "select count(*) from payments.outbox join payments.refunds on outbox.xmin = refunds.xmin
        where destination = 'gateway_commands'";
    assert_eq!(scene.test.count(together).await, 1, "one transaction wrote both");
    let query = sqlx::AssertSqlSafe(format!("select body {command}"));
    let body: String = sqlx::query_scalar(query).fetch_one(&scene.test.admin).await.unwrap();
    let envelope = CloudEvent::<quittance_domain::command::GatewayCommand>::parse(&body).unwrap();
    let GatewayCommand::InitiateRefund(asked) = envelope.payload else { panic!("a refund is asked for") };
    assert_eq!((asked.refund_id, *asked.amount), (refund_id(1), euro("60.00")));
    assert_eq!((asked.transaction_id.as_str(), asked.provider.as_str()), ("stripe:pi_1", "stripe"));
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_of_a_bank_transfer_calls_no_gateway() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::bank_line("manual:1", Some(invoice), euro("100.00"))]).await;
    scene.decide(&refund("manual:1", 1, "60.00")).await;
    assert_eq!(scene.test.refunds().await, [("60".to_owned(), "requested".to_owned(), None)]);
    assert_eq!(
        scene.test.count("select count(*) from payments.outbox where destination = 'gateway_commands'").await,
        0
    );
    scene.receive(&[answered(FactKind::Refund, "manual:1", 1, "60.00")]).await;
    assert_eq!(scene.test.refunds().await, [("60".to_owned(), "succeeded".to_owned(), None)]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_that_is_done_reopens_the_invoice_by_its_amount() {
    let (scene, invoice) = paid_scene().await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    let done = answered(FactKind::Refund, "pi_1", 1, "60.00");
    assert_eq!(scene.receive(std::slice::from_ref(&done)).await, ["invoice.reopened", "payment.refunded"]);
    assert_eq!(scene.receive(&[done]).await, Vec::<String>::new());
    assert_eq!(scene.paid(invoice).await, ["partially_paid", "40"]);
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "40", "0"]);
    let reason = "select body::jsonb #>> '{data,reason}' from payments.outbox where type = 'invoice.reopened'";
    assert_eq!(scene.test.text(reason).await, "refunded");
    let payer = "select body::jsonb #>> '{data,client,id}' from payments.outbox where type = 'payment.refunded'";
    let owner = "select 'cli_' || replace(client_id::text, '-', '') from billing.invoices";
    assert_eq!(scene.test.text(payer).await, scene.test.text(owner).await, "the refund's receipt names the client");
    scene.decide(&refund("stripe:pi_1", 2, "40.00")).await;
    scene.receive(&[answered(FactKind::Refund, "pi_1", 2, "40.00")]).await;
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    assert_eq!(scene.payment("pi_1").await, ["refunded", "0", "0"]);
    scene.assert_books_hold().await;
}

/// Two concurrent refunds of 60.00 of one payment.
async fn race(processor: &Database, name: &str, number: u128) {
    let (left, right) = (refund(name, 2 * number + 1, "60.00"), refund(name, 2 * number + 2, "60.00"));
    let (left, right) = tokio::join!(decide(processor, &left, at(noon())), decide(processor, &right, at(noon())));
    let emitted = [left.unwrap(), right.unwrap()].map(|decided| match decided {
        StaffCommandResult::Committed(emitted) => emitted.events,
        StaffCommandResult::OtherContent => panic!("each has a name of its own"),
    });
    let emitted = emitted.concat();
    let emitted: Vec<&str> = emitted.iter().map(|message| message.event_type.as_str()).collect();
    assert_eq!(emitted, ["payment.refund_refused"]);
}

#[tokio::test]
async fn of_two_refunds_at_once_that_are_too_much_together_one_is_refused_with_its_reason() {
    const TRIES: u32 = 200;
    let scene = Scene::begin().await;
    let captured: Vec<TestEvidence> =
        (0..TRIES).map(|number| TestEvidence::capture(&format!("pi_{number}"), None, euro("100.00"))).collect();
    for batch in captured.chunks(10) {
        scene.receive(batch).await;
    }
    for number in 0..TRIES {
        race(&scene.processor, &format!("stripe:pi_{number}"), number.into()).await;
    }
    let too_much = "select count(*) from (select from payments.refunds where status = 'requested'
        group by payment_id having sum(amount) > 100) as excess";
    assert_eq!(scene.test.count(too_much).await, 0);
    let split = "select count(*) from (select from payments.refunds group by payment_id
        having array_agg(status order by status) = '{refused,requested}'
            and max(refusal) like '60.00 EUR is more than the 40.00 EUR %') as one_of_two";
    assert_eq!(scene.test.count(split).await, i64::from(TRIES));
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn the_database_itself_refuses_a_refund_beyond_what_is_left_whatever_the_code_believes() {
    let (scene, _) = paid_scene().await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    scene.receive(&[TestEvidence::claim("pi_2", None, euro("100.00"))]).await;
    let pool = scene.test.pool_of(ROLE, 1).await;
    let insert = |reference: &str, amount: &str, currency: &str, status: &str| {
        format!(
            "insert into payments.refunds (id, payment_id, amount, currency, reason, requested_by, status)
             select gen_random_uuid(), id, {amount}, '{currency}', 'r', 'u', '{status}' from payments.payments
             where transaction_id = 'stripe:{reference}'"
        )
    };
    let within = "refunds_within_captured";
    for (statement, constraint) in [
        (insert("pi_1", "40.01", "EUR", "requested"), within),
        (insert("pi_1", "1", "USD", "requested"), within),
        (insert("pi_2", "1", "EUR", "requested"), within),
        (insert("pi_1", "0", "EUR", "waiting"), "refunds_amount_positive"),
        (insert("pi_1", "-1", "EUR", "waiting"), "refunds_amount_positive"),
        (insert("pi_1", "1", "EUR", "refused"), "refunds_refused_has_refusal"),
        (insert("pi_1", "1", "EUR", "done"), "refunds_status_known"),
    ] {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&pool).await.unwrap_err();
        let broken = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(broken, Some(constraint), "{statement}: {refused}");
    }
    // A waiting refund may be higher; requesting it is refused then.
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert("pi_1", "41", "EUR", "waiting"))).execute(&pool).await.unwrap();
    let refused = sqlx::query("update payments.refunds set status = 'requested' where status = 'waiting'");
    let refused = refused.execute(&pool).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.constraint()), Some(within));
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert("pi_1", "40", "EUR", "requested"))).execute(&pool).await.unwrap();
}

#[tokio::test]
async fn two_writers_that_each_ask_for_what_is_left_meet_at_the_payment_and_the_second_is_refused() {
    let (scene, _) = paid_scene().await;
    let pool = scene.test.pool_of(ROLE, 2).await;
    let ask = "insert into payments.refunds (id, payment_id, amount, currency, reason, requested_by, status)
        select gen_random_uuid(), id, 60, 'EUR', 'r', 'u', 'requested' from payments.payments";
    let mut first = pool.begin().await.unwrap();
    sqlx::query(ask).execute(&mut *first).await.unwrap();
    let second = tokio::spawn(async move { sqlx::query(ask).execute(&pool).await });
    scene.test.until_waiting(1).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.constraint()), Some("refunds_within_captured"));
}

#[tokio::test]
async fn a_refund_that_fails_has_changed_nothing_in_the_end() {
    let (scene, invoice) = paid_scene().await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    scene.receive(&[answered(FactKind::RefundFailure, "pi_1", 1, "60.00")]).await;
    assert_eq!(scene.test.refunds().await, [("60".to_owned(), "failed".to_owned(), None)]);
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    // A failed refund reserves nothing: the full amount can be requested again, and may fail after it was reported as
    // done.
    scene.decide(&refund("stripe:pi_1", 2, "100.00")).await;
    scene.receive(&[answered(FactKind::Refund, "pi_1", 2, "100.00")]).await;
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    scene.receive(&[answered(FactKind::RefundFailure, "pi_1", 2, "100.00")]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "0"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_that_comes_before_its_payment_waits_and_is_decided_when_the_money_arrives() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    scene.decide(&refund("stripe:pi_2", 2, "60.00")).await;
    let status =
        async || -> Vec<String> { scene.test.refunds().await.into_iter().map(|(_, status, _)| status).collect() };
    assert_eq!(status().await, ["waiting", "waiting"]);
    scene.receive(&[TestEvidence::claim("pi_1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(status().await, ["waiting", "waiting"]);
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("100.00"))]).await;
    assert_eq!(scene.payment("pi_1").await, ["confirmed", "40", "60"], "what is about to go back pays nothing");
    assert_eq!(status().await, ["requested", "waiting"]);
    let emitted = scene.receive(&[TestEvidence::capture("pi_2", None, euro("50.00"))]).await;
    assert!(emitted.contains(&"payment.refund_refused".to_owned()), "{emitted:?}");
    assert_eq!(status().await, ["refused", "requested"]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_request_that_comes_again_has_one_effect() {
    let (scene, _) = paid_scene().await;
    for _ in 0..3 {
        scene.decide(&refund("stripe:pi_1", 1, "30.00")).await;
    }
    assert_eq!(scene.test.refunds().await, [("30".to_owned(), "requested".to_owned(), None)]);
    scene.receive(&[answered(FactKind::Refund, "pi_1", 1, "30.00")]).await;
    scene.decide(&refund("stripe:pi_1", 1, "30.00")).await;
    assert_eq!(scene.test.refunds().await, [("30".to_owned(), "succeeded".to_owned(), None)]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_under_the_name_of_another_is_refused_and_the_first_stands() {
    let (scene, _) = paid_scene().await;
    scene.decide(&refund("stripe:pi_1", 1, "30.00")).await;
    assert_eq!(scene.decide(&refund("stripe:pi_1", 1, "40.00")).await, ["other content"]);
    scene.receive(&[TestEvidence::capture("pi_2", None, euro("100.00"))]).await;
    assert_eq!(scene.decide(&refund("stripe:pi_2", 1, "30.00")).await, ["other content"]);
    assert_eq!(scene.test.refunds().await, [("30".to_owned(), "requested".to_owned(), None)]);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_is_refunded_through_its_case_without_touching_the_invoice() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::capture("pi_1", Some(invoice), euro("130.00"))]).await;
    let case = scene.test.case("surplus").await;
    let command = close("stripe:pi_1", case, CaseDecision::Refund, "r1");
    scene.decide(&command).await;
    scene.decide(&command).await;
    assert_eq!(scene.test.outcome(case).await, (Some("refunded".to_owned()), None));
    let (amount, status) =
        (scene.test.text("select trim_scale(amount)::text from payments.refunds").await, "requested".to_owned());
    assert_eq!((amount.as_str(), scene.test.refunds().await), ("30", vec![("30".to_owned(), status, None)]));
    let id = scene.test.text("select 'ref_' || replace(id::text, '-', '') from payments.refunds").await;
    scene.receive(&[TestEvidence::reported(FactKind::Refund, "pi_1", &id, euro("30.00"))]).await;
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "100", "0"]);
    assert_eq!(scene.paid(invoice).await, ["paid", "100"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn unapplied_cash_whose_refund_failed_waits_for_staff_again() {
    let scene = Scene::begin().await;
    scene.receive(&[TestEvidence::capture("pi_1", None, euro("30.00"))]).await;
    let case = scene.test.case("surplus").await;
    scene.decide(&close("stripe:pi_1", case, CaseDecision::Refund, "r1")).await;
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
    let id = scene.test.text("select 'ref_' || replace(id::text, '-', '') from payments.refunds").await;
    scene.receive(&[TestEvidence::reported(FactKind::RefundFailure, "pi_1", &id, euro("30.00"))]).await;
    assert_eq!(scene.test.open_cases().await, [surplus("refund_failed")]);
    assert_ne!(scene.test.case("surplus").await, case);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_chargeback_after_a_refund_leaves_the_payment_overdrawn_until_it_is_won() {
    let (scene, invoice) = paid_scene().await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    scene.receive(&[answered(FactKind::Refund, "pi_1", 1, "60.00")]).await;
    let dispute = |kind: FactKind| TestEvidence::reported(kind, "pi_1", "dp_1", euro("100.00"));
    scene.receive_each(&[dispute(FactKind::Dispute), dispute(FactKind::DisputeLost)]).await;
    assert_eq!(scene.payment("pi_1").await, ["reversed", "0", "-60"]);
    assert_eq!(scene.paid(invoice).await, ["open", "0"]);
    let overdrawn = ("overdrawn".to_owned(), "more money went back than came in".to_owned());
    assert_eq!(scene.test.open_cases().await, [overdrawn]);
    scene.assert_books_hold().await;
    scene.receive(&[dispute(FactKind::DisputeWon).again("won", chrono::TimeDelta::days(9))]).await;
    assert_eq!(scene.payment("pi_1").await, ["partially_refunded", "40", "0"]);
    assert_eq!(scene.paid(invoice).await, ["partially_paid", "40"]);
    assert_eq!(scene.test.open_cases().await, []);
    scene.assert_books_hold().await;
}

#[tokio::test]
async fn a_refund_is_requested_of_the_gateway_that_has_the_money_although_it_was_claimed_as_a_transfer() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    scene.receive(&[TestEvidence::claim("manual:PO-1", Some(invoice), euro("100.00"))]).await;
    let capture = TestEvidence::capture("pi_1", Some(invoice), euro("100.00")).known_as("manual:PO-1");
    scene.receive(&[capture]).await;
    scene.decide(&refund("stripe:pi_1", 1, "60.00")).await;
    let asked = "select count(*) from payments.outbox where destination = 'gateway_commands'
        and body::jsonb #>> '{data,provider}' = 'stripe'";
    assert_eq!(scene.test.count(asked).await, 1);
}
