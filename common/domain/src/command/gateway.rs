//! What is asked of a payment gateway, through its command queue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fact::FactKind;
use crate::id::{InvoiceId, PaymentId, Provider, RefundId, TransactionId};
use crate::money::PositiveMoney;

/// A command to a gateway. The variant names travel as the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum GatewayCommand {
    /// Collect money from the payer.
    InitiateCharge(InitiateCharge),
    /// Give money back to the payer.
    InitiateRefund(InitiateRefund),
    /// Ask what became of a payment.
    QueryPayment(QueryPayment),
    /// Ask for what a message did not say.
    QueryResource(QueryResource),
    /// Ask for all that was told of a time, as messages may have been lost.
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

    /// Who is to be called.
    #[must_use]
    pub const fn provider(&self) -> &Provider {
        match self {
            Self::InitiateCharge(order) => &order.provider,
            Self::InitiateRefund(order) => &order.provider,
            Self::QueryPayment(question) => &question.provider,
            Self::QueryResource(question) => &question.provider,
            Self::ListEvents(listing) => &listing.provider,
        }
    }

    /// What it concerns; also the queue's group.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::InitiateCharge(order) => order.transaction_id.as_str(),
            Self::InitiateRefund(order) => order.transaction_id.as_str(),
            Self::QueryPayment(question) => question.transaction_id.as_str(),
            Self::QueryResource(question) => &question.resource,
            Self::ListEvents(listing) => listing.provider.as_str(),
        }
    }

    /// Its own name, the same for every delivery: what repetitions are known by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::InitiateCharge(order) => order.key(),
            Self::InitiateRefund(order) => order.refund_id.to_string(),
            Self::QueryPayment(question) => question.name(),
            Self::QueryResource(question) => {
                format!("{}:{}:{}", question.provider, question.event_id, question.resource)
            }
            Self::ListEvents(listing) => format!("{}:events:{}", listing.provider, listing.until.to_rfc3339()),
        }
    }
}

/// A payment to be collected. What the gateway makes of it carries our ids in its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitiateCharge {
    /// The payment.
    pub payment_id: PaymentId,
    /// Which attempt at it: one that failed for good may be followed by another.
    pub attempt: u16,
    /// The payment's name, in its provider's namespace.
    pub transaction_id: TransactionId,
    /// Who is to move the money.
    pub provider: Provider,
    /// The invoice that it pays.
    pub invoice_id: InvoiceId,
    /// How much.
    pub amount: PositiveMoney,
    /// What the gateway knows the payer's card or mandate by: `pm_…`, or `cus_…/pm_…` where it is filed under a customer.
    pub payment_method: String,
    /// When it was asked for.
    pub ordered_at: DateTime<Utc>,
}

impl InitiateCharge {
    /// The idempotency key towards the gateway: the same however often the attempt is repeated.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.payment_id, self.attempt)
    }

    /// The gateway's name of whom the payment method is filed under, if any, and that of the payment method.
    #[must_use]
    pub fn method(&self) -> (Option<&str>, &str) {
        match self.payment_method.split_once('/') {
            Some((owner, method)) => (Some(owner), method),
            None => (None, &self.payment_method),
        }
    }
}

/// A refund to be made. Its id is the idempotency key towards the provider, and travels in the provider's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitiateRefund {
    /// The refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The payment's name in its provider's namespace.
    pub transaction_id: TransactionId,
    /// Who is to move the money.
    pub provider: Provider,
    /// How much.
    pub amount: PositiveMoney,
}

/// A payment of which its gateway has not said what became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPayment {
    /// The payment.
    pub payment_id: PaymentId,
    /// The name that it is kept under.
    pub transaction_id: TransactionId,
    /// Whom to ask.
    pub provider: Provider,
    /// The names that the gateway may know it by, if it was not our own charge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<TransactionId>,
    /// The attempt to collect it, if it was our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<InitiateCharge>,
    /// Whether the call may be repeated under its key: it is not, once the invoice needs no payment.
    #[serde(default)]
    pub may_repeat: bool,
    /// The how manieth question this is, from 1.
    pub round: u16,
    /// When the questions began: a later attempt has questions of its own.
    pub since: DateTime<Utc>,
    /// No other follows: without an answer, staff have to look.
    #[serde(default)]
    pub is_last: bool,
}

impl QueryPayment {
    /// The question's own name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}?{}.{}", self.payment_id, self.since.timestamp(), self.round)
    }
}

/// A gateway told that something happened, but not of how much money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryResource {
    /// Whom to ask.
    pub provider: Provider,
    /// The gateway's name of what to ask for, as its own module understands it: `payments/PM123`.
    pub resource: String,
    /// The gateway's name of the message.
    pub event_id: String,
    /// What happened, for which the amount is to be found out.
    pub kinds: Vec<FactKind>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// A time of which a gateway is to tell everything once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEvents {
    /// Whom to ask.
    pub provider: Provider,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}
