//! Which messages are selected, and what is shown of them.

use std::fs;

use chrono::Utc;
use quittance_store::Database;
use quittance_store::health_metrics::{self, Scheduled};
use serde_json::{Value, json};

use super::{PARKED, Scene};

const INVOICE: &str = "inv_019a3f5f00017a3cb4c5d6e7f8091a2b";

/// The number of messages that match the selection.
async fn fitting(scene: &Scene, choice: &[&str]) -> Value {
    let line: Vec<&str> = ["dlq", "list"].iter().chain(choice).copied().collect();
    scene.run(&line).await.unwrap().json["count"].clone()
}

#[tokio::test]
async fn messages_are_chosen_by_queue_cause_type_group_invoice_provider_and_time() {
    let scene = Scene::begin().await;
    scene.park_capture("pi_1", Some(INVOICE.parse().unwrap()), "10.00");
    scene.park_capture("pi_2", None, "10.00");
    scene.sqs.park(PARKED, "adyen:x", "no json", "malformed", "line 7 is no JSON");
    scene.sqs.park("validator-dead-letter.fifo", "stripe:1", "{}", "unreadable_webhook", "a member is missing");
    for (choice, count) in [
        (&[][..], 4),
        (&["--queue", "payments"], 3),
        (&["--queue", "validator-dead-letter"], 1),
        (&["--code", "malformed"], 1),
        (&["--cause", "is no JSON"], 1),
        (&["--type", "ConfirmPayment"], 2),
        (&["--group", "stripe:pi_2"], 1),
        (&["--invoice", INVOICE], 1),
        (&["--provider", "stripe"], 3),
        (&["--provider", "adyen"], 1),
        (&["--since", "2026-11-02T12:00:00Z"], 4),
        (&["--since", "2026-11-02T12:00:01Z"], 0),
        (&["--until", "2026-11-02T12:00:00Z"], 0),
        (&["--queue", "payments", "--provider", "stripe", "--type", "ConfirmPayment", "--invoice", INVOICE], 1),
    ] {
        assert_eq!(fitting(&scene, choice).await, json!(count), "{choice:?}");
    }
    let refused = scene.run(&["dlq", "list", "--queue", "nothing"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("there are ledger-dead-letter, payments-dead-letter"), "{refused:#}");
}

#[tokio::test]
async fn messages_with_one_cause_are_one_line() {
    let scene = Scene::begin().await;
    for name in ["pi_1", "pi_2", "pi_3"] {
        let reason = format!("payment {name} met line 7 of src/settle.rs");
        scene.sqs.park(PARKED, name, &super::capture(name, None, "1.00"), "retries_exhausted", &reason);
    }
    let listed = scene.run(&["dlq", "list"]).await.unwrap();
    let causes = listed.json["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1, "{}", listed.text);
    assert_eq!(causes[0]["cause"], json!("retries_exhausted: payment … met line … of src/settle.rs"));
    assert_eq!(causes[0]["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn personal_data_is_shown_only_with_a_reason_which_is_audited() {
    let scene = Scene::begin().await;
    let body =
        json!({"specversion": "1.0", "type": "invoice.paid", "data": {"client": {"id": "cli_1", "name": "Ada Meier"}}});
    let message = scene.sqs.park("ledger-dead-letter.fifo", INVOICE, &body.to_string(), "malformed", "r");
    let folder = tempfile::tempdir().unwrap();
    let (plain, open) = (folder.path().join("plain"), folder.path().join("open"));
    let (plain, open) = (plain.to_str().unwrap(), open.to_str().unwrap());
    let shown = scene.run(&["dlq", "show", &message]).await.unwrap();
    scene.run(&["dlq", "export", "--output", plain]).await.unwrap();
    for text in [shown.text, shown.json.to_string(), fs::read_to_string(plain).unwrap()] {
        assert!(text.contains("cli_1") && !text.contains("Meier"), "{text}");
    }
    scene.run(&["dlq", "export", "--output", plain]).await.unwrap_err();
    let revealed = "select count(*) from audit.records where action = 'dead_letter.revealed'";
    assert_eq!(scene.test.count(revealed).await, 0);
    assert!(scene.run(&["dlq", "show", &message, "--reveal"]).await.is_err(), "without a reason");
    let shown = scene.run(&["dlq", "show", &message, "--reveal", "--reason", "asked by the client"]).await.unwrap();
    assert!(shown.text.contains("Ada Meier"), "{}", shown.text);
    scene.run(&["dlq", "export", "--output", open, "--reveal", "--reason", "asked by the client"]).await.unwrap();
    assert!(fs::read_to_string(open).unwrap().contains("Ada Meier"));
    assert_eq!(scene.test.count(revealed).await, 2, "each time");
}

#[tokio::test]
async fn messages_behind_ten_others_of_their_group_are_listed_and_replayed_too() {
    let scene = Scene::begin().await;
    for number in 0..13 {
        scene.park_capture(&format!("pi_1#{number}"), None, "1.00");
    }
    let listed = scene.run(&["dlq", "list"]).await.unwrap();
    assert_eq!((&listed.json["count"], &listed.json["unseen"]), (&json!(10), &json!(3)), "{}", listed.text);
    let line = ["dlq", "replay", "--yes", "--reason", "r", "--rate=1000", "--wait=0"];
    assert_eq!(scene.run(&line).await.unwrap().json["sent"], json!(13));
    assert_eq!((scene.sqs.lying_in(PARKED).len(), scene.sqs.lying_in(super::PAYMENTS).len()), (0, 13));
}

#[tokio::test]
async fn a_webhook_that_was_rejected_and_can_be_read_now_becomes_the_command_that_the_validator_would_have_sent() {
    let scene = Scene::begin().await;
    let sample = xtask::paths::workspace_root().join("events/validator/stripe_webhook.json");
    let sample: Value = serde_json::from_slice(&fs::read(sample).unwrap()).unwrap();
    let rejected = "validator-dead-letter.fifo";
    scene.sqs.park(rejected, "stripe:1", sample["body"].as_str().unwrap(), "unknown_event_type", "not known");
    scene.sqs.park(rejected, "stripe:2", r#"{"type": "unheard.of"}"#, "unknown_event_type", "not known");
    let line = ["dlq", "replay", "--yes", "--reason", "deployed", "--wait=0"];
    let reported = scene.run(&line).await.unwrap();
    assert_eq!((&reported.json["sent"], &reported.json["refused"]), (&json!(1), &json!(1)), "{}", reported.text);
    let sent = scene.sqs.lying_in(super::PAYMENTS);
    let [(group, body)] = sent.as_slice() else { panic!("{sent:?}") };
    let command: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&command["type"], &command["data"]["kind"]), (&json!("ConfirmPayment"), &json!("capture")));
    assert_eq!(command["data"]["transaction_id"], json!(group));
    scene.process().await;
    assert_eq!(scene.test.count("select count(*) from payments.facts where kind = 'capture'").await, 1);
    assert_eq!(scene.sqs.lying_in(rejected).len(), 1, "what is still not understood stays");
}

#[tokio::test]
async fn a_queue_that_does_not_say_how_much_it_holds_is_not_taken_for_an_empty_one() {
    let scene = Scene::begin().await;
    scene.park_capture("pi_1", None, "10.00");
    scene.sqs.hush();
    for line in [&["dlq", "list"][..], &["status"], &["dlq", "replay", "--yes", "--reason", "r", "--wait=0"]] {
        let refused = scene.run(line).await.unwrap_err();
        assert!(
            format!("{refused:#}").contains("did not return its ApproximateNumberOfMessages"),
            "{line:?}: {refused:#}"
        );
    }
}

#[tokio::test]
async fn the_status_shows_when_each_schedule_last_ran() {
    let scene = Scene::begin().await;
    let schedules = |report: &super::Report| report.json["database"]["schedules"].as_array().cloned().unwrap();
    let begun = scene.run(&["status"]).await.unwrap();
    assert_eq!(begun.text.matches("never").count(), 2, "{}", begun.text);
    assert!(!begun.is_clean && schedules(&begun).iter().all(|one| one["ended_at"].is_null()));
    for (role, scheduled) in
        [("quittance_relay", Scheduled::Relay), ("quittance_notification", Scheduled::Notification)]
    {
        health_metrics::note_run(&scene.test.as_role(role, 1).await, scheduled, Utc::now()).await.unwrap();
    }
    let run = scene.run(&["status"]).await.unwrap();
    assert!(run.is_clean && schedules(&run).iter().all(|one| one["ended_at"].is_string()), "{}", run.text);
}

#[tokio::test]
async fn the_status_shows_the_queues_while_the_database_is_away() {
    let mut scene = Scene::begin().await;
    scene.park_capture("pi_1", None, "10.00");
    let gone = scene.test.pool_of(super::ROLE, 1).await;
    gone.close().await;
    scene.deployment.database = Database::from_pool(gone);
    let status = scene.run(&["status"]).await.unwrap();
    assert!(!status.is_clean && status.text.contains("The database cannot be queried"), "{}", status.text);
    let parked = |queue: &&Value| queue["queue"] == "payments-dead-letter";
    let queues = status.json["queues"].as_array().unwrap();
    assert_eq!(queues.iter().find(parked).unwrap()["depth"]["waiting"], json!(1));
}

#[tokio::test]
async fn an_incomplete_view_of_a_queue_is_reported_as_such() {
    let scene = Scene::begin().await;
    for number in 0..12 {
        scene.park_capture(&format!("pi_1#{number}"), None, "1.00");
    }
    let taken = scene.deployment.queues.dead_letters(Some("payments")).unwrap();
    let held = scene.deployment.queues.take(&taken[0]).await.unwrap();
    let line = ["dlq", "replay", "--yes", "--reason", "r", "--rate=1000", "--wait=0"];
    let replayed = scene.run(&line).await.unwrap();
    assert_eq!((held.len(), &replayed.json["sent"], &replayed.json["unseen"]), (10, &json!(0), &json!(12)));
    assert!(!replayed.is_clean && replayed.text.contains("About 12 were not inspected"), "{}", replayed.text);
    let status = scene.run(&["status"]).await.unwrap();
    assert!(!status.is_clean, "{}", status.text);
}

#[tokio::test]
async fn messages_of_a_queue_without_groups_are_all_seen_and_sent_again() {
    let scene = Scene::begin().await;
    for number in 0..23 {
        scene.sqs.park("uploads-dead-letter", "", &format!(r#"{{"Records": [{number}]}}"#), "", "");
    }
    let line = ["dlq", "replay", "--yes", "--reason", "r", "--rate=1000", "--wait=0"];
    let replayed = scene.run(&line).await.unwrap();
    assert_eq!((&replayed.json["sent"], &replayed.json["unseen"]), (&json!(23), &json!(0)), "{}", replayed.text);
    assert_eq!(["uploads-dead-letter", "uploads"].map(|queue| scene.sqs.lying_in(queue).len()), [0, 23]);
}
