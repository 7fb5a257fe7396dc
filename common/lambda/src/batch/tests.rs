use std::cell::RefCell;

use super::*;
use crate::aws_error::AwsError;

fn event(bodies: &[(&str, &str, u32)]) -> SqsEvent {
    let records: Vec<_> = bodies
        .iter()
        .map(|(group, body, receives)| {
            serde_json::json!({
                "messageId": body, "body": body,
                "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": receives.to_string()},
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
}

/// The outcome named by the first word of the body, standing in for a handler.
fn outcome(record: &Record) -> RecordOutcome {
    match record.body.split('-').next() {
        Some("poison") => RecordOutcome::Park(PermanentFailure { code: "malformed", reason: "no JSON".to_owned() }),
        Some("retry") => RecordOutcome::Retry("not now".to_owned()),
        Some("panic") => panic!("as the test wants it"),
        _ => RecordOutcome::Done,
    }
}

struct Seen {
    failed: Vec<String>,
    parked: Vec<(String, &'static str)>,
    handled: Vec<String>,
}

async fn run_batch(mode: BatchMode, bodies: &[(&str, &str, u32)], seconds_left: u64) -> Result<Seen, Outage> {
    run_again(&DeliveryAttempts::default(), mode, bodies, seconds_left).await
}

async fn run_again(
    attempts: &DeliveryAttempts,
    mode: BatchMode,
    bodies: &[(&str, &str, u32)],
    seconds_left: u64,
) -> Result<Seen, Outage> {
    let (parked, handled) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let response = run(
        event(bodies),
        SystemTime::now() + Duration::from_secs(seconds_left),
        mode,
        attempts,
        async |records: &[Record]| {
            if records.iter().any(|record| record.body.starts_with("outage")) {
                return Err(BatchError::Outage("no database".to_owned()));
            }
            if records.iter().any(|record| record.body.starts_with("busy")) {
                return Err(BatchError::Busy("deadlock".to_owned()));
            }
            if records.len() > 1 && records.iter().any(|record| record.body.starts_with("spoils")) {
                return Err(BatchError::Spoiled("constraint".to_owned()));
            }
            let outcomes: Vec<_> = records.iter().map(outcome).collect();
            handled.borrow_mut().extend(records.iter().map(|record| record.body.clone()));
            Ok(outcomes)
        },
        async |record: &Record, refusal: &PermanentFailure| {
            if record.body.ends_with("unparkable") {
                return Err(AwsError::new("SendMessage", "no such queue").into());
            }
            parked.borrow_mut().push((record.body.clone(), refusal.code));
            Ok(())
        },
    )
    .await?;
    let failed = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    Ok(Seen { failed, parked: parked.into_inner(), handled: handled.into_inner() })
}

const AMPLE: u64 = 60;

#[tokio::test]
async fn a_failure_holds_back_the_later_messages_of_its_group_only() {
    let bodies = [("a", "ok-1", 1), ("b", "retry-2", 1), ("a", "ok-3", 1), ("b", "ok-4", 1)];
    let seen = run_batch(BatchMode::OneByOne, &bodies, AMPLE).await.unwrap();
    assert_eq!(seen.failed, ["retry-2", "ok-4"]);
    assert_eq!(seen.handled, ["ok-1", "retry-2", "ok-3"]);
}

#[tokio::test]
async fn poison_is_parked_at_its_first_delivery_wherever_it_stands() {
    for place in 0..10 {
        for mode in [BatchMode::Together, BatchMode::OneByOne] {
            let names: Vec<String> =
                (0..10).map(|index| if index == place { "poison".to_owned() } else { format!("ok-{index}") }).collect();
            let bodies: Vec<_> = names.iter().map(|name| ("same group", name.as_str(), 1)).collect();
            let seen = run_batch(mode, &bodies, AMPLE).await.unwrap();
            assert_eq!(seen.parked, [("poison".to_owned(), "malformed")]);
            assert_eq!(seen.failed, Vec::<String>::new());
            assert_eq!(seen.handled.len(), 10);
        }
    }
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_parked_at_the_third_attempt() {
    for mode in [BatchMode::Together, BatchMode::OneByOne] {
        let attempts = DeliveryAttempts::default();
        for receives in [1, 2] {
            let seen = run_again(&attempts, mode, &[("b", "retry-2", receives)], AMPLE).await.unwrap();
            assert_eq!((seen.failed, seen.parked), (vec!["retry-2".to_owned()], vec![]));
        }
        let batch = [("a", "retry-1", 1), ("b", "retry-2", 3), ("b", "ok-3", 1)];
        let seen = run_again(&attempts, mode, &batch, AMPLE).await.unwrap();
        assert_eq!(seen.failed, ["retry-1"]);
        assert_eq!(seen.parked, [("retry-2".to_owned(), "retries_exhausted")]);
        assert!(seen.handled.contains(&"ok-3".to_owned()), "its group goes on");
    }
}

#[tokio::test]
async fn a_message_that_waited_behind_another_of_its_group_and_fails_once_comes_back() {
    for mode in [BatchMode::Together, BatchMode::OneByOne] {
        let attempts = DeliveryAttempts::default();
        let parked_first = ("retry-1".to_owned(), "retries_exhausted");
        for receives in [1, 2] {
            let batch = [("a", "retry-1", receives), ("a", "retry-2", receives)];
            let seen = run_again(&attempts, mode, &batch, AMPLE).await.unwrap();
            assert_eq!((seen.failed.len(), seen.parked.len()), (2, 0));
        }
        let seen = run_again(&attempts, mode, &[("a", "retry-1", 3), ("a", "retry-2", 3)], AMPLE).await.unwrap();
        assert_eq!((seen.failed, seen.parked), (vec!["retry-2".to_owned()], vec![parked_first]), "{mode:?}");
        let seen = run_again(&attempts, mode, &[("a", "retry-2", 4)], AMPLE).await.unwrap();
        assert_eq!(seen.failed, ["retry-2"], "its second attempt");
        let seen = run_again(&attempts, mode, &[("a", "retry-2", 5)], AMPLE).await.unwrap();
        assert_eq!(seen.parked, [("retry-2".to_owned(), "retries_exhausted")], "its third");
    }
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_record_alone() {
    for mode in [BatchMode::Together, BatchMode::OneByOne] {
        let seen = run_batch(mode, &[("a", "ok-1", 1), ("b", "panic-2", 1), ("c", "ok-3", 1)], AMPLE).await.unwrap();
        assert_eq!(seen.failed, ["panic-2"]);
        assert_eq!(seen.handled, ["ok-1", "ok-3"]);
    }
}

#[tokio::test]
async fn a_batch_that_one_record_spoils_is_handled_one_by_one() {
    let seen = run_batch(BatchMode::Together, &[("a", "ok-1", 1), ("b", "spoils-2", 1)], AMPLE).await.unwrap();
    assert_eq!(seen.handled, ["ok-1", "spoils-2"]);
    assert!(seen.failed.is_empty());
}

#[tokio::test]
async fn what_met_other_work_comes_back_however_often_and_the_others_are_handled() {
    let seen = run_batch(BatchMode::Together, &[("a", "ok-1", 1), ("b", "busy-2", 90)], AMPLE).await.unwrap();
    assert_eq!((seen.handled, seen.failed, seen.parked), (vec!["ok-1".to_owned()], vec!["busy-2".to_owned()], vec![]));
}

#[tokio::test]
async fn an_outage_parks_nothing_and_returns_everything() {
    for mode in [BatchMode::Together, BatchMode::OneByOne] {
        assert!(run_batch(mode, &[("a", "outage-1", 90), ("b", "ok-2", 90)], AMPLE).await.is_err());
    }
}

#[tokio::test]
async fn an_outage_after_a_record_was_parked_returns_the_rest_and_not_the_parked_one() {
    let batch = [("a", "poison-1", 1), ("b", "outage-2", 90), ("c", "ok-3", 90)];
    let seen = run_batch(BatchMode::OneByOne, &batch, AMPLE).await.unwrap();
    assert_eq!(seen.parked.len(), 1);
    assert_eq!(seen.failed, ["outage-2", "ok-3"]);
    assert_eq!(seen.handled, ["poison-1"]);
}

#[tokio::test]
async fn no_work_is_started_near_the_deadline() {
    let seen = run_batch(BatchMode::OneByOne, &[("a", "ok-1", 1), ("b", "ok-2", 1)], 1).await.unwrap();
    assert_eq!(seen.failed, ["ok-1", "ok-2"]);
    assert!(seen.handled.is_empty());
}

#[tokio::test]
async fn what_cannot_be_parked_comes_back_and_holds_its_group() {
    let seen = run_batch(BatchMode::OneByOne, &[("a", "poison-unparkable", 1), ("a", "ok-2", 1)], AMPLE).await.unwrap();
    assert_eq!(seen.failed, ["poison-unparkable", "ok-2"]);
}

#[tokio::test]
async fn what_is_done_parked_and_comes_back_is_counted_apart() {
    let bodies = [("a", "ok-1", 1), ("b", "retry-2", 1), ("b", "ok-3", 1), ("c", "poison-4", 1), ("d", "ok-5", 1)];
    let records: Vec<Record> = event(&bodies).records.into_iter().map(record).collect();
    for mode in [BatchMode::Together, BatchMode::OneByOne] {
        let park = async |_: &Record, _: &PermanentFailure| Ok(());
        let attempts = DeliveryAttempts::default();
        let (failures, blocked, spans) = (Vec::new(), HashSet::new(), HashMap::new());
        let mut batch = Batch { failures, blocked, done: 0, spans, attempts: &attempts, park };
        let handle = async |records: &[Record]| Ok(records.iter().map(outcome).collect());
        let deadline = SystemTime::now() + Duration::from_secs(AMPLE);
        batch.all(&records, deadline, mode, &handle).await.unwrap();
        assert_eq!((batch.done, batch.failures.len()), (2, 2), "{mode:?}");
    }
}
