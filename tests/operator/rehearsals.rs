//! A dry run carries a message out, and leaves no trace.

use quittance_domain::error::Chain;
use quittance_processor::settle::settle;
use serde_json::json;

use super::{PARKED, PAYMENTS, ROLE, Scene, capture};
use crate::database::scene::{TestEvidence, at, money, noon};

#[tokio::test]
async fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let scene = Scene::begin().await;
    let invoice = scene.test.open_invoice(scene.test.client().await, "100.00", "EUR").await;
    scene.park_capture("pi_1", Some(invoice), "100.00");
    scene.sqs.park(PARKED, "stripe:x", "{}", "malformed", "no envelope");
    let reported = scene.run(&["dlq", "replay", "--dry-run"]).await.unwrap();
    let fates: Vec<&str> =
        reported.json["outcomes"].as_array().unwrap().iter().filter_map(|one| one["fate"].as_str()).collect();
    assert_eq!(fates, ["sent", "refused"]);
    assert!(
        reported.text.contains("emits invoice.paid") && reported.text.contains("status: confirmed"),
        "{}",
        reported.text
    );
    assert!(!reported.text.contains("through gateway"), "reasons may be people's words: {}", reported.text);
    for table in ["payments.payments", "payments.facts", "payments.outbox", "audit.records"] {
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&scene.test.admin)
            .await
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert_eq!(scene.test.invoice(invoice).await, ("open".to_owned(), "0".to_owned(), 2));
    assert_eq!((scene.sqs.changes(), scene.sqs.hidden_in(PARKED)), (0, 0));
}

#[tokio::test]
async fn what_has_had_its_effect_is_not_sent_and_can_be_discarded_and_nothing_else_can() {
    let scene = Scene::begin().await;
    let invoice = scene.test.open_invoice(scene.test.client().await, "100.00", "EUR").await;
    let (known, body) = scene.park_capture("pi_1", Some(invoice), "100.00");
    scene.sqs.park("payments.fifo", "stripe:pi_1", &body, "", "");
    scene.process().await;
    let (new, _) = scene.park_capture("pi_2", None, "7.00");
    let line = ["dlq", "replay", "--yes", "--reason", "r", "--wait=0", "--message", known.as_str()];
    let replayed = scene.run(&line).await.unwrap();
    assert_eq!((&replayed.json["sent"], &replayed.json["applied"]), (&json!(0), &json!(1)), "{}", replayed.text);
    let discarded = scene.run(&["dlq", "discard", "--yes", "--reason", "done long ago"]).await.unwrap();
    assert_eq!(discarded.json, json!({"removed": 1, "kept": 1}));
    let left = scene.run(&["dlq", "list", "--json"]).await.unwrap();
    assert_eq!(left.json["causes"][0]["messages"][0]["message"], json!(new));
    let refused = scene.run(&["dlq", "discard", "--yes", "--reason", "r"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("none is known to have had its effect"), "{refused:#}");
    assert_eq!(scene.sqs.lying_in(PARKED).len(), 1, "money that moved is not dropped");
}

#[tokio::test]
async fn after_a_replay_the_outcome_of_each_message_and_the_invariants_are_reported() {
    let scene = Scene::begin().await;
    let invoice = scene.test.open_invoice(scene.test.client().await, "100.00", "EUR").await;
    let (_, body) = scene.park_capture("pi_1", Some(invoice), "100.00");
    let line = ["dlq", "replay", "--yes", "--reason", "the fix is out", "--wait=0"];
    let reported = scene.run(&line).await.unwrap();
    assert_eq!(reported.json["became"], json!({"not_applied": 1}), "nobody has handled it yet");
    assert!(!reported.is_clean);
    assert_eq!(scene.sqs.lying_in(PAYMENTS), [("stripe:pi_1".to_owned(), body)]);
    scene.process().await;
    assert_eq!(scene.test.invoice(invoice).await.0, "paid");
    let books = scene.run(&["ledger", "check", "--as-of=2026-12-31T00:00:00Z"]).await.unwrap();
    assert_eq!(books.json["broken"], json!([]));
    let differences = books.json["findings"].as_array().unwrap().len();
    assert!(differences > 0 && !books.is_clean, "the ledger has not heard of it");
}

#[tokio::test]
async fn the_database_itself_refuses_to_commit_what_the_operator_rehearses() {
    let scene = Scene::begin().await;
    let operator = scene.test.as_role(ROLE, 1).await;
    let evidence = TestEvidence::capture("pi_1", None, money("5.00", "EUR"));
    let refused = settle(&operator, &[evidence.instruction()], at(noon())).await.unwrap_err();
    assert!(Chain(&refused).to_string().contains("what is rehearsed is not committed"), "{refused}");
    assert_eq!(scene.test.count("select count(*) from payments.facts").await, 0);
    let pool = scene.test.pool_of(ROLE, 1).await;
    for statement in [
        "insert into payments.outbox (id, destination, group_id, type, body)
             values (gen_random_uuid(), 'invoice_events', 'g', 'invoice.paid', '{}')",
        "update ledger.entries set amount = 1",
        "set role quittance_processor",
        "update billing.invoices set total = 1",
        "delete from payments.outbox",
    ] {
        assert!(sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn evidence_that_contradicts_what_is_recorded_under_its_name_would_be_parked_again() {
    let scene = Scene::begin().await;
    scene.sqs.park("payments.fifo", "stripe:pi_1", &capture("pi_1", None, "5.00"), "", "");
    scene.process().await;
    let (message, _) = scene.park_capture("pi_1", None, "6.00");
    let shown = scene.run(&["dlq", "show", &message]).await.unwrap();
    assert_eq!(shown.json["forecast"]["prospect"], json!("refused"), "{}", shown.text);
    assert!(shown.text.contains("idempotency_conflict"), "{}", shown.text);
}

#[tokio::test]
async fn money_that_counts_twice_breaks_a_rule() {
    let scene = Scene::begin().await;
    scene.sqs.park("payments.fifo", "stripe:pi_1", &capture("pi_1", None, "5.00"), "", "");
    scene.sqs.park("payments.fifo", "stripe:pi_2", &capture("pi_2", None, "5.00"), "", "");
    scene.process().await;
    let broken =
        async || scene.run(&["ledger", "check", "--as-of=2026-12-31T00:00:00Z"]).await.unwrap().json["broken"].clone();
    assert_eq!(broken().await, json!([]));
    // No role can do this; the database's superuser can.
    let slip = "set session_replication_role = replica; update payments.facts set movement = 'stripe:ch_pi_1';
        reset session_replication_role";
    sqlx::raw_sql(slip).execute(&scene.test.admin).await.unwrap();
    let twice = json!([{"rule": "I2", "subject": "stripe:ch_pi_1", "detail": "counts for 2 payments"}]);
    assert_eq!(broken().await, twice);
}
