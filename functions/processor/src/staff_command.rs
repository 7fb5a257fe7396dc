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
    pub command: StaffCommand,
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
            Self::Refund(command) => write!(formatter, "refund {} of {}", command.refund_id, command.transaction_id),
            Self::Credit(command) => write!(formatter, "release {} of {}", command.request, command.transaction_id),
            Self::Case(command) => write!(formatter, "decision {} of case {}", command.request, command.case_id),
            Self::Merge(command) => write!(formatter, "merge {} of {}", command.request, command.transaction_id),
            Self::Unmatch(command) => write!(formatter, "unmatch {} of {}", command.request, command.transaction_id),
            Self::Charge(command) => write!(formatter, "charge {} of {}", command.request, command.transaction_id),
            Self::Escalation(command) => {
                write!(formatter, "inquiry {} about {}", command.request, command.transaction_id)
            }
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
            Self::Refund(command) => {
                (command.refund_id.to_string(), command.transaction_id.to_string(), serde_json::to_vec(command)?)
            }
            Self::Credit(command) => {
                (command.request.clone(), command.transaction_id.to_string(), serde_json::to_vec(command)?)
            }
            Self::Case(command) => (command.request.clone(), command.case_id.to_string(), serde_json::to_vec(command)?),
            Self::Merge(command) => {
                (command.request.clone(), command.duplicate.to_string(), serde_json::to_vec(command)?)
            }
            Self::Unmatch(command) => {
                (command.request.clone(), command.transaction_id.to_string(), serde_json::to_vec(command)?)
            }
            Self::Charge(command) => {
                // A retried request has another time and the same meaning.
                let content = ChargePayment { ordered_at: DateTime::UNIX_EPOCH, ..command.clone() };
                (command.request.clone(), command.transaction_id.to_string(), serde_json::to_vec(&content)?)
            }
            Self::Escalation(command) => {
                (command.request.clone(), command.transaction_id.to_string(), serde_json::to_vec(command)?)
            }
        })
    }
}
