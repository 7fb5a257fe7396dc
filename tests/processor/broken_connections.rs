//! Connections that break at the worst moments: redelivery ends as if nothing had happened.

use quittance_processor::decide::decide;
use quittance_store::Database;

use super::{ROLE, Scene, euro, settle_all};
use crate::database::proxy::{Cut, Proxy};
use crate::database::scene::{TestEvidence, at, noon};
use crate::database::staff::refund;

/// A transaction here takes fewer messages; without this limit, a test that never succeeds would run for ever.
const MESSAGES_MAX: usize = 400;

/// The processor behind a proxy.
async fn behind(scene: &Scene) -> (Proxy, Database) {
    let proxy = Proxy::before(&scene.test.options());
    let way = proxy.way(scene.test.options());
    let pool = scene.test.pool_with(ROLE, 1, "set lock_timeout = '10s'", way).await;
    (proxy, Database::from_pool(pool))
}

#[tokio::test]
async fn a_payment_whose_commit_is_lost_on_the_way_or_on_the_way_back_posts_once_when_it_comes_again() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let scene = Scene::begin().await;
        let invoice = scene.invoice("100.00").await;
        let (proxy, processor) = behind(&scene).await;
        let capture = [TestEvidence::capture("pi_1", Some(invoice), euro("130.00"))];
        proxy.cut(cut);
        // The transaction is retried on another connection, and determines whether the first was committed.
        let recorded = "select count(*) from payments.facts";
        for _ in 0..2 {
            settle_all(&processor, &capture).await.unwrap();
            assert!(proxy.has_cut(), "{cut:?}");
            assert_eq!(scene.payment("pi_1").await, ["confirmed", "100", "30"]);
            assert_eq!(scene.test.count(recorded).await, 1);
            assert_eq!(scene.test.count("select count(*) from payments.outbox").await, 2);
        }
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_refund_whose_commit_is_lost_on_the_way_or_on_the_way_back_is_requested_once() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let scene = Scene::begin().await;
        scene.receive(&[TestEvidence::capture("pi_1", None, euro("100.00"))]).await;
        let (proxy, processor) = behind(&scene).await;
        let command = refund("stripe:pi_1", 1, "60.00");
        proxy.cut(cut);
        for _ in 0..2 {
            decide(&processor, &command, at(noon())).await.unwrap();
            assert!(proxy.has_cut(), "{cut:?}");
        }
        assert_eq!(scene.test.refunds().await, [("60".to_owned(), "requested".to_owned(), None)]);
        let asked = "select count(*) from payments.outbox where destination = 'gateway_commands'";
        assert_eq!(scene.test.count(asked).await, 1);
        scene.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_batch_that_dies_after_any_of_its_messages_to_the_database_posts_once_when_it_comes_again() {
    let scene = Scene::begin().await;
    let (proxy, processor) = behind(&scene).await;
    let mut payments = 0;
    for messages in 0..MESSAGES_MAX {
        let (first, second) = (scene.invoice("100.00").await, scene.invoice("100.00").await);
        let batch = [
            TestEvidence::capture(&format!("pi_{messages}a"), None, euro("150.00")).naming(&[first, second]),
            TestEvidence::capture(&format!("pi_{messages}b"), Some(second), euro("100.00")),
        ];
        proxy.cut(Cut::AfterMessages(messages));
        settle_all(&processor, &batch).await.unwrap_or_else(|error| panic!("after {messages} messages: {error}"));
        let came_through = proxy.spare();
        settle_all(&processor, &batch).await.unwrap();
        payments += 2;
        for invoice in [first, second] {
            assert_eq!(scene.paid(invoice).await, ["paid", "100"], "after {messages} messages");
        }
        assert_eq!(scene.test.count("select count(*) from payments.payments").await, payments);
        assert_eq!(scene.test.count("select count(*) from payments.facts").await, payments);
        if came_through {
            assert!(messages > 20, "only {messages} messages were tried");
            return scene.assert_books_hold().await;
        }
    }
    panic!("no batch came through within {MESSAGES_MAX} messages");
}
