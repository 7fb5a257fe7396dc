//! A replay that is killed at any of its steps is completed by a second one: nothing is lost, nothing is applied twice.

use super::sqs::Moment;
use super::{PARKED, PAYMENTS, Scene};
use crate::database::TestDatabase;

/// More calls than a replay makes.
const CALLS_MAX: usize = 60;

const REPLAY: [&str; 8] =
    ["dlq", "replay", "--yes", "--reason", "the fix is out", "--rate=1000", "--wait=0", "--limit=99"];

/// The number of recorded replays, of facts, and of payments that were settled in full.
async fn counts(test: &TestDatabase) -> [i64; 3] {
    let noted =
        "select count(*) from audit.records where action = 'dead_letter.replayed' and actor like 'operator:ada (arn:%'";
    let credited = "select count(*) from payments.credits where amount = 10";
    [test.count(noted).await, test.count("select count(*) from payments.facts").await, test.count(credited).await]
}

#[tokio::test]
async fn a_replay_that_is_killed_at_any_step_is_finished_by_the_next_and_each_payment_counts_once() {
    let (mut kills, mut test) = (0, TestDatabase::migrated().await);
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let scene = Scene::with(test).await;
            let (killed, begun) = (format!("killed {moment:?} call {call}"), counts(&scene.test).await);
            let names = ["a#1", "b#1", "a#2"].map(|name| format!("pi_{moment:?}_{call}_{name}"));
            let bodies = names.each_ref().map(|name| scene.park_capture(name, None, "10.00").1);
            let lived = scene.sqs.run(Some((call, moment)), async { drop(scene.run(&REPLAY).await) }).await;
            let scene = scene.restarted().await;
            scene.sqs.let_time_pass();
            // The messages of the first run are handled before the second, or after it.
            if call % 2 == 0 {
                scene.process().await;
            }
            // A second run sends what is left; the first may have left nothing.
            drop(scene.run(&REPLAY).await);
            assert_eq!(scene.sqs.lying_in(PARKED), [], "{killed}");
            let sent: Vec<String> = scene.sqs.lying_in(PAYMENTS).into_iter().map(|(_, body)| body).collect();
            let places = bodies.each_ref().map(|body| sent.iter().position(|one| one == body));
            assert!(places.iter().all(Option::is_some), "{killed}: {places:?}");
            assert!(places[0] < places[2], "{killed}: those of a group keep their order");
            scene.process().await;
            let done = counts(&scene.test).await.map(|count| count - begun[0]);
            assert_eq!((done, begun), ([3; 3], [begun[0]; 3]), "{killed}: notes, facts, credits");
            test = scene.test;
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 20, "only {kills} kills");
}

#[tokio::test]
async fn unsent_messages_stay_and_the_others_are_returned() {
    let scene = Scene::begin().await;
    scene.park_capture("pi_a", None, "10.00");
    scene.sqs.park("ledger-dead-letter.fifo", "inv_1", "{}", "malformed", "no event");
    let listed = scene.run(&["dlq", "list"]).await.unwrap();
    assert_eq!(listed.json["count"], 2);
    for queue in [PARKED, "ledger-dead-letter.fifo"] {
        assert_eq!((scene.sqs.lying_in(queue).len(), scene.sqs.hidden_in(queue)), (1, 0), "{queue}");
    }
    assert_eq!(scene.sqs.changes(), 0);
    let mut deployment = scene.deployment.clone();
    deployment.operator = None;
    let nobody = super::Scene { test: scene.test, sqs: scene.sqs, deployment };
    let refused = nobody.run(&REPLAY).await.unwrap_err();
    assert!(format!("{refused:#}").contains("--as is required"), "{refused:#}");
    assert_eq!(nobody.sqs.changes(), 0, "nothing is sent without an audit record");
    assert_eq!(nobody.sqs.hidden_in(PARKED), 0);
}
