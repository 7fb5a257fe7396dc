//! What on-call staff see of the outbox and of cases, and what their role may write.

use serde_json::json;
use uuid::Uuid;

use super::{PAYMENTS, ROLE, Scene, capture};

const RELEASED: &str =
    "select count(*) from audit.records where action = 'outbox.released' and actor like 'operator:ada (%'";

impl Scene {
    /// An event that the topic has refused.
    async fn park_in_outbox(&self) -> String {
        let id = Uuid::now_v7();
        let insert = "insert into payments.outbox (id, destination, group_id, type, body, parked_reason)
            values ($1, 'invoice_events', 'inv_1', 'invoice.paid', '{}', 'InvalidParameter')";
        sqlx::query(insert).bind(id).execute(&self.test.admin).await.unwrap();
        id.to_string()
    }
}

#[tokio::test]
async fn a_parked_row_of_the_outbox_is_seen_and_released_once_with_a_reason_that_is_kept() {
    let scene = Scene::begin().await;
    let id = scene.park_in_outbox().await;
    let seen = scene.run(&["outbox"]).await.unwrap();
    assert!(!seen.is_clean && seen.text.contains(&id) && seen.text.contains("InvalidParameter"), "{}", seen.text);
    assert!(scene.run(&["outbox", "--release", &id]).await.is_err(), "without a reason");
    let release = ["outbox", "--release", &id, "--reason", "the topic's policy is mended"];
    assert_eq!(scene.run(&release).await.unwrap().json, json!({"released": id}));
    assert_eq!(scene.test.count("select count(*) from payments.outbox where parked_reason is null").await, 1);
    let refused = scene.run(&release).await.unwrap_err();
    assert!(format!("{refused:#}").contains("is not parked"), "{refused:#}");
    assert_eq!(scene.test.count(RELEASED).await, 1);
}

#[tokio::test]
async fn the_operators_role_parks_nothing_and_signs_with_no_other_name() {
    let scene = Scene::begin().await;
    scene.park_in_outbox().await;
    let pool = scene.test.pool_of(ROLE, 1).await;
    for statement in [
        "update payments.outbox set parked_reason = 'not today'",
        "insert into audit.records (id, actor, action, subject, reason, correlation_id)
             values (gen_random_uuid(), 'user:finance', 'payment.refunded', 'pay_1', 'made up', 'c')",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("what is rehearsed is not committed"), "{statement}: {refused}");
    }
    assert_eq!(scene.test.count("select count(*) from audit.records").await, 0);
}

#[tokio::test]
async fn cases_that_staff_have_to_decide_are_listed_until_they_are_closed() {
    let scene = Scene::begin().await;
    scene.sqs.park(PAYMENTS, "stripe:pi_1", &capture("pi_1", None, "5.00"), "", "");
    scene.process().await;
    let listed = scene.run(&["cases"]).await.unwrap();
    assert_eq!(listed.json["cases"].as_array().unwrap().len(), 1, "{}", listed.text);
    assert!(listed.text.contains("stripe:pi_1") && listed.text.contains("5.00 EUR"), "{}", listed.text);
    let none = scene.run(&["cases", "--kind", "contradiction"]).await.unwrap();
    assert_eq!(none.json["cases"], json!([]));
}
