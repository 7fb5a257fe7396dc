//! The fenced idempotency record, on the stack's DynamoDB.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_idempotency::{IdempotencyClaim, IdempotencyError, IdempotencyLease, IdempotencyTable};

use super::delivery::{root, table};
use super::{fresh, scene};

const PRINT: &str = "a digest of the message";

fn records() -> IdempotencyTable {
    let stack = &scene().stack;
    IdempotencyTable::new(&root(stack), table(stack, "Receipt"), TimeDelta::days(1))
}

/// A time without fractions in the clocks of both sides.
fn noon() -> DateTime<Utc> {
    "2099-11-02T12:00:00Z".parse().unwrap()
}

fn minutes(minutes: i64) -> DateTime<Utc> {
    noon() + TimeDelta::minutes(minutes)
}

/// Claims the key at that minute, with a lease of ten.
async fn claim(records: &IdempotencyTable, key: &str, at: i64) -> IdempotencyClaim {
    records.claim(key, PRINT, minutes(at), minutes(at + 10)).await.unwrap()
}

async fn won(records: &IdempotencyTable, key: &str, at: i64) -> IdempotencyLease {
    match claim(records, key, at).await {
        IdempotencyClaim::Won(lease) => lease,
        other => panic!("{key} at minute {at}: {other:?}"),
    }
}

#[tokio::test]
async fn of_many_workers_at_once_one_gets_the_key_and_the_others_learn_it() {
    const WORKERS: usize = 8;
    let (records, key) = (records(), fresh("crowd"));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (records, key) = (records.clone(), key.clone());
        workers.spawn(async move { claim(&records, &key, 0).await });
    }
    let claims = workers.join_all().await;
    assert_eq!(claims.iter().filter(|claim| matches!(claim, IdempotencyClaim::Won(_))).count(), 1);
    assert_eq!(claims.iter().filter(|claim| **claim == IdempotencyClaim::InProgress).count(), WORKERS - 1);
}

#[tokio::test]
async fn a_lease_is_respected_until_it_lapses_and_may_then_be_taken_over() {
    let (records, key) = (records(), fresh("lapse"));
    won(&records, &key, 0).await;
    assert_eq!(claim(&records, &key, 9).await, IdempotencyClaim::InProgress);
    assert_eq!(claim(&records, &key, 10).await, IdempotencyClaim::InProgress, "its last moment counts");
    won(&records, &key, 11).await;
}

#[tokio::test]
async fn a_lease_until_a_deadline_that_has_passed_already_may_be_taken_over_at_once() {
    let (records, key) = (records(), fresh("late"));
    let late = records.claim(&key, PRINT, minutes(0), minutes(-1)).await.unwrap();
    let IdempotencyClaim::Won(late) = late else { panic!("{late:?}") };
    let next = won(&records, &key, 0).await;
    assert!(matches!(records.complete(&late, None).await, Err(IdempotencyError::Overtaken { .. })));
    records.complete(&next, None).await.unwrap();
}

#[tokio::test]
async fn an_overtaken_worker_can_neither_conclude_nor_give_back_what_its_successor_has() {
    let (records, key) = (records(), fresh("overtaken"));
    let overtaken = won(&records, &key, 0).await;
    let successor = won(&records, &key, 11).await;
    // Before its successor is done, and after.
    for is_done in [false, true] {
        if is_done {
            records.complete(&successor, Some("the answer")).await.unwrap();
        }
        for outcome in [
            records.complete(&overtaken, Some("another answer")).await,
            records.fail_for_good(&overtaken, "no").await,
            records.leave_unknown(&overtaken, "no").await,
            records.release(&overtaken).await,
        ] {
            assert!(matches!(outcome, Err(IdempotencyError::Overtaken { .. })), "{outcome:?}");
        }
    }
    assert_eq!(claim(&records, &key, 30).await, IdempotencyClaim::Completed(Some("the answer".to_owned())));
}

#[tokio::test]
async fn a_failure_that_may_pass_gives_the_key_back_at_once() {
    let (records, key) = (records(), fresh("released"));
    let lease = won(&records, &key, 0).await;
    records.release(&lease).await.unwrap();
    assert!(matches!(records.complete(&lease, None).await, Err(IdempotencyError::Overtaken { .. })));
    won(&records, &key, 0).await;
}

#[tokio::test]
async fn a_completed_record_stays_completed_until_it_expires() {
    let records = records();
    let (completed, failed, unknown) = (fresh("completed"), fresh("failed"), fresh("unknown"));
    records.complete(&won(&records, &completed, 0).await, None).await.unwrap();
    records.fail_for_good(&won(&records, &failed, 0).await, "no such account").await.unwrap();
    let lease = won(&records, &unknown, 0).await;
    records.leave_unknown(&lease, "no answer").await.unwrap();
    for at in [0, 11, 24 * 60 - 1] {
        assert_eq!(claim(&records, &completed, at).await, IdempotencyClaim::Completed(None));
        assert_eq!(claim(&records, &failed, at).await, IdempotencyClaim::FailedForGood("no such account".to_owned()));
        assert_eq!(claim(&records, &unknown, at).await, IdempotencyClaim::Unknown);
    }
    // A record cannot be concluded twice, not even by its own worker.
    assert!(matches!(records.release(&lease).await, Err(IdempotencyError::Overtaken { .. })));
    assert!(matches!(records.complete(&lease, None).await, Err(IdempotencyError::Overtaken { .. })));
}

#[tokio::test]
async fn a_key_with_another_payload_is_a_conflict_in_every_state() {
    let records = records();
    let other = async |key: &str, at: i64| records.claim(key, "another digest", minutes(at), minutes(at + 10)).await;
    let key = fresh("other");
    let lease = won(&records, &key, 0).await;
    for at in [0, 11] {
        assert_eq!(
            other(&key, at).await.unwrap(),
            IdempotencyClaim::OtherPayload,
            "a lapsed lease is not another payload's"
        );
    }
    records.complete(&lease, Some("the answer")).await.unwrap();
    assert_eq!(other(&key, 0).await.unwrap(), IdempotencyClaim::OtherPayload);
    assert_eq!(claim(&records, &key, 0).await, IdempotencyClaim::Completed(Some("the answer".to_owned())));
}

#[tokio::test]
async fn an_answer_is_returned_until_its_record_expires() {
    let (records, key) = (records(), fresh("answer"));
    assert_eq!(records.answer_of(&key, noon()).await.unwrap(), None);
    records.record_answer(&key, "then", noon()).await.unwrap();
    assert_eq!(records.answer_of(&key, noon()).await.unwrap().as_deref(), Some("then"));
    assert_eq!(records.answer_of(&key, minutes(60 * 24 * 400)).await.unwrap(), None);
}

#[tokio::test]
async fn an_expired_record_counts_no_more_although_it_is_still_there() {
    let (records, key) = (records(), fresh("expired"));
    records.complete(&won(&records, &key, 0).await, None).await.unwrap();
    assert!(records.is_completed(&key, minutes(24 * 60 - 1)).await.unwrap());
    assert!(!records.is_completed(&key, minutes(24 * 60)).await.unwrap());
    won(&records, &key, 24 * 60 + 1).await;
}
