//! The samples in `events/` for `sam local invoke`: each is parsed with the types of its function, and has the meaning
//! of its name.

use std::collections::BTreeSet;
use std::fs;

use aws_lambda_events::event::s3::S3Event;
use aws_lambda_events::event::sqs::SqsEvent;
use axum::extract::FromRequestParts;
use http::StatusCode;
use quittance_claims::handler::add_claims;
use quittance_deliveries::tags;
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::fact::FactKind;
use quittance_domain::id::ClientId;
use quittance_domain::ledger::posting;
use quittance_domain::notification::NotificationRecipient;
use quittance_feedback::ses_event::SesEvent;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_lambda::{body, idempotency_key};
use quittance_migrator::answer;
use quittance_providers::{ProviderModule, WebhookNotice};
use quittance_validator::bodies::NewRefundRequest;
use quittance_validator::commands::{Confirmation, NewPayment};
use serde_json::{Value, json};
use tower::ServiceExt;
use xtask::paths::workspace_root;

use crate::database::TestDatabase;

/// The client of the samples.
const CLIENT: &str = "cli_019a3f5e2b7c7d10a1b2c3d4e5f60718";

fn client() -> ClientId {
    CLIENT.parse().unwrap()
}

fn names(function: &str) -> BTreeSet<String> {
    let folder = workspace_root().join("events").join(function);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Asserts that tests cover all samples of a function, so that none remains unread.
fn assert_read(function: &str, known: &[&str]) {
    assert_eq!(names(function), known.iter().map(ToString::to_string).collect(), "events/{function}");
}

fn sample(function: &str, name: &str) -> String {
    let file = workspace_root().join("events").join(function).join(name).with_extension("json");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn request(function: &str, name: &str) -> lambda_http::Request {
    lambda_http::request::from_str(&sample(function, name)).unwrap()
}

async fn caller(request: lambda_http::Request) -> Caller {
    Caller::from_request_parts(&mut request.into_parts().0, &()).await.unwrap()
}

/// The bodies of a sample batch, each with its group.
fn bodies(function: &str, name: &str) -> Vec<(Option<String>, String)> {
    let event: SqsEvent = serde_json::from_str(&sample(function, name)).unwrap();
    assert!(!event.records.is_empty(), "{function}/{name} is empty");
    let of = |record: aws_lambda_events::event::sqs::SqsMessage| {
        (record.attributes.get("MessageGroupId").cloned(), record.body.unwrap())
    };
    event.records.into_iter().map(of).collect()
}

/// The envelopes of a sample batch; each has the group that its publisher would use.
fn envelopes<T: Payload>(function: &str, name: &str) -> Vec<CloudEvent<T>> {
    let parse = |(group, body): (Option<String>, String)| {
        let event = CloudEvent::<T>::parse(&body).unwrap_or_else(|error| panic!("{function}/{name}: {error}"));
        assert_eq!(group.as_ref(), Some(&event.subject), "{function}/{name}");
        event
    };
    bodies(function, name).into_iter().map(parse).collect()
}

fn types(function: &str, name: &str) -> Vec<&'static str> {
    envelopes::<InvoiceEvent>(function, name).iter().map(|event| event.payload.type_name()).collect()
}

#[test]
fn every_function_has_a_sample_and_every_sample_a_function() {
    let folders = |parent: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(workspace_root().join(parent)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut sampled = folders("events");
    assert!(sampled.remove("contract"), "the events' own contract is there");
    assert_eq!(sampled, folders("functions"));
    for function in sampled {
        assert!(!names(&function).is_empty(), "events/{function} is empty");
    }
}

#[tokio::test]
async fn the_validators_samples_are_a_claim_a_confirmation_a_refund_and_a_webhook() {
    assert_read("validator", &["claim", "confirmation", "refund", "stripe_webhook"]);
    let claim = request("validator", "claim");
    idempotency_key::read(claim.headers()).unwrap();
    let body = body::parse::<NewPayment>(claim.body()).unwrap();
    assert_eq!(body.transaction_id.as_str(), "manual:PO-2026-4711");
    assert_eq!(caller(claim).await.may(Permission::ClaimPayments), Ok(Reach::Own(client())));

    let confirmation = request("validator", "confirmation");
    idempotency_key::read(confirmation.headers()).unwrap();
    let path = confirmation.uri().path().to_owned();
    let reference = path.trim_start_matches("/v1/payments/").trim_end_matches("/confirmation");
    let body: Confirmation = body::parse(confirmation.body()).unwrap();
    assert!(body.into_movement(reference).unwrap().invoices.len() == 1);
    assert_eq!(caller(confirmation).await.may(Permission::ConfirmPayments), Ok(Reach::All));

    let refund = request("validator", "refund");
    idempotency_key::read(refund.headers()).unwrap();
    body::parse::<NewRefundRequest>(refund.body()).unwrap();
    assert_eq!(caller(refund).await.may(Permission::RefundPayments), Ok(Reach::All));

    let webhook = request("validator", "stripe_webhook");
    assert!(webhook.headers().contains_key("stripe-signature"));
    let stripe = quittance_providers::by_name("stripe").and_then(ProviderModule::webhooks).unwrap();
    let notices = stripe.read(webhook.body(), None).unwrap();
    let [WebhookNotice::Evidence(evidence)] = notices.as_slice() else { panic!("one piece of evidence") };
    assert_eq!(evidence.kind, FactKind::Capture);
    assert!(evidence.invoice.is_some());
}

/// Billing's router on a database with the samples' client.
async fn billing() -> axum::Router {
    let test = TestDatabase::migrated().await;
    sqlx::query("insert into billing.clients (id, name, email, address) values ($1, 'n', 'a@b.example', '{}')")
        .bind(client().as_uuid())
        .execute(&test.admin)
        .await
        .unwrap();
    crate::requests::billing(&test).await
}

/// Billing's response to a sample.
async fn answer_of_billing(name: &str) -> (StatusCode, String, Value) {
    let request = request("billing", name).map(|body| axum::body::Body::from(body.to_vec()));
    let response = billing().await.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let kind = parts.headers[http::header::CONTENT_TYPE].to_str().unwrap().to_owned();
    (parts.status, kind, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn billings_samples_are_answered_by_its_routes() {
    assert_read(
        "billing",
        &["create_client", "create_invoice", "read_unknown_payment", "start_upload", "unknown_route"],
    );
    let (status, _, body) = answer_of_billing("create_client").await;
    assert_eq!((status, &body["name"]), (StatusCode::CREATED, &json!("Nordlicht Handels GmbH")));
    let (status, _, body) = answer_of_billing("create_invoice").await;
    assert_eq!((status, &body["total"]["value"]), (StatusCode::CREATED, &json!("1190.00")));
    let (status, _, body) = answer_of_billing("start_upload").await;
    assert_eq!((status, &body["put"]["method"]), (StatusCode::CREATED, &json!("PUT")));
    for name in ["read_unknown_payment", "unknown_route"] {
        let (status, kind, _) = answer_of_billing(name).await;
        assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "application/problem+json"), "{name}");
    }
}

#[test]
fn the_processors_samples_are_commands_and_one_malformed_message() {
    let samples = ["charge_and_escalation", "claim_capture_and_bank_line", "poison", "refund_case_and_merge"];
    assert_read("processor", &samples);
    let kinds: Vec<FactKind> = envelopes::<PaymentCommand>("processor", "claim_capture_and_bank_line")
        .iter()
        .map(|command| match &command.payload {
            PaymentCommand::ClaimPayment(evidence) | PaymentCommand::ConfirmPayment(evidence) => evidence.kind,
            other => panic!("no evidence: {}", other.type_name()),
        })
        .collect();
    assert_eq!(kinds, [FactKind::Claim, FactKind::Capture, FactKind::Capture]);
    let types = |name: &str| -> Vec<&'static str> {
        envelopes::<PaymentCommand>("processor", name).iter().map(|command| command.payload.type_name()).collect()
    };
    assert_eq!(types("refund_case_and_merge"), ["RequestRefund", "DecideCase", "MergePayments"]);
    assert_eq!(types("charge_and_escalation"), ["ChargePayment", "EscalatePayment"]);
    let readable: Vec<bool> = bodies("processor", "poison")
        .iter()
        .map(|(_, body)| CloudEvent::<PaymentCommand>::parse(body).is_ok())
        .collect();
    assert_eq!(readable, [false, true]);
}

#[test]
fn the_consumers_samples_are_events_that_their_subscriptions_let_through() {
    assert_read("receipt", &["invoice_paid", "invoice_partially_paid", "payment_refunded"]);
    assert_eq!(types("receipt", "payment_refunded"), ["payment.refunded"]);
    assert_eq!(types("receipt", "invoice_paid"), ["invoice.paid"]);
    assert_eq!(types("receipt", "invoice_partially_paid"), ["invoice.partially_paid"]);
    assert_read(
        "ledger",
        &["issued_and_paid", "refunded_and_disputed", "reopened_and_surplus_reduced", "surplus_of_an_unknown_payer"],
    );
    for name in names("ledger") {
        let posts = |event: &CloudEvent<InvoiceEvent>| posting(&event.payload).unwrap().is_some();
        assert!(envelopes("ledger", &name).iter().all(posts), "{name}");
    }
    assert_read("notification", &["every_minute", "receipt_issued"]);
    assert_eq!(types("notification", "receipt_issued"), ["receipt.issued"]);
    assert!(!sample("notification", "every_minute").contains("Records"), "the schedule brings no records");
    assert_read("delivery", &["two_endpoints"]);
    for (group, body) in bodies("delivery", "two_endpoints") {
        assert_eq!(group, None, "the queue is no FIFO queue");
        let due: quittance_deliveries::queue::DueDelivery = serde_json::from_str(&body).unwrap();
        assert_eq!(serde_json::to_string(&due).unwrap(), body);
    }
    assert_read("webhook", &["invoice_paid_and_surplus"]);
    assert_eq!(types("webhook", "invoice_paid_and_surplus"), ["invoice.paid", "payment.surplus_recorded"]);
}

#[test]
fn the_feedback_samples_report_an_email_that_was_sent_and_bounced() {
    assert_read("feedback", &["sent_and_bounced"]);
    let reported: Vec<SesEvent> =
        bodies("feedback", "sent_and_bounced").iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect();
    let failures: Vec<bool> = reported.iter().map(|reported| reported.report().unwrap().failure.is_some()).collect();
    assert_eq!(failures, [false, true]);
    assert_eq!(reported[1].suppressed(), Some(("bounce", vec!["accounts@nordlicht.example"])));
    for reported in reported {
        let (recipient, key) = tags::read::<NotificationRecipient>(&reported.mail.tags).expect("the tags are ours");
        assert_eq!(
            (recipient.client_id, key.at().to_rfc3339()),
            (client(), "2026-11-02T12:00:01.250+00:00".to_owned())
        );
    }
}

#[test]
fn the_importers_samples_are_s3s_notifications() {
    assert_read("importer", &["file_uploaded", "notification_set_up"]);
    let bodies_of = |name: &str| bodies("importer", name).into_iter().map(|(_, body)| body).collect::<Vec<_>>();
    let notification: S3Event = serde_json::from_str(&bodies_of("file_uploaded")[0]).unwrap();
    let object = &notification.records[0].s3;
    assert!(object.object.key.as_ref().unwrap().starts_with("uploads/upl_"));
    assert!(object.bucket.name.is_some());
    let set_up: Value = serde_json::from_str(&bodies_of("notification_set_up")[0]).unwrap();
    assert_eq!(set_up["Event"], "s3:TestEvent");
}

#[test]
fn the_gateways_samples_are_each_in_the_group_of_what_it_concerns() {
    assert_read("gateway", &["charge_question_and_listing", "query", "refund"]);
    let types = |name: &str| -> Vec<&'static str> {
        envelopes::<GatewayCommand>("gateway", name).iter().map(|command| command.payload.type_name()).collect()
    };
    assert_eq!((types("refund"), types("query")), (vec!["InitiateRefund"], vec!["QueryResource"]));
    let charge = "charge_question_and_listing";
    assert_eq!(types(charge), ["InitiateCharge", "QueryPayment", "ListEvents"]);
    for command in ["refund", "query", charge].into_iter().flat_map(|name| envelopes::<GatewayCommand>("gateway", name))
    {
        assert_eq!(command.subject, command.payload.subject());
        let api = quittance_providers::by_name(command.payload.provider().as_str()).and_then(ProviderModule::api);
        assert!(api.is_some(), "{}", command.subject);
    }
}

#[test]
fn the_relays_sample_is_the_schedule() {
    assert_read("relay", &["every_minute"]);
    let event: Value = serde_json::from_str(&sample("relay", "every_minute")).unwrap();
    assert_eq!(event["source"], "aws.scheduler");
}

#[test]
fn the_claims_samples_get_the_claim_of_their_client_and_keep_their_groups() {
    assert_read("claims", &["finance_user", "user_of_a_client"]);
    let answered = |name: &str| add_claims(serde_json::from_str(&sample("claims", name)).unwrap());
    let details = &answered("user_of_a_client")["response"]["claimsAndScopeOverrideDetails"];
    assert_eq!(details["accessTokenGeneration"]["claimsToAddOrOverride"], json!({"custom:client_id": CLIENT}));
    assert_eq!(details["groupOverrideDetails"]["groupsToOverride"], json!(["client"]));
    let finance: Value = serde_json::from_str(&sample("claims", "finance_user")).unwrap();
    assert_eq!(answered("finance_user"), finance);
}

#[test]
fn the_migrators_samples_are_cloudformations_requests() {
    assert_read("migrator", &["create", "delete"]);
    for (name, kind) in [("create", "Create"), ("delete", "Delete")] {
        let request: answer::CustomResourceRequest = serde_json::from_str(&sample("migrator", name)).unwrap();
        assert_eq!(request.request_type, kind);
        assert!(request.response_url.starts_with("https://"));
    }
}
