//! The outbox as the relay reads it: nothing is skipped, nothing is published too early, and relays do not block each
//! other.

use std::time::{Duration, SystemTime};

use chrono::{TimeDelta, Utc};
use quittance_domain::event::EventMessage;
use quittance_relay::relay::{Destinations, Relayed, relay};
use quittance_store::outbox::{self, Destination};
use quittance_store::{Database, Transaction, health_metrics};
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::loopback::{Loopback, Topic};

const ROLE: &str = "quittance_relay";
const WRITER: &str = crate::processor::ROLE;

fn message(number: usize) -> EventMessage {
    EventMessage {
        id: Uuid::now_v7(),
        group_id: format!("group {number}"),
        event_type: "invoice.paid".to_owned(),
        body: format!("{{\"number\":{number}}}"),
    }
}

/// Begins a transaction that writes one message, and leaves it open.
async fn begin_writing(writer: &Database, number: usize) -> (Uuid, Transaction) {
    let mut transaction = writer.begin().await.unwrap();
    let message = message(number);
    outbox::insert(&mut transaction, Destination::InvoiceEvents, std::slice::from_ref(&message)).await.unwrap();
    (message.id, transaction)
}

fn destinations(services: &Loopback) -> Destinations {
    Destinations { events: services.publisher(), gateways: services.gateways(), payments: services.payments_queue() }
}

/// The messages that the relay can lock now.
async fn lock(transaction: &mut Transaction) -> Vec<Uuid> {
    let before = Utc::now() + TimeDelta::minutes(1);
    let messages = outbox::lock_unpublished(transaction, Destination::InvoiceEvents, before, &[], 100).await.unwrap();
    messages.iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn messages_that_commit_out_of_order_are_each_seen_once_and_never_before_their_commit() {
    const WRITERS: usize = 50;
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, u32::try_from(WRITERS).unwrap()).await;
    let relay = test.as_role(ROLE, 1).await;
    let mut open = Vec::new();
    for number in 0..WRITERS {
        open.push(begin_writing(&writer, number).await);
    }
    // Oldest and youngest in turn, from the outside in; every seventh writer rolls back.
    let mut step = 0;
    while !open.is_empty() {
        let place = if step % 2 == 0 { 0 } else { open.len() - 1 };
        let (id, transaction) = open.remove(place);
        let expected = if step % 7 == 6 {
            transaction.rollback().await.unwrap();
            vec![]
        } else {
            transaction.commit().await.unwrap();
            vec![id]
        };
        let mut relaying = relay.begin().await.unwrap();
        let seen = lock(&mut relaying).await;
        assert_eq!(seen, expected, "step {step}");
        outbox::finish(&mut relaying, &seen, &[]).await.unwrap();
        relaying.commit().await.unwrap();
        step += 1;
    }
    assert_eq!(test.count("select count(*) from payments.outbox where published_at is null").await, 0);
    assert_eq!(test.count("select count(*) from payments.outbox").await, 43);
}

#[tokio::test]
async fn two_relays_at_once_take_different_messages_and_neither_waits() {
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, 1).await;
    let relay = test.as_role(ROLE, 2).await;
    let mut first = relay.begin().await.unwrap();
    let (early, transaction) = begin_writing(&writer, 1).await;
    transaction.commit().await.unwrap();
    assert_eq!(lock(&mut first).await, [early]);
    let (late, transaction) = begin_writing(&writer, 2).await;
    transaction.commit().await.unwrap();
    let mut second = relay.begin().await.unwrap();
    assert_eq!(lock(&mut second).await, [late]);
    // The first relay dies: what it had locked is free again.
    first.rollback().await.unwrap();
    second.rollback().await.unwrap();
    let mut third = relay.begin().await.unwrap();
    assert_eq!(lock(&mut third).await, [early, late]);
}

#[tokio::test]
async fn a_message_that_can_never_be_published_is_parked_in_its_row_and_delays_no_other() {
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, 1).await;
    let relay = test.as_role(ROLE, 1).await;
    let mut ids = Vec::new();
    for number in 0..2 {
        let (id, transaction) = begin_writing(&writer, number).await;
        transaction.commit().await.unwrap();
        ids.push(id);
    }
    let mut relaying = relay.begin().await.unwrap();
    lock(&mut relaying).await;
    outbox::finish(&mut relaying, &[], &[(ids[0], "InvalidParameter: too long".to_owned())]).await.unwrap();
    relaying.commit().await.unwrap();
    let mut relaying = relay.begin().await.unwrap();
    assert_eq!(lock(&mut relaying).await, [ids[1]]);
    let reason = test.text("select parked_reason from payments.outbox where parked_reason is not null").await;
    assert_eq!(reason, "InvalidParameter: too long");
}

#[tokio::test]
async fn what_its_writer_is_publishing_is_left_to_the_writer_and_only_old_published_rows_are_purged() {
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, 1).await;
    let relay = test.as_role(ROLE, 1).await;
    for number in 0..2 {
        let (_, transaction) = begin_writing(&writer, number).await;
        transaction.commit().await.unwrap();
    }
    let mut relaying = relay.begin().await.unwrap();
    let young = outbox::lock_unpublished(
        &mut relaying,
        Destination::InvoiceEvents,
        Utc::now() - TimeDelta::seconds(30),
        &[],
        100,
    )
    .await
    .unwrap();
    assert_eq!(young, []);
    relaying.rollback().await.unwrap();
    let age = "update payments.outbox set created_at = now() - interval '40 days', published_at =
                   case when body like '%1%' then now() - interval '40 days' end";
    sqlx::query(age).execute(&test.admin).await.unwrap();
    assert_eq!(outbox::purge(&relay, Utc::now() - TimeDelta::days(30)).await.unwrap(), 1);
    assert_eq!(test.count("select count(*) from payments.outbox where published_at is null").await, 1);
}

#[tokio::test]
async fn while_the_topic_throttles_the_relay_tries_once_a_run_and_the_next_run_publishes_everything() {
    const MESSAGES: usize = 25;
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, 1).await;
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let (id, transaction) = begin_writing(&writer, number).await;
        transaction.commit().await.unwrap();
        ids.push(id);
    }
    let services = Loopback::serve();
    let (database, destinations) = (test.as_role(ROLE, 1).await, destinations(&services));
    let later = Utc::now() + TimeDelta::minutes(1);
    let run = async || {
        let deadline = SystemTime::now() + Duration::from_secs(60);
        relay(&database, &destinations, later, deadline).await.unwrap()
    };
    services.set_topic(Topic::Throttles);
    assert_eq!(run().await, Relayed::default());
    assert_eq!(services.calls(), 1, "it does not press on");
    let untouched = "select count(*) from payments.outbox where published_at is null and parked_reason is null";
    assert_eq!(test.count(untouched).await, i64::try_from(MESSAGES).unwrap());
    services.set_topic(Topic::Takes);
    assert_eq!(run().await, Relayed { published: MESSAGES, parked: 0, purged: 0 });
    assert_eq!(services.published(), ids);
    assert_eq!(test.count(untouched).await, 0);
    assert_eq!(run().await, Relayed::default());
}

#[tokio::test]
async fn commands_go_to_the_queue_of_their_payments_gateway_and_one_for_no_gateway_is_parked() {
    let test = TestDatabase::migrated().await;
    let writer = test.as_role(WRITER, 1).await;
    let command = |payment: &str| EventMessage { group_id: payment.to_owned(), ..message(1) };
    let commands = ["stripe:pi_1", "adyen:PSP1", "nobody:1"].map(command);
    let mut transaction = writer.begin().await.unwrap();
    outbox::insert(&mut transaction, Destination::GatewayCommands, &commands).await.unwrap();
    transaction.commit().await.unwrap();
    let services = Loopback::serve();
    let (database, destinations) = (test.as_role(ROLE, 1).await, destinations(&services));
    let deadline = SystemTime::now() + Duration::from_secs(60);
    let later = Utc::now() + TimeDelta::minutes(1);
    let relayed = relay(&database, &destinations, later, deadline).await.unwrap();
    assert_eq!(relayed, Relayed { published: 2, parked: 1, purged: 0 });
    let mut sent = services.sent();
    sent.sort();
    let sent_to = |queue: &str, payment: &str| (format!("{queue}.fifo"), payment.to_owned());
    assert_eq!(sent, [sent_to("adyen", "adyen:PSP1"), sent_to("stripe", "stripe:pi_1")]);
    let parked = "select parked_reason from payments.outbox where parked_reason is not null";
    assert_eq!(test.text(parked).await, "there is no gateway of the provider `nobody` here");
}

#[tokio::test]
async fn the_relay_sees_how_late_the_outbox_is_what_is_parked_and_which_claims_nothing_has_proven() {
    let test = TestDatabase::migrated().await;
    let (writer, relay) = (test.as_role(WRITER, 1).await, test.as_role(ROLE, 1).await);
    let (now, quiet) = (Utc::now(), health_metrics::read(&relay, Utc::now()).await.unwrap());
    assert_eq!((quiet.outbox_lag_s, quiet.outbox_parked, quiet.claims_unverified), (0, 0, 0));
    assert!((0..=100).contains(&quiet.connections_percent), "{quiet:?}");
    for number in 0..3 {
        let (_, transaction) = begin_writing(&writer, number).await;
        transaction.commit().await.unwrap();
    }
    let change = "update payments.outbox set created_at = $1 - interval '90 s' where body like '%0%';
         update payments.outbox set created_at = $1 - interval '1 day', parked_reason = 'too long' where body like '%1%';
         update payments.outbox set created_at = $1 - interval '1 day', published_at = now() where body like '%2%'";
    for statement in change.split(';') {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).bind(now).execute(&test.admin).await.unwrap();
    }
    for (name, kinds, minutes) in
        [("a", vec!["claim"], 61), ("b", vec!["claim"], 59), ("c", vec!["claim", "authorisation"], 61)]
    {
        let payment = Uuid::now_v7();
        sqlx::query(
            "insert into payments.payments (id, transaction_id, provider, created_at) values ($1, $2, 'bank', $3)",
        )
        .bind(payment)
        .bind(format!("bank:{name}"))
        .bind(now - TimeDelta::minutes(minutes))
        .execute(&test.admin)
        .await
        .unwrap();
        for kind in kinds {
            sqlx::query(
                "insert into payments.facts
                     (id, payment_id, kind, amount, currency, door, event_id, movement, actor, occurred_at)
                 values (gen_random_uuid(), $1, $2, 1, 'EUR', 'api', $3, 'm', 'a', now())",
            )
            .bind(payment)
            .bind(kind)
            .bind(format!("{name} {kind}"))
            .execute(&test.admin)
            .await
            .unwrap();
        }
    }
    let late = health_metrics::read(&relay, now).await.unwrap();
    assert_eq!((late.outbox_lag_s, late.outbox_parked, late.claims_unverified), (90, 1, 1));
}
