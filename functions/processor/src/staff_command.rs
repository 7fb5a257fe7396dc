//! Commands that the processor carries out one by one: of staff, of clients' charges and of the relay.

use std::fmt::{Display, Formatter};

use chrono::{DateTime, Utc};
use quittance_domain::command::{
    ChargePayment, DecideCase, EscalatePayment, Evidence, MergePayments, ReleaseCredited, RequestRefund, UnmatchPayment,
};

/// A command that is carried out in a transaction of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaffCommand {
    /// Record evidence that staff entered.
    Entry(Evidence),
    /// Refund money.
    Refund(RequestRefund),
    /// Release what a credit note took off a paid invoice as the client's credit.
    Credit(ReleaseCredited),
    /// Close a case.
    Case(DecideCase),
    /// Merge two payments.
    Merge(MergePayments),
    /// Unapply a payment from an invoice.
    Unmatch(UnmatchPayment),
    /// Charge a payment through a gateway.
    Charge(ChargePayment),
    /// Open a case about a payment that its gateway does not decide.
    Escalation(EscalatePayment),
}

/// A command with the request that it came from.
#[derive(Debug, Clone)]
pub struct StaffInstruction {
    /// The command.
    pub order: StaffCommand,
    /// The request that carried it.
    pub correlation_id: String,
    /// When it was decided; it is booked on that day.
    pub decided_at: DateTime<Utc>,
}

impl Display for StaffCommand {
    /// Writes the request and its subject.
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
    /// The idempotency name, the subject and the content of the request.
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
            Self::Merge(order) => (order.request.clone(), order.duplicate.to_string(), serde_json::to_vec(order)?),
            Self::Unmatch(order) => {
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
            Self::Charge(order) => {
                // A retried request has another time and the same meaning.
                let content = ChargePayment { ordered_at: DateTime::UNIX_EPOCH, ..order.clone() };
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(&content)?)
            }
            Self::Escalation(order) => {
                (order.request.clone(), order.transaction_id.to_string(), serde_json::to_vec(order)?)
            }
        })
    }
}
