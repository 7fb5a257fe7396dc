//! Authentic webhooks of gateways that an earlier build could not read.

use chrono::Utc;
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_providers::{ProviderModule, WebhookNotice, by_name};
use uuid::Uuid;

use crate::dead_letters::DeadLetter;
use crate::dry_run::{DryRun, ReplayProspect};
use crate::queues::Outgoing;

/// The name in the envelopes' `source`.
const SOURCE: &str = "operator";

/// The gateway, and our account there if one was configured: the validator parks webhooks in groups
/// `<provider>:<digest>` or `<provider>@<account>:<digest>`.
fn sender(letter: &DeadLetter) -> (&str, Option<&str>) {
    let sender = letter.group_id.split(':').next().unwrap_or_default();
    sender.split_once('@').map_or((sender, None), |(provider, account)| (provider, Some(account)))
}

/// Whether this build reads all of a webhook.
pub(crate) fn forecast(letter: &DeadLetter) -> DryRun {
    match read(sender(letter), letter.body.as_bytes()) {
        Err(why) => DryRun::new(ReplayProspect::Refused, why),
        Ok(notices) => {
            DryRun::saying(ReplayProspect::Open, notices.iter().map(|notice| describe(notice).to_owned()).collect())
        }
    }
}

fn describe(notice: &WebhookNotice) -> &'static str {
    match notice {
        WebhookNotice::Evidence(_) => "gives evidence of a payment",
        WebhookNotice::Ask(_) => "has the gateway asked",
        _ => "tells nothing of payments",
    }
}

/// All that a webhook says; why not, if this build does not understand all of it.
fn read((provider, account): (&str, Option<&str>), body: &[u8]) -> Result<Vec<WebhookNotice>, String> {
    let webhooks = by_name(provider).and_then(ProviderModule::webhooks);
    let webhooks = webhooks.ok_or_else(|| format!("this build has no provider {provider}"))?;
    let notices = webhooks.read(body, account).map_err(|error| error.to_string())?;
    for notice in &notices {
        match notice {
            WebhookNotice::Unknown { event_type } => return Err(format!("this build does not know {event_type}")),
            WebhookNotice::Unreadable(error) => return Err(error.to_string()),
            _ => {}
        }
    }
    Ok(notices)
}

/// What the validator would have sent, each with an id that is the same every time.
///
/// # Errors
/// A sentence, if this build does not understand all of the webhook.
pub(crate) fn messages(letter: &DeadLetter) -> Result<Vec<Outgoing>, String> {
    let mut messages = Vec::new();
    let sender = sender(letter);
    for (place, notice) in read(sender, letter.body.as_bytes())?.into_iter().enumerate() {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{} {place}", letter.message_id).as_bytes());
        match notice {
            WebhookNotice::Evidence(evidence) => {
                let group = evidence.transaction_id.to_string();
                messages.push(message("payments".to_owned(), id, group, PaymentCommand::from_evidence(*evidence))?);
            }
            WebhookNotice::Ask(question) => {
                let (queue, group) = (format!("{}-gateway", sender.0), question.resource.clone());
                messages.push(message(queue, id, group, GatewayCommand::QueryResource(question))?);
            }
            _ => {}
        }
    }
    Ok(messages)
}

fn message<T: Payload + serde::Serialize>(
    queue: String,
    id: Uuid,
    group_id: String,
    command: T,
) -> Result<Outgoing, String> {
    let envelope = CloudEvent::new(id, SOURCE, group_id.clone(), Utc::now(), id.to_string(), command);
    let body = envelope.to_json().map_err(|error| error.to_string())?;
    Ok(Outgoing { queue, group_id, deduplication_id: format!("replay-{id}"), body })
}
