//! The objects of Stripe's API, as far as they concern money.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use quittance_domain::command::Evidence;
use quittance_domain::fact::FactKind;
use serde::Deserialize;

use super::{NAME, decimals, unreadable};
use crate::Unreadable;
use crate::api::code;
use crate::reported_payment::{Metadata, ReportedPayment, minor_units};

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
    next_action: Option<NextAction>,
    #[serde(default)]
    pub(super) created: i64,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
struct NextAction {
    display_bank_transfer_instructions: Option<BankTransferInstructions>,
}

#[derive(Deserialize)]
struct BankTransferInstructions {
    amount_remaining: i64,
}

#[derive(Deserialize)]
struct PaymentError {
    code: Option<String>,
}

impl PaymentIntent {
    pub(super) fn reported_payment(
        &self,
        kind: FactKind,
        event: String,
        occurred_at: DateTime<Utc>,
    ) -> Result<ReportedPayment<'_>, Unreadable> {
        let units = match kind {
            // Implementations of Stripe's API other than Stripe's own omit the member.
            FactKind::Capture | FactKind::PartialCapture => self.amount_received.unwrap_or(self.amount),
            FactKind::Authorisation => self.authorised(),
            _ => self.amount,
        };
        Ok(ReportedPayment {
            kind,
            payment: &self.id,
            also: self.latest_charge.as_ref().map(Reference::id).into_iter().collect(),
            amount: Some(minor_units(NAME, units, &self.currency, decimals)?),
            event,
            // Stripe reports the total that an intent has received, even if it is captured in parts.
            movement: self.id.clone(),
            invoice: self.metadata.invoice(),
            payment_id: self.metadata.payment(),
            occurred_at,
            reason: (kind == FactKind::Failure).then(|| self.failure()).flatten(),
        })
    }

    /// The amount that Stripe holds for the intent: a card's authorisation, or the partial funding of a bank transfer.
    fn authorised(&self) -> i64 {
        let instructions = self.next_action.as_ref().and_then(|next| next.display_bank_transfer_instructions.as_ref());
        match instructions {
            Some(instructions) => self.amount.saturating_sub(instructions.amount_remaining),
            None => self.amount_capturable,
        }
    }

    /// What an intent in `requires_capture` proves: with multicapture it stays there after the first captures, and what
    /// it has received by then is money.
    pub(super) fn capturable(&self) -> FactKind {
        if self.amount_received.unwrap_or(0) > 0 { FactKind::PartialCapture } else { FactKind::Authorisation }
    }

    /// Why the last attempt to pay it failed.
    pub(super) fn failure(&self) -> Option<String> {
        let code = self.last_payment_error.as_ref()?.code.as_deref().map(code);
        code.filter(|code| !code.is_empty())
    }

    /// How a cancelled intent ended: one that was cancelled automatically has expired, one that somebody cancelled has
    /// failed.
    pub(super) fn end(&self) -> FactKind {
        let is_by_itself = |reason: &String| ["abandoned", "automatic", "expired"].contains(&reason.as_str());
        if self.cancellation_reason.as_ref().is_some_and(is_by_itself) { FactKind::Expiry } else { FactKind::Failure }
    }

    /// The evidence that the intent's status provides; none while nothing is decided.
    pub(super) fn evidence_by_status(&self) -> Result<Option<Evidence>, Unreadable> {
        let kind = match self.status.as_str() {
            "succeeded" => FactKind::Capture,
            "requires_capture" => self.capturable(),
            "canceled" => self.end(),
            _ => return Ok(None),
        };
        let created = DateTime::from_timestamp(self.created, 0).ok_or_else(|| unreadable("created is not a time"))?;
        let event = match (kind, self.amount_received) {
            (FactKind::PartialCapture, Some(received)) => format!("{}:{}:{received}", self.id, self.status),
            _ => format!("{}:{}", self.id, self.status),
        };
        let reported = self.reported_payment(kind, event, created)?;
        reported.evidence(NAME).map(Some)
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
    #[serde(default)]
    pub(super) has_more: bool,
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

impl RefundObject {
    /// The outcome of the refund; none while nothing is decided.
    pub(super) fn kind(&self) -> Option<FactKind> {
        match self.status.as_deref() {
            Some("succeeded") => Some(FactKind::Refund),
            Some("failed" | "canceled") => Some(FactKind::RefundFailure),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct DisputeObject {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) charge: Option<Reference>,
    pub(super) payment_intent: Option<Reference>,
    #[serde(default)]
    balance_transactions: Vec<BalanceTransaction>,
}

#[derive(Deserialize)]
struct BalanceTransaction {
    amount: i64,
    currency: String,
}

impl DisputeObject {
    /// The amount of the dispute that was reinstated so far, in its currency's minor units.
    pub(super) fn reinstated(&self) -> Result<i64, Unreadable> {
        let given_back = self.balance_transactions.iter().filter(|transaction| transaction.amount > 0);
        let mut sum: i64 = 0;
        for transaction in given_back {
            if transaction.currency != self.currency {
                return Err(unreadable("what a dispute gave back is in another currency than the dispute"));
            }
            sum = sum.checked_add(transaction.amount).ok_or_else(|| unreadable("a dispute gave back too much"))?;
        }
        Ok(sum.min(self.amount))
    }
}

/// The unused amounts of a customer's cash balance, by currency.
#[derive(Deserialize)]
pub(super) struct CashBalance {
    pub(super) customer: String,
    pub(super) available: Option<BTreeMap<String, i64>>,
}

/// A reference to another object: its id, or the whole object if the request expanded it.
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
