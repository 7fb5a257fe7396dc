//! Commands to a payment gateway, sent through its command queue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fact::FactKind;
use crate::id::{InvoiceId, PaymentId, Provider, RefundId, TransactionId};
use crate::money::PositiveMoney;

/// A command to a gateway. The variant names are the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum GatewayCommand {
    /// Collect money from the payer.
    InitiateCharge(InitiateCharge),
    /// Refund money to the payer.
    InitiateRefund(InitiateRefund),
    /// Send a status inquiry about a payment.
    QueryPayment(QueryPayment),
    /// Fetch the details that a webhook message left out.
    QueryResource(QueryResource),
    /// List the events of a period again, because webhook messages may have been lost.
    ListEvents(ListEvents),
}

impl GatewayCommand {
    /// The envelope's `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::InitiateCharge(_) => "InitiateCharge",
            Self::InitiateRefund(_) => "InitiateRefund",
            Self::QueryPayment(_) => "QueryPayment",
            Self::QueryResource(_) => "QueryResource",
            Self::ListEvents(_) => "ListEvents",
        }
    }

    /// The provider to call.
    #[must_use]
    pub const fn provider(&self) -> &Provider {
        match self {
            Self::InitiateCharge(order) => &order.provider,
            Self::InitiateRefund(order) => &order.provider,
            Self::QueryPayment(inquiry) => &inquiry.provider,
            Self::QueryResource(inquiry) => &inquiry.provider,
            Self::ListEvents(backfill) => &backfill.provider,
        }
    }

    /// The envelope's `subject`; also the queue's message group.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::InitiateCharge(order) => order.transaction_id.as_str(),
            Self::InitiateRefund(order) => order.transaction_id.as_str(),
            Self::QueryPayment(inquiry) => inquiry.transaction_id.as_str(),
            Self::QueryResource(inquiry) => &inquiry.resource,
            Self::ListEvents(backfill) => backfill.provider.as_str(),
        }
    }

    /// The command's own id, the same for every delivery, by which duplicates are detected.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::InitiateCharge(order) => order.key(),
            Self::InitiateRefund(order) => order.refund_id.to_string(),
            Self::QueryPayment(inquiry) => inquiry.name(),
            Self::QueryResource(inquiry) => {
                format!("{}:{}:{}", inquiry.provider, inquiry.event_id, inquiry.resource)
            }
            Self::ListEvents(backfill) => format!("{}:events:{}", backfill.provider, backfill.until.to_rfc3339()),
        }
    }
}

/// A payment to collect. The gateway stores our ids in the metadata of the payment it creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitiateCharge {
    /// The payment.
    pub payment_id: PaymentId,
    /// The number of the attempt: a new one may follow an attempt that failed for good.
    pub attempt: u16,
    /// The payment's id in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moves the money.
    pub provider: Provider,
    /// The invoice that it pays.
    pub invoice_id: InvoiceId,
    /// The amount.
    pub amount: PositiveMoney,
    /// The gateway's reference for the payer's card or mandate: `pm_…`, or `cus_…/pm_…` if it belongs to a customer.
    pub payment_method: String,
    /// When it was ordered.
    pub ordered_at: DateTime<Utc>,
}

impl InitiateCharge {
    /// The idempotency key towards the gateway: the same for every repetition of the attempt.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.payment_id, self.attempt)
    }

    /// The gateway's customer id, if any, and its payment method id.
    #[must_use]
    pub fn method(&self) -> (Option<&str>, &str) {
        match self.payment_method.split_once('/') {
            Some((owner, method)) => (Some(owner), method),
            None => (None, &self.payment_method),
        }
    }
}

/// A refund to make. Its id is the idempotency key towards the provider, and is stored in the provider's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitiateRefund {
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment_id: PaymentId,
    /// The payment's id in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moves the money.
    pub provider: Provider,
    /// The amount.
    pub amount: PositiveMoney,
}

/// A status inquiry about a payment whose outcome its gateway has not reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPayment {
    /// The payment.
    pub payment_id: PaymentId,
    /// The transaction id under which we store it.
    pub transaction_id: TransactionId,
    /// The provider to ask.
    pub provider: Provider,
    /// The ids under which the gateway may have it, if it was not our own charge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<TransactionId>,
    /// The charge attempt, if it was ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<InitiateCharge>,
    /// Whether the charge may be repeated under its key: not once the invoice needs no payment.
    #[serde(default)]
    pub may_repeat: bool,
    /// The number of this inquiry, from 1.
    pub round: u16,
    /// When the series of inquiries began: a later attempt has its own series.
    pub since: DateTime<Utc>,
    /// No further inquiry follows: without an answer, staff have to look.
    #[serde(default)]
    pub is_last: bool,
}

impl QueryPayment {
    /// The inquiry's own id.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}?{}.{}", self.payment_id, self.since.timestamp(), self.round)
    }
}

/// A gateway reported an event without its amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryResource {
    /// The provider to ask.
    pub provider: Provider,
    /// The gateway's name of the resource to fetch, as its own module interprets it: `payments/PM123`.
    pub resource: String,
    /// The gateway's id of the message.
    pub event_id: String,
    /// The kinds of fact whose amount is missing.
    pub kinds: Vec<FactKind>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// A period for which a gateway is to list all events again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEvents {
    /// The provider to ask.
    pub provider: Provider,
    /// Start of the period.
    pub from: DateTime<Utc>,
    /// End of the period.
    pub until: DateTime<Utc>,
}
