//! Replays authentic webhooks of gateways that an earlier build could not read.

use chrono::Utc;
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_providers::Unreadable;
use quittance_providers::{ProviderModule, WebhookNotice, by_name};
use uuid::Uuid;

use crate::dead_letters::DeadLetter;
use crate::dry_run::{DryRun, ReplayProspect};
use crate::queues::Outgoing;

/// The name in the envelopes' `source`.
const SOURCE: &str = "operator";

/// The gateway, and our account there if one was configured: the validator parks webhooks in groups
/// `<provider>:<digest>` or `<provider>@<account>:<digest>`.
fn sender(dead_letter: &DeadLetter) -> (&str, Option<&str>) {
    let sender = dead_letter.group_id.split(':').next().unwrap_or_default();
    sender.split_once('@').map_or((sender, None), |(provider, account)| (provider, Some(account)))
}

/// Whether this build can read all of a webhook.
pub(crate) fn forecast(dead_letter: &DeadLetter) -> DryRun {
    let (provider, account) = sender(dead_letter);
    match read(provider, account, dead_letter.body.as_bytes()) {
        Err(error) => DryRun::new(ReplayProspect::Refused, error.to_string()),
        Ok(notices) => {
            DryRun::saying(ReplayProspect::Open, notices.iter().map(|notice| describe(notice).to_owned()).collect())
        }
    }
}

fn describe(notice: &WebhookNotice) -> &'static str {
    match notice {
        WebhookNotice::Evidence(_) => "contains evidence of a payment",
        WebhookNotice::Inquire(_) => "requests details from the gateway",
        _ => "reports no payment",
    }
}

/// Why a webhook cannot be replayed by this build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotUnderstood {
    #[error("this build has no provider {0}")]
    Provider(String),
    #[error("this build does not know {0}")]
    EventType(String),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the message cannot be serialised")]
    Json(#[from] serde_json::Error),
}

/// The content of a webhook; an error if this build cannot read all of it.
fn read(provider: &str, account: Option<&str>, body: &[u8]) -> Result<Vec<WebhookNotice>, NotUnderstood> {
    let webhooks = by_name(provider).and_then(ProviderModule::webhooks);
    let webhooks = webhooks.ok_or_else(|| NotUnderstood::Provider(provider.to_owned()))?;
    let notices = webhooks.read(body, account)?;
    for notice in &notices {
        match notice {
            WebhookNotice::Unknown { event_type } => return Err(NotUnderstood::EventType(event_type.clone())),
            WebhookNotice::Unreadable(error) => return Err(NotUnderstood::Unreadable(error.clone())),
            _ => {}
        }
    }
    Ok(notices)
}

/// The messages that the validator would have sent, each with an id that is the same every time.
///
/// # Errors
/// [`NotUnderstood`] if this build cannot parse all of the webhook.
pub(crate) fn messages(dead_letter: &DeadLetter) -> Result<Vec<Outgoing>, NotUnderstood> {
    let mut messages = Vec::new();
    let (provider, account) = sender(dead_letter);
    for (place, notice) in read(provider, account, dead_letter.body.as_bytes())?.into_iter().enumerate() {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{} {place}", dead_letter.message_id).as_bytes());
        match notice {
            WebhookNotice::Evidence(evidence) => {
                let group = evidence.transaction_id.to_string();
                messages.push(message("payments".to_owned(), id, group, PaymentCommand::from_evidence(*evidence))?);
            }
            WebhookNotice::Inquire(inquiry) => {
                let (queue, group) = (format!("{}-gateway", provider), inquiry.resource.clone());
                messages.push(message(queue, id, group, GatewayCommand::QueryResource(inquiry))?);
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
) -> Result<Outgoing, NotUnderstood> {
    let envelope = CloudEvent::new(id, SOURCE, group_id.clone(), Utc::now(), id.to_string(), command);
    let body = envelope.to_json()?;
    Ok(Outgoing { queue, group_id, deduplication_id: format!("replay-{id}"), body })
}
