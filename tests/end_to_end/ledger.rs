//! Every event five times, in any order, with the ledger's worker killed at every step: posted once.

use quittance_idempotency::{CONSUMER_RECORD_RETENTION, IdempotencyTable};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_ledger::handler::Ledger;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::paths::workspace_root;

use super::delivery::kills::{CALLS_MAX, Moment, Way, shuffle};
use super::delivery::{aws_at, emulate, invocation};
use super::{fresh, scene};
use crate::database::TestDatabase;

/// An event that is posted, and its id.
fn event() -> (Uuid, String) {
    let path = workspace_root().join("events/contract/1/invoice.paid.json");
    let mut event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let id = Uuid::now_v7();
    event["id"] = json!(id);
    (id, event.to_string())
}

async fn worker(test: &TestDatabase, table: &str, url: &str) -> Ledger {
    let aws = aws_at(url);
    let dead_letters = scene().stack.output("LedgerDeadLetterQueueUrl").unwrap().to_owned();
    Ledger {
        database: test.as_role("quittance_ledger", 2).await,
        idempotency: IdempotencyTable::new(&aws, table.to_owned(), CONSUMER_RECORD_RETENTION),
        dead_letters: DeadLetterQueue::new(&aws, dead_letters),
    }
}

#[tokio::test]
async fn an_event_that_comes_five_times_with_a_kill_at_every_step_is_booked_once() {
    let (test, way, table) = (TestDatabase::migrated().await, Way::open().await, fresh("test-ledger"));
    let request = json!({
        "TableName": table, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
    });
    emulate("dynamodb", "CreateTable", &request);
    let doomed = worker(&test, &table, &way.url).await;
    let plain = worker(&test, &table, &scene().stack.emulator_url().unwrap()).await;
    let (mut kills, mut events) = (0, 0_i64);
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let ((id, body), (_, other)) = (event(), event());
            events += 2;
            let work = async { drop(doomed.handle(invocation(std::slice::from_ref(&body))).await.unwrap()) };
            let lived = way.run(Some((call, moment)), work).await;
            let mut bodies = vec![body.clone(), other.clone(), body.clone(), other, body.clone(), body];
            shuffle(&mut bodies);
            for _ in 0..2 {
                assert!(plain.handle(invocation(&bodies)).await.unwrap().batch_item_failures.is_empty());
            }
            let booked: i64 = sqlx::query_scalar("select count(*) from ledger.transactions where event_id = $1")
                .bind(id.to_string())
                .fetch_one(&test.admin)
                .await
                .unwrap();
            assert_eq!(booked, 1, "killed {moment:?} call {call}");
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 4, "only {kills} kills");
    assert_eq!(test.count("select count(*) from ledger.transactions").await, events);
}
