//! The objects of Stripe's API, as far as they tell of money.

use chrono::{DateTime, Utc};
use quittance_domain::command::Evidence;
use quittance_domain::fact::FactKind;
use serde::Deserialize;

use super::{NAME, decimals, unreadable};
use crate::Unreadable;
use crate::api::code;
use crate::told::{Metadata, Told, minor_units};

#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_received: Option<i64>,
    #[serde(default)]
    pub(super) amount_capturable: i64,
    pub(super) currency: String,
    pub(super) latest_charge: Option<Reference>,
    pub(super) cancellation_reason: Option<String>,
    #[serde(default)]
    pub(super) status: String,
    last_payment_error: Option<PaymentError>,
    #[serde(default)]
    pub(super) created: i64,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
struct PaymentError {
    code: Option<String>,
}

impl PaymentIntent {
    pub(super) fn told(
        &self,
        kind: FactKind,
        event: String,
        occurred_at: DateTime<Utc>,
    ) -> Result<Told<'_>, Unreadable> {
        let units = match kind {
            // Implementations of Stripe's API other than Stripe's own leave the member out.
            FactKind::Capture => self.amount_received.unwrap_or(self.amount),
            FactKind::Authorisation => self.amount_capturable,
            _ => self.amount,
        };
        Ok(Told {
            kind,
            payment: &self.id,
            also: self.latest_charge.as_ref().map(Reference::id).into_iter().collect(),
            amount: minor_units(NAME, units, &self.currency, decimals)?,
            event,
            // A payment intent is captured once; a second message about it tells of the same money.
            movement: self.id.clone(),
            invoice: self.metadata.invoice(),
            payment_id: self.metadata.payment(),
            occurred_at,
            reason: (kind == FactKind::Failure).then(|| self.failure()).flatten(),
        })
    }

    /// Why the last attempt at it failed.
    pub(super) fn failure(&self) -> Option<String> {
        let code = self.last_payment_error.as_ref()?.code.as_deref().map(code);
        code.filter(|code| !code.is_empty())
    }

    /// How an intent ended that was cancelled: one that is given up by itself has expired, one that somebody cancelled
    /// has failed.
    pub(super) fn end(&self) -> FactKind {
        let is_by_itself = |reason: &String| ["abandoned", "automatic", "expired"].contains(&reason.as_str());
        if self.cancellation_reason.as_ref().is_some_and(is_by_itself) { FactKind::Expiry } else { FactKind::Failure }
    }

    /// What the intent itself tells when somebody asks; nothing while nothing is decided.
    pub(super) fn told_by_status(&self) -> Result<Option<Evidence>, Unreadable> {
        let kind = match self.status.as_str() {
            "succeeded" => FactKind::Capture,
            "requires_capture" => FactKind::Authorisation,
            "canceled" => self.end(),
            _ => return Ok(None),
        };
        let created = DateTime::from_timestamp(self.created, 0).ok_or_else(|| unreadable("created is no time"))?;
        let told = self.told(kind, format!("{}:{}", self.id, self.status), created)?;
        told.evidence(NAME).map(Some)
    }
}

#[derive(Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_captured: Option<i64>,
    #[serde(default)]
    pub(super) captured: bool,
    pub(super) currency: String,
    pub(super) payment_intent: Option<Reference>,
    pub(super) refunds: Option<List>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) data: Vec<RefundObject>,
}

#[derive(Deserialize)]
pub(super) struct RefundObject {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) created: i64,
    pub(super) charge: Option<Reference>,
    pub(super) payment_intent: Option<Reference>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct DisputeObject {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) charge: Option<Reference>,
    pub(super) payment_intent: Option<Reference>,
}

/// Another object: its id, or all of it where somebody asked Stripe to expand it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Expanded { id: String },
}

impl Reference {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Expanded { id } => id,
        }
    }
}
