//! Objects and messages of the payment gateways.

use anyhow::anyhow;
use anyhow::{Context, Result};
use chrono::DateTime;
use quittance_domain::command::{Evidence, QueryResource};
use quittance_domain::fact::FactKind;
use quittance_providers::api::{HttpResponse, InquiryResponse, PaymentStatement};
use quittance_providers::{ProviderModule, WebhookNotice, by_name};
use serde_json::{Value, json};

use super::Verdict;

type Sample = (&'static str, Verdict);

/// The samples in a JSON file of a gateway.
pub(super) fn samples(json: &Value) -> Vec<Sample> {
    if json.get("notificationItems").is_some() {
        return vec![("Adyen notification", read("adyen", json))];
    }
    if json.get("events").is_some_and(Value::is_array) {
        return vec![("GoCardless webhook", read("gocardless", json))];
    }
    if let Some(resources) = json.get("resources").and_then(Value::as_object) {
        return resources.values().filter_map(stripe_object).collect();
    }
    if let Some(sample) = stripe_object(json) {
        return vec![sample];
    }
    if json.pointer("/error/documentation_url").and_then(Value::as_str).is_some_and(|url| url.contains("gocardless")) {
        return vec![("GoCardless error", gocardless_error(json))];
    }
    gocardless_fixture(json)
}

/// The content of a body, as text.
fn read(provider: &str, body: &Value) -> Verdict {
    let webhooks = by_name(provider).and_then(ProviderModule::webhooks).context("there is no such provider")?;
    let notices = webhooks.read(body.to_string().as_bytes(), None)?;
    let is_unreadable = notices.iter().any(|notice| matches!(notice, WebhookNotice::Unreadable(_)));
    let words = notices.iter().map(words).collect::<Vec<_>>().join("; ");
    if is_unreadable { Err(anyhow!(words)) } else { Ok(words) }
}

fn words(notice: &WebhookNotice) -> String {
    match notice {
        WebhookNotice::Evidence(evidence) => evidence_words(evidence),
        WebhookNotice::Inquire(inquiry) => format!("requests details of {}", inquiry.resource),
        WebhookNotice::Ignored { event_type, reason } => format!("{event_type} is ignored: {reason}"),
        WebhookNotice::Unreadable(error) => error.to_string(),
        WebhookNotice::Unknown { event_type } => format!("{event_type} is unknown to this build"),
    }
}

fn evidence_words(evidence: &Evidence) -> String {
    let amount = evidence.amount.map_or_else(|| "an unknown amount".to_owned(), |amount| amount.to_string());
    format!("{} of {amount} of {}", evidence.kind, evidence.transaction_id)
}

/// An event of Stripe, or one of the objects that its events carry.
fn stripe_object(object: &Value) -> Option<Sample> {
    let (format, event_type) = match object.get("object")?.as_str()? {
        "event" => return Some(("Stripe event", read("stripe", object))),
        "payment_intent" => ("Stripe payment intent", intent_event(object)),
        "charge" => ("Stripe charge", "charge.succeeded"),
        "refund" => ("Stripe refund", "refund.updated"),
        "dispute" => ("Stripe dispute", dispute_event(object)),
        "payout" => ("Stripe payout", "payout.paid"),
        _ => return None,
    };
    let event = json!({"id": "evt_sample", "type": event_type, "created": 1, "data": {"object": object}});
    Some((format, read("stripe", &event)))
}

/// The event that an intent in this state occurs in.
fn intent_event(intent: &Value) -> &'static str {
    match intent.get("status").and_then(Value::as_str) {
        Some("succeeded") => "payment_intent.succeeded",
        Some("requires_capture") => "payment_intent.amount_capturable_updated",
        Some("canceled") => "payment_intent.canceled",
        _ => "payment_intent.payment_failed",
    }
}

fn dispute_event(dispute: &Value) -> &'static str {
    match dispute.get("status").and_then(Value::as_str) {
        Some("won" | "lost") => "charge.dispute.closed",
        _ => "charge.dispute.created",
    }
}

fn gocardless_error(json: &Value) -> Verdict {
    let status = json.pointer("/error/code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let answer = HttpResponse { status: status.context("it has no code")?, body: json.to_string().into_bytes() };
    match ask("payments/PM1", &answer)? {
        InquiryResponse::Unknown(reason) => Ok(format!("to be retried: {reason}")),
        InquiryResponse::Statement(_) | InquiryResponse::Absent => Err(anyhow!("an error was parsed as a success")),
    }
}

fn ask(resource: &str, answer: &HttpResponse) -> Result<InquiryResponse> {
    let api = by_name("gocardless").and_then(ProviderModule::api).context("there is no such provider")?;
    let inquiry = QueryResource {
        provider: "gocardless".parse()?,
        resource: resource.to_owned(),
        event_id: "EV1".to_owned(),
        kinds: vec![if resource.starts_with("refunds") { FactKind::Refund } else { FactKind::Capture }],
        occurred_at: DateTime::UNIX_EPOCH,
    };
    Ok(api.queried(&inquiry, answer)?)
}

/// A file with example responses of GoCardless's API.
fn gocardless_fixture(json: &Value) -> Vec<Sample> {
    let calls = json.as_object().into_iter().flat_map(|calls| calls.values());
    calls
        .filter(|call| call.get("path_template").is_some())
        .filter_map(|call| gocardless_answer(call.get("body")?))
        .collect()
}

fn gocardless_answer(body: &Value) -> Option<Sample> {
    let several = |name: &str| -> Option<Vec<Value>> {
        Some(match body.get(name)? {
            Value::Array(items) => items.clone(),
            item => vec![item.clone()],
        })
    };
    if let Some(events) = several("events") {
        return Some(("GoCardless events", read("gocardless", &json!({"events": events}))));
    }
    for (name, format) in [("payments", "GoCardless payment"), ("refunds", "GoCardless refund")] {
        let Some(items) = several(name) else { continue };
        let reported: Verdict = items
            .iter()
            .map(|item| reported(name, item))
            .collect::<Result<Vec<_>, _>>()
            .map(|reported| reported.join("; "));
        return Some((format, reported));
    }
    let passed_over =
        ["payouts", "payout_items", "mandates", "webhooks"].into_iter().find(|name| body.get(name).is_some());
    passed_over.map(|name| ("GoCardless resource", Ok(format!("{name} are ignored: they move no money of a payment"))))
}

fn reported(name: &str, item: &Value) -> Verdict {
    let answer = HttpResponse { status: 200, body: json!({ name: item }).to_string().into_bytes() };
    match ask(&format!("{name}/{}", item.get("id").and_then(Value::as_str).unwrap_or_default()), &answer)? {
        InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
            Ok(evidence.iter().map(evidence_words).collect::<Vec<_>>().join(", "))
        }
        _ => Err(anyhow!("it contains no evidence")),
    }
}
