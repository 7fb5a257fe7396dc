//! What events about money say: where it went, where it came from, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InvoiceSummary, PaymentSummary};
use crate::id::{AuditId, RefundId};
use crate::money::Money;
use crate::names::stored_name;
use crate::party::ClientDetails;
use crate::refund_reason::RefundReason;
use crate::settlement::UnappliedReason;

/// A payment, or a part of it, was allocated to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceSettled {
    /// The invoice after the allocation.
    pub invoice: InvoiceSummary,
    /// Who owed it.
    pub client: ClientDetails,
    /// The payment.
    pub payment: PaymentSummary,
    /// What went to this invoice.
    pub allocated: Money,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Money came in that no invoice could take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnappliedCashRecorded {
    /// The payment.
    pub payment: PaymentSummary,
    /// How much of it is surplus.
    pub amount: Money,
    /// Why.
    pub reason: UnappliedReason,
    /// Whose credit it is; none when the payer is unknown, and the money is in suspense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientDetails>,
    /// The invoice that the payment named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceSummary>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Why money of a payment left where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// It was refunded.
    Refunded,
    /// The payer's bank took it back.
    Reversed,
    /// A dispute about it was lost.
    ChargedBack,
    /// It pays an invoice now.
    Applied,
    /// A credit note took it off its invoice.
    Credited,
    /// Better evidence says that there is less of it, or that it belongs elsewhere.
    Corrected,
    /// The payment was merged into its twin.
    Merged,
}

stored_name!(ReleaseReason {
    Refunded => "refunded",
    Reversed => "reversed",
    ChargedBack => "charged_back",
    Applied => "applied",
    Credited => "credited",
    Corrected => "corrected",
    Merged => "merged",
});

/// Money was taken back from an invoice, which is owed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceReopened {
    /// The invoice afterwards.
    pub invoice: InvoiceSummary,
    /// Who owes it.
    pub client: ClientDetails,
    /// The payment whose money it was.
    pub payment: PaymentSummary,
    /// How much was taken back.
    pub released: Money,
    /// Why.
    pub reason: ReleaseReason,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Money of a payment left an invoice that is not owed again: a credit note took off what was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentUnapplied {
    /// The invoice afterwards.
    pub invoice: InvoiceSummary,
    /// Whose invoice it is.
    pub client: ClientDetails,
    /// The payment whose money it was.
    pub payment: PaymentSummary,
    /// How much left.
    pub amount: Money,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Surplus money left: it went back, or pays an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnappliedCashReduced {
    /// The payment.
    pub payment: PaymentSummary,
    /// How much left.
    pub amount: Money,
    /// Why.
    pub reason: ReleaseReason,
    /// Whose credit it was; none when it was in suspense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientDetails>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Evidence that moved no money, and that somebody may want to know of all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceNoted {
    /// The payment.
    pub payment: PaymentSummary,
    /// The invoice that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceSummary>,
    /// The audit record of the evidence.
    pub audit_id: AuditId,
}

/// A refund was refused: there is less to refund than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundRefused {
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment: PaymentSummary,
    /// What was asked for.
    pub amount: Money,
    /// Why it is refused, for people.
    pub reason: String,
    /// The audit record of the refusal.
    pub audit_id: AuditId,
}

/// A provider moved or held back money that it had taken for us, or let go of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentAdjusted {
    /// The payment.
    pub payment: PaymentSummary,
    /// How much more than was told before; above zero.
    pub amount: Money,
    /// The invoice that the payment names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceSummary>,
    /// Whose invoice or credit it is; none while the payer is unknown, and in events of an earlier time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientDetails>,
    /// Why a refund was made; none for anything else, for several refunds at once, and in events of an earlier time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_kind: Option<RefundReason>,
    /// Whether a refund makes its invoice owed again; none as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopens: Option<bool>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}
