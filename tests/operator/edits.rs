//! Parked messages that are edited by hand.

use std::fs;

use serde_json::json;

use super::{PARKED, PAYMENTS, Scene, capture};

/// A capture that cannot be parsed because of its time; and the file with the corrected body.
struct Mended {
    scene: Scene,
    file: tempfile::NamedTempFile,
    message: String,
    body: String,
}

impl Mended {
    async fn begin() -> Self {
        let scene = Scene::begin().await;
        let body = capture("pi_1", None, "10.00");
        let spoiled = body.replace("\"occurred_at\":\"", "\"occurred_at\":\"on ");
        assert_ne!(spoiled, body);
        let message = scene.sqs.park(PARKED, "stripe:pi_1", &spoiled, "malformed", "no time");
        Self { scene, file: tempfile::NamedTempFile::new().unwrap(), message, body }
    }

    /// Replays the message with that body.
    async fn replay(&self, body: &str) -> anyhow::Result<super::Report> {
        fs::write(self.file.path(), body).unwrap();
        let file = self.file.path().to_str().unwrap();
        let line = ["dlq", "replay", "--yes", "--reason", "the gateway wrote no time", "--wait=0", "--message"];
        let line: Vec<&str> = line.into_iter().chain([&*self.message, "--edited", file]).collect();
        self.scene.run(&line).await
    }
}

#[tokio::test]
async fn a_malformed_message_is_edited_and_sent_and_the_audit_record_names_the_changes() {
    let mended = Mended::begin().await;
    let line = ["dlq", "replay", "--yes", "--reason", "r", "--wait=0"];
    let refused = mended.scene.run(&line).await.unwrap();
    assert_eq!(refused.json["refused"], json!(1), "{}", refused.text);
    let sent = mended.replay(&mended.body).await.unwrap();
    assert_eq!(sent.json["sent"], json!(1), "{}", sent.text);
    let queues = [PARKED, PAYMENTS].map(|queue| mended.scene.sqs.lying_in(queue));
    assert_eq!(queues, [vec![], vec![("stripe:pi_1".to_owned(), mended.body.clone())]]);
    mended.scene.process().await;
    assert_eq!(mended.scene.test.count("select count(*) from payments.credits where amount = 10").await, 1);
    let kept = "select count(*) from audit.records where after #>> '{edit,changed,0}' = '/data/occurred_at'";
    assert_eq!(mended.scene.test.count(kept).await, 1);
}

#[tokio::test]
async fn an_edit_changes_neither_the_money_nor_which_message_it_is() {
    let mut mended = Mended::begin().await;
    for (from, to, why) in [
        ("10.00", "1000.00", "/data/amount/value cannot be edited"),
        ("EUR", "USD", "/data/amount/currency cannot be edited"),
        ("stripe:pi_1", "stripe:pi_2", "/data/transaction_id cannot be edited"),
        ("ConfirmPayment\"", "ClaimPayment\"", "/type cannot be edited"),
        ("\"data\":{", "\"data\":{\"references\":[\"stripe:pi_9\"],", "/data/references/0 cannot be edited"),
        ("{", "", "is not JSON"),
    ] {
        let body = mended.body.replace(from, to);
        assert_ne!(body, mended.body, "{from}");
        let refused = mended.replay(&body).await.unwrap_err();
        assert!(format!("{refused:#}").contains(why), "{to}: {refused:#}");
    }
    let order = mended.body.replace("ConfirmPayment", "RequestRefund");
    for body in ["no JSON at all", &order] {
        let message = mended.scene.sqs.park(PARKED, "stripe:pi_3", body, "malformed", "not understood");
        mended.message = message;
        let refused = mended.replay(&mended.body).await.unwrap_err();
        assert!(format!("{refused:#}").contains("only ClaimPayment and ConfirmPayment"), "{refused:#}");
    }
    assert_eq!((mended.scene.sqs.changes(), mended.scene.sqs.hidden_in(PARKED)), (0, 0));
}
