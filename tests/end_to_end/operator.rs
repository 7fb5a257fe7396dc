//! The on-call tool on the deployed stack, with no more rights than its policy and its login role give.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Parser;
use quittance_operator::cli::Cli;
use quittance_operator::commands;
use quittance_operator::deployment::{Deployment, DeploymentTables, identity};
use quittance_operator::queues::{NAMES, Queues};
use quittance_operator::report::Report;
use quittance_store::{Database, DatabaseSettings};
use serde_json::json;
use xtask::stack::REGION;

use super::{Scene, euros, fresh, scene, until};

fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map(|(inner, _)| inner).unwrap()
}

/// A user who only has the operators' policy.
fn engineer(scene: &Scene) -> SdkConfig {
    let (aws, name) = (scene.stack.aws().unwrap(), fresh("oncall"));
    let policy = scene.stack.output("OperatorPolicyArn").unwrap();
    aws.query_call("iam", "CreateUser", &[("UserName", &name)]).unwrap();
    aws.query_call("iam", "AttachUserPolicy", &[("UserName", &name), ("PolicyArn", policy)]).unwrap();
    let key = aws.query_call("iam", "CreateAccessKey", &[("UserName", &name)]).unwrap();
    let (id, secret) = (between(&key, "AccessKeyId"), between(&key, "SecretAccessKey"));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(scene.stack.emulator_url().unwrap())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "engineer")))
        .build()
}

async fn desk(scene: &Scene) -> Deployment {
    let (aws, stack) = (engineer(scene), scene.stack.cloudformation_name());
    let database = scene.stack.database.as_ref().unwrap();
    let settings = DatabaseSettings::read(|name| match name {
        "DATABASE_HOST" => database.access.host.clone(),
        "DATABASE_PORT" => database.access.port.to_string(),
        "DATABASE_NAME" => database.name.clone(),
        "DATABASE_ROLE" => "quittance_operator".to_owned(),
        "DATABASE_TLS" => "disable".to_owned(),
        _ => scene.stack.output("OperatorDatabaseSecretArn").unwrap().to_owned(),
    });
    Deployment {
        queues: Queues::find(&aws, &stack).await.unwrap(),
        database: Database::new(settings.unwrap(), &aws),
        tables: DeploymentTables::find(&aws, &stack).await.unwrap(),
        operator: Some("ada".to_owned()),
        identity: identity(&aws).await.unwrap(),
    }
}

async fn run(desk: &Deployment, line: &[&str]) -> Report {
    let cli = Cli::try_parse_from(["quittance"].iter().chain(line)).unwrap();
    commands::run(desk, cli.command).await.unwrap()
}

fn confirmation(name: &str, invoice: &str) -> String {
    json!({
        "specversion": "1.0", "id": uuid::Uuid::now_v7(), "source": "/quittance/test", "subject": name,
        "time": "2026-11-02T12:00:00Z", "datacontenttype": "application/json",
        "dataschema": "urn:quittance:ConfirmPayment:1", "correlationid": "test", "type": "ConfirmPayment",
        "data": {
            "transaction_id": name, "provider": "manual", "kind": "settlement", "amount": euros("100.00"), "door": "api",
            "event_id": name, "movement": name, "actor": "test", "occurred_at": "2026-11-02T12:00:00Z",
            "invoice": {"id": invoice},
        },
    })
    .to_string()
}

#[test]
fn what_was_parked_is_found_understood_replayed_and_followed_to_its_end() {
    let (scene, runtime) = (scene(), tokio::runtime::Runtime::new().unwrap());
    let desk = runtime.block_on(desk(scene));
    let run = |line: &[&str]| runtime.block_on(run(&desk, line));
    let (invoice, name) = (scene.new_invoice(), format!("manual:{}", fresh("parked")));
    let parked = scene.stack.output("PaymentsDeadLetterQueueUrl").unwrap();
    let body = confirmation(&name, &invoice);
    scene.stack.aws().unwrap().sqs_send(parked, &body, Some((&name, &fresh("dedup")))).unwrap();
    let rehearsed = run(&["dlq", "replay", "--dry-run", "--group", &name]);
    assert_eq!(rehearsed.json["sent"], 1, "{}", rehearsed.text);
    assert!(rehearsed.text.contains("emits invoice.paid"), "{}", rehearsed.text);
    assert_eq!(scene.get(&scene.finance, &format!("/v1/invoices/{invoice}")).json()["status"], "open");
    let line = ["dlq", "replay", "--yes", "--reason", "mended", "--group", &name, "--wait=60"];
    let replayed = run(&line);
    assert_eq!(replayed.json["became"], json!({"applied": 1}), "{}", replayed.text);
    assert_eq!(replayed.json["broken"], json!([]));
    assert_eq!(run(&["dlq", "list", "--group", &name]).json["count"], 0);

    scene.wait_for_payment(&name, "confirmed");
    let everybody = json!({"receipt": "done", "ledger": "done", "notification": "", "webhook": "done"});
    let shown = until("everybody to have heard", || {
        let shown = run(&["payment", "show", &name]).json;
        (shown["told"][0]["heard"] == everybody).then_some(shown)
    });
    assert_eq!((&shown["status"], &shown["evidence"][0]["event_id"]), (&json!("confirmed"), &json!(name)));
    let kept = "select count(*) from audit.records where action = 'dead_letter.replayed' and after ->> 'group' = $1
         and actor like 'operator:ada (arn:aws:iam::%:user/oncall-%)'";
    assert_eq!(scene.count(kept, &name), 1);
    let happened = run(&["invoice", "show", &invoice]);
    assert!(happened.text.contains("invoice.issued") && happened.text.contains("settlement of 100.00 EUR"));
    for consumer in ["receipt", "ledger", "webhook"] {
        let line = ["replay", "events", "--consumer", consumer, "--from=1h", "--subject", &invoice, "--dry-run"];
        // Events from before the payment may still be on their way to a consumer.
        let missing = until("nothing to be left to tell", || {
            let missing = run(&line).json;
            (missing["events"] == json!([])).then_some(missing)
        });
        assert!(missing["handled"].as_u64().unwrap() >= 1, "{consumer}: {missing}");
    }
    let status = run(&["status"]);
    assert_eq!(status.json["queues"].as_array().unwrap().len(), NAMES.len(), "{}", status.text);
    let runs = until("both schedules to have run", || {
        let runs = run(&["status"]).json["database"]["schedules"].clone();
        runs.as_array().unwrap().iter().all(|run| run["ended_at"].is_string()).then_some(runs)
    });
    assert_eq!(runs.as_array().unwrap().len(), 2, "{runs}");
}

#[tokio::test]
async fn the_operator_cannot_receive_from_the_source_queues() {
    let scene = scene();
    let desk = desk(scene).await;
    let payments = desk.queues.named("payments").unwrap();
    let refused = format!("{:#}", desk.queues.take(payments).await.unwrap_err());
    assert!(refused.contains("AccessDenied") || refused.contains("not authorized"), "{refused}");
}
