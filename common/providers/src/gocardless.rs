//! GoCardless: direct debits. Webhooks carry several events, signed together with HMAC-SHA256 in hexadecimal.
//!
//! The scheme has no timestamp: a replayed body repeats what it reported before, and is detected by its events' ids. An
//! event names a payment or a refund, not its amount, so the amount is fetched from the gateway's API.

mod api;
mod charges;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::command::QueryResource;
use quittance_domain::fact::FactKind;
use serde::Deserialize;

use crate::reported_payment::parse;
use crate::signature::is_made_by;
use crate::{Forged, ProviderModule, Unreadable, WebhookNotice, WebhookParser};

const NAME: &str = "gocardless";
const SIGNATURE_HEADER: &str = "webhook-signature";

/// GoCardless sends at most 250 events in one body.
const EVENTS_MAX: usize = 1_000;

/// GoCardless's ids are short; longer texts are invalid.
const ID_LENGTH_MAX: usize = 64;

pub(crate) const PROVIDER: ProviderModule =
    ProviderModule { name: NAME, webhooks: Some(&GoCardless), api: Some(&GoCardless) };

#[derive(Debug)]
struct GoCardless;

impl WebhookParser for GoCardless {
    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], _: DateTime<Utc>) -> Result<(), Forged> {
        let header = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).ok_or(Forged::NoSignature)?;
        let signature = hex::decode(header).map_err(|_| Forged::NoSignature)?;
        let is_ours = secrets.iter().any(|secret| is_made_by(secret.as_bytes(), &[body], &signature));
        if is_ours { Ok(()) } else { Err(Forged::WrongSignature) }
    }

    fn read(&self, body: &[u8], _: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable> {
        let body: Body = parse(NAME, body)?;
        if body.events.len() > EVENTS_MAX {
            return Err(unreadable(format!("it has more than {EVENTS_MAX} events")));
        }
        Ok(body.events.iter().map(|event| event.notice().unwrap_or_else(WebhookNotice::Unreadable)).collect())
    }
}

#[derive(Deserialize)]
struct Body {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    created_at: DateTime<Utc>,
    resource_type: String,
    action: String,
    #[serde(default)]
    links: Links,
}

#[derive(Deserialize, Default)]
struct Links {
    payment: Option<String>,
    refund: Option<String>,
}

impl Event {
    fn notice(&self) -> Result<WebhookNotice, Unreadable> {
        let event_type = format!("{}.{}", self.resource_type, self.action);
        match self.resource_type.as_str() {
            "payments" => self.payment(&event_type),
            "refunds" => self.refund(&event_type),
            "payouts" => Ok(WebhookNotice::ignored(&event_type, "a payout moves our own money")),
            "billing_requests"
            | "creditors"
            | "exports"
            | "instalment_schedules"
            | "mandates"
            | "organisations"
            | "outbound_payments"
            | "payer_authorisations"
            | "payment_account_transactions"
            | "scheme_identifiers"
            | "subscriptions" => Ok(WebhookNotice::ignored(&event_type, "it concerns no payment of an invoice")),
            _ => Ok(WebhookNotice::unknown(&event_type)),
        }
    }

    /// A payment that fails before it was confirmed has not arrived, one that fails later has gone back; either may be
    /// retried and confirmed after all. So both kinds of evidence are recorded: a failure is ignored once money is
    /// proven, and a reversal before that, or once the same payment is confirmed again.
    fn payment(&self, event_type: &str) -> Result<WebhookNotice, Unreadable> {
        use FactKind::{Capture, DisputeLost, DisputeWon, Failure, Reversal};
        let kinds: &[FactKind] = match self.action.as_str() {
            "confirmed" => &[Capture],
            "failed" | "cancelled" | "customer_approval_denied" => &[Failure, Reversal],
            "charged_back" => &[DisputeLost],
            "chargeback_cancelled" => &[DisputeWon],
            "created" | "submitted" | "customer_approval_granted" | "resubmission_requested" | "retry_scheduled" => {
                return Ok(WebhookNotice::ignored(event_type, "nothing is decided"));
            }
            "paid_out" | "late_failure_settled" | "chargeback_settled" | "surcharge_fee_debited" => {
                return Ok(WebhookNotice::ignored(event_type, "a payout moves our own money"));
            }
            _ => return Ok(WebhookNotice::unknown(event_type)),
        };
        self.ask("payments", self.links.payment.as_deref(), kinds)
    }

    fn refund(&self, event_type: &str) -> Result<WebhookNotice, Unreadable> {
        let kinds: &[FactKind] = match self.action.as_str() {
            "paid" => &[FactKind::Refund],
            "failed" | "bounced" | "funds_returned" => &[FactKind::RefundFailure],
            "created" | "refund_settled" => return Ok(WebhookNotice::ignored(event_type, "nothing is decided")),
            _ => return Ok(WebhookNotice::unknown(event_type)),
        };
        self.ask("refunds", self.links.refund.as_deref(), kinds)
    }

    fn ask(&self, resources: &str, id: Option<&str>, kinds: &[FactKind]) -> Result<WebhookNotice, Unreadable> {
        let id = id.filter(|id| is_id(id)).ok_or_else(|| unreadable("an event links no payment or refund"))?;
        Ok(WebhookNotice::Inquire(QueryResource {
            provider: NAME.parse().map_err(unreadable)?,
            resource: format!("{resources}/{id}"),
            event_id: self.id.clone(),
            kinds: kinds.to_vec(),
            occurred_at: self.created_at,
        }))
    }
}

/// Whether a text can be an id. It becomes part of a URL.
fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn unreadable(reason: impl std::fmt::Display) -> Unreadable {
    Unreadable::new(NAME, reason)
}

#[cfg(test)]
mod tests;
