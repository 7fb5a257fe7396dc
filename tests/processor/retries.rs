//! Transactions that conflict with others: retried a few times before the queue has to.

use quittance_store::Database;
use sqlx::{Postgres, Transaction};

use super::{ROLE, Scene, euro, settle_all};
use crate::database::scene::TestEvidence;

/// Two payments, the second of which is locked by another transaction.
async fn held(scene: &Scene) -> Transaction<'static, Postgres> {
    scene
        .receive(&[
            TestEvidence::capture("pi_1", None, euro("10.00")),
            TestEvidence::capture("pi_2", None, euro("10.00")),
        ])
        .await;
    let mut holder = scene.test.admin.begin().await.unwrap();
    lock(&mut holder, "pi_2").await;
    holder
}

async fn lock(holder: &mut Transaction<'static, Postgres>, reference: &str) {
    let changed = sqlx::query("update payments.payments set updated_at = now() where transaction_id = $1");
    changed.bind(format!("stripe:{reference}")).execute(&mut **holder).await.unwrap();
}

async fn processor(scene: &Scene, settings: &'static str) -> Database {
    Database::from_pool(scene.test.pool_with(ROLE, 1, settings, scene.test.options()).await)
}

/// The bank's evidence about both payments, in one batch.
fn lines() -> [TestEvidence; 2] {
    ["pi_1", "pi_2"].map(|reference| TestEvidence::bank_line(reference, None, euro("10.00")))
}

async fn assert_received(scene: &Scene) {
    assert_eq!(scene.test.count("select count(*) from payments.facts where door = 'bank'").await, 2);
    scene.assert_books_hold().await;
}

/// The start of the transaction that waits for a lock; none if there is none.
async fn waiting_since(scene: &Scene) -> Option<chrono::DateTime<chrono::Utc>> {
    let since = "select max(xact_start) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    sqlx::query_scalar(since).fetch_one(&scene.test.admin).await.unwrap()
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had_in_time_is_tried_for_again_in_the_same_call() {
    let scene = Scene::begin().await;
    let holder = held(&scene).await;
    let processor = processor(&scene, "set lock_timeout = '400ms'").await;
    let settling = tokio::spawn(async move { settle_all(&processor, &lines()).await });
    scene.test.until_waiting(1).await;
    let first = waiting_since(&scene).await;
    // Another transaction waits: the first has given up.
    while waiting_since(&scene).await.is_none_or(|since| Some(since) == first) {
        assert!(!settling.is_finished(), "it has given up for good");
    }
    holder.commit().await.unwrap();
    settling.await.unwrap().unwrap();
    assert_received(&scene).await;
}

#[tokio::test]
async fn a_lock_that_is_never_to_be_had_ends_the_call_as_a_conflict_and_changes_nothing() {
    let scene = Scene::begin().await;
    let holder = held(&scene).await;
    let processor = processor(&scene, "set lock_timeout = '50ms'").await;
    let error = settle_all(&processor, &lines()).await.unwrap_err();
    assert!(error.is_conflict() && !error.is_outage(), "{error}");
    holder.rollback().await.unwrap();
    assert_eq!(scene.test.count("select count(*) from payments.facts where door = 'bank'").await, 0);
    settle_all(&processor, &lines()).await.unwrap();
    assert_received(&scene).await;
}

#[tokio::test]
async fn the_victim_of_a_deadlock_is_tried_again_in_the_same_call() {
    let scene = Scene::begin().await;
    let mut holder = held(&scene).await;
    sqlx::query("set local deadlock_timeout = '1min'").execute(&mut *holder).await.unwrap();
    let processor = processor(&scene, "set lock_timeout = '10s'").await;
    let settling = tokio::spawn(async move { settle_all(&processor, &lines()).await });
    // The processor holds the first lock and waits for the second; now the second's holder requests the first.
    scene.test.until_waiting(1).await;
    lock(&mut holder, "pi_1").await;
    holder.commit().await.unwrap();
    settling.await.unwrap().unwrap();
    let deadlocks = "select count(*) from pg_stat_database where datname = current_database() and deadlocks > 0";
    let mut report = scene.test.admin.acquire().await.unwrap();
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *report).await.unwrap();
    drop(report);
    assert_eq!(scene.test.count(deadlocks).await, 1);
    assert_received(&scene).await;
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again_in_the_same_call() {
    let scene = Scene::begin().await;
    let holder = held(&scene).await;
    // READ COMMITTED has no such failure; an operator may set another level.
    let settings = "set lock_timeout = '10s'; set default_transaction_isolation = 'repeatable read'";
    let processor = processor(&scene, settings).await;
    let settling = tokio::spawn(async move { settle_all(&processor, &lines()).await });
    scene.test.until_waiting(1).await;
    holder.commit().await.unwrap();
    settling.await.unwrap().unwrap();
    assert_received(&scene).await;
}
