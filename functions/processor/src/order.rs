//! What staff and the relay want done, as it travels.

use std::fmt::{Display, Formatter};

use chrono::{DateTime, Utc};
use quittance_domain::command::{
    ChargePayment, DecideCase, EscalatePayment, Evidence, MergePayments, ReleaseCredited, RequestRefund, UnmatchPayment,
};

/// What staff want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaffCommand {
    /// Note what staff know of a payment.
    Entry(Evidence),
    /// Give money back.
    Refund(RequestRefund),
    /// Make the client's credit of what a credit note took off a paid invoice.
    Credit(ReleaseCredited),
    /// Close a case.
    Case(DecideCase),
    /// Make one payment of two.
    Merge(MergePayments),
    /// Take a payment away from an invoice.
    Unmatch(UnmatchPayment),
    /// Have a gateway collect a payment.
    Charge(ChargePayment),
    /// Have staff look at what a gateway does not decide.
    Escalation(EscalatePayment),
}

/// A decision and what ties it to the request that brought it.
#[derive(Debug, Clone)]
pub struct StaffInstruction {
    /// What is to be done.
    pub order: StaffCommand,
    /// The request that it came with.
    pub correlation_id: String,
    /// When it was decided: the day of it in the books.
    pub decided_at: DateTime<Utc>,
}

impl Display for StaffCommand {
    /// The request and what it is about.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry(evidence) => {
                write!(formatter, "evidence {} of {}", evidence.event_id, evidence.transaction_id)
            }
            Self::Refund(order) => write!(formatter, "refund {} of {}", order.refund_id, order.transaction_id),
            Self::Credit(order) => write!(formatter, "release {} of {}", order.request, order.transaction_id),
            Self::Case(order) => write!(formatter, "decision {} of case {}", order.request, order.case_id),
            Self::Merge(order) => write!(formatter, "merge {} of {}", order.request, order.transaction_id),
            Self::Unmatch(order) => write!(formatter, "unmatch {} of {}", order.request, order.transaction_id),
            Self::Charge(order) => write!(formatter, "charge {} of {}", order.request, order.transaction_id),
            Self::Escalation(order) => write!(formatter, "question {} about {}", order.request, order.transaction_id),
        }
    }
}

impl StaffCommand {
    /// The request that asks for it, what it is about, and its content.
    pub(crate) fn request(&self) -> Result<(String, String, Vec<u8>), serde_json::Error> {
        Ok(match self {
            Self::Entry(evidence) => {
                let content = Evidence { occurred_at: DateTime::UNIX_EPOCH, ..evidence.clone() };
                (evidence.event_id.clone(), evidence.transaction_id.to_string(), serde_json::to_vec(&content)?)
            }
            Self::Refund(order) => {
                (order.refund_id.to_string(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
            Self::Credit(order) => {
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
            Self::Case(order) => (order.request.clone(), order.case_id.to_string(), serde_json::to_vec(order)?),
            Self::Merge(order) => (order.request.clone(), order.twin.to_string(), serde_json::to_vec(order)?),
            Self::Unmatch(order) => {
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
            Self::Charge(order) => {
                // A request that is repeated at the door says another time and means the same.
                let content = ChargePayment { ordered_at: DateTime::UNIX_EPOCH, ..order.clone() };
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(&content)?)
            }
            Self::Escalation(order) => {
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
        })
    }
}
