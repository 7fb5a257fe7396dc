//! The data of events that move money: where it went, where it came from, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InvoiceSummary, PaymentSummary};
use crate::id::{AuditId, RefundId};
use crate::money::Money;
use crate::names::stored_name;
use crate::party::ClientDetails;
use crate::refund_reason::RefundReason;
use crate::settlement::UnappliedReason;

/// All or part of a payment was allocated to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvoiceSettled {
    /// The invoice after the allocation.
    pub invoice: InvoiceSummary,
    /// Who owes it, or owed it.
    pub client: ClientDetails,
    /// The payment.
    pub payment: PaymentSummary,
    /// The amount allocated to this invoice.
    pub allocated: Money,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Money came in that no invoice could take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct UnappliedCashRecorded {
    /// The payment.
    pub payment: PaymentSummary,
    /// The part of it that is unapplied.
    pub amount: Money,
    /// The reason.
    pub reason: UnappliedReason,
    /// The client whose credit it is; none if the payer is unknown and the money is in suspense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client: Option<ClientDetails>,
    /// The invoice that the payment named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invoice: Option<InvoiceSummary>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Why money of a payment was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// It was refunded.
    Refunded,
    /// The payer's bank took it back.
    Reversed,
    /// A dispute about it was lost.
    ChargedBack,
    /// It was applied to an invoice.
    Applied,
    /// A credit note took it off its invoice.
    Credited,
    /// Better evidence proves a lower amount or another invoice.
    Corrected,
    /// The payment was merged into its duplicate.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvoiceReopened {
    /// The invoice after the change.
    pub invoice: InvoiceSummary,
    /// Who owes it.
    pub client: ClientDetails,
    /// The payment whose money it was.
    pub payment: PaymentSummary,
    /// The amount taken back.
    pub released: Money,
    /// The reason.
    pub reason: ReleaseReason,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Money of a payment left an invoice that is not owed again, because a credit note reduced what was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PaymentUnapplied {
    /// The invoice after the change.
    pub invoice: InvoiceSummary,
    /// The invoice's client.
    pub client: ClientDetails,
    /// The payment whose money it was.
    pub payment: PaymentSummary,
    /// The amount that left.
    pub amount: Money,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Unapplied cash left: it went back, or was applied to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct UnappliedCashReduced {
    /// The payment.
    pub payment: PaymentSummary,
    /// The amount that left.
    pub amount: Money,
    /// The reason.
    pub reason: ReleaseReason,
    /// The client whose credit it was; none if it was in suspense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client: Option<ClientDetails>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}

/// Evidence that moved no money but may still matter to subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct EvidenceNoted {
    /// The payment.
    pub payment: PaymentSummary,
    /// The invoice that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invoice: Option<InvoiceSummary>,
    /// The audit record of the evidence.
    pub audit_id: AuditId,
}

/// A refund was refused because it exceeds what can be refunded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct RefundRefused {
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment: PaymentSummary,
    /// The requested amount.
    pub amount: Money,
    /// The reason, for people.
    pub reason: String,
    /// The audit record of the refusal.
    pub audit_id: AuditId,
}

/// A provider moved, withheld or released money that it had collected for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PaymentAdjusted {
    /// The payment.
    pub payment: PaymentSummary,
    /// The change since the last event; above zero.
    pub amount: Money,
    /// The invoice that the payment names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invoice: Option<InvoiceSummary>,
    /// The client of the invoice or credit; none while the payer is unknown, and in events of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client: Option<ClientDetails>,
    /// The reason of a refund; none for anything else, for several refunds at once, and in events of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason_kind: Option<RefundReason>,
    /// Whether the refund makes its invoice owed again; none in the same cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reopens: Option<bool>,
    /// The audit record of the change.
    pub audit_id: AuditId,
}
