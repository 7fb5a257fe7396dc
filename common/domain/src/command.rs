//! Commands to the processor, sent through `PaymentsQueue`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::case::CaseDecision;
pub use crate::command::gateway::{
    GatewayCommand, InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource,
};
use crate::fact::{EvidenceChannel, Fact, FactKind, MovementTime};
use crate::id::{CaseId, ClientId, InvoiceId, PaymentId, Provider, RefundId, TransactionId, UploadId};
use crate::money::PositiveMoney;
use crate::refund_reason::RefundTerms;

mod gateway;

/// The version of the commands' schema, part of `dataschema`.
pub const COMMAND_VERSION: u32 = 1;

/// How a source names the invoice that money is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceReference {
    /// By our id.
    Id(InvoiceId),
    /// By its printed number.
    Number(String),
}

/// One report of one source about a payment, on its way to becoming a [`Fact`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The payment, in its provider's namespace; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The kind of fact.
    pub kind: FactKind,
    /// The amount; required for every kind except a [`FactKind::Cancellation`] whose source gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<PositiveMoney>,
    /// The channel that it came in by.
    #[serde(rename = "door")]
    pub channel: EvidenceChannel,
    /// The source's own id of the message.
    pub event_id: String,
    /// The movement of money that it reports.
    pub movement: String,
    /// The invoice that it names, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceReference>,
    /// Further invoices that the same money pays, after the first and in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_invoices: Vec<InvoiceReference>,
    /// Our own payment id, if the source carries it (a gateway's metadata).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// Further references of the same payment that the source gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<TransactionId>,
    /// The client on whose behalf it was reported, if the caller is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The actor for the audit record: `client:cli_…`, `gateway:stripe`, `upload:upl_…#3`.
    pub actor: String,
    /// The reason as the source's own code: `card_declined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The uploaded image that shows the payment, for staff to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<UploadId>,
    /// The bank's fee for a returned debit, charged in addition to the amount that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_fee: Option<PositiveMoney>,
    /// When it happened, according to the source.
    pub occurred_at: DateTime<Utc>,
    /// When a gateway answered a status inquiry that it has the money, if its answer carries no time but that of the
    /// order: the money had moved by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<DateTime<Utc>>,
}

impl Evidence {
    /// The invoices that it names, in the order in which they are to be paid.
    pub fn invoices(&self) -> impl Iterator<Item = &InvoiceReference> {
        self.invoice.iter().chain(&self.further_invoices)
    }

    /// Whether it has an amount, or is of the one kind that needs none.
    #[must_use]
    pub fn has_required_amount(&self) -> bool {
        self.amount.is_some() || self.kind == FactKind::Cancellation
    }

    /// When it happened, for the accounting date.
    #[must_use]
    pub fn happened(&self) -> MovementTime {
        MovementTime { channel: self.channel, at: self.found_at.unwrap_or(self.occurred_at) }
    }

    /// The fact that it becomes, given the invoices that its references resolve to.
    #[must_use]
    pub fn fact(&self, invoices: Vec<InvoiceId>) -> Fact {
        Fact {
            kind: self.kind,
            amount: self.amount,
            channel: self.channel,
            transaction_id: Some(self.transaction_id.clone()),
            origin: None,
            event_id: self.event_id.clone(),
            movement: self.movement.clone(),
            invoices,
            occurred_at: self.occurred_at,
        }
    }
}

/// A refund requested by staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRefund {
    /// The payment; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The refund's id: the same for every delivery of the request.
    pub refund_id: RefundId,
    /// The amount.
    pub amount: PositiveMoney,
    /// The kind of reason, and whether the invoice is owed again.
    #[serde(default, skip_serializing_if = "RefundTerms::is_unexplained")]
    pub terms: RefundTerms,
    /// The reason, as free text.
    pub reason: String,
    /// Who requested it.
    pub actor: String,
}

/// A credit note reduced an invoice that a payment had paid: that money becomes the client's credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCredited {
    /// The payment whose money leaves the invoice; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The invoice that was credited.
    pub invoice_id: InvoiceId,
    /// The share of this payment's money that the credit note took off.
    pub amount: PositiveMoney,
    /// What to do with the credit immediately.
    pub then: CreditUse,
    /// The reason, for the audit records.
    pub reason: String,
    /// Who issued the credit note.
    pub actor: String,
    /// The request's id, made of the credit note and the payment: the same for every delivery.
    pub request: String,
}

/// What happens to the credit that a credit note creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum CreditUse {
    /// It remains the client's credit.
    Keep,
    /// It is refunded.
    Refund {
        /// The refund's id: the same for every delivery of the request.
        refund_id: RefundId,
    },
    /// It is applied to another invoice of the client.
    Apply {
        /// The invoice.
        invoice_id: InvoiceId,
    },
}

/// A decision by staff about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideCase {
    /// The case's payment; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The case.
    pub case_id: CaseId,
    /// The decision.
    pub decision: CaseDecision,
    /// The amount of the case at the time of the decision, if the caller gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<PositiveMoney>,
    /// The reason.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request's id: the same for every delivery.
    pub request: String,
}

/// Staff found that two payment records are the same money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergePayments {
    /// The payment that is kept; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The duplicate, whose evidence moves to the kept payment.
    #[serde(rename = "twin")]
    pub duplicate: TransactionId,
    /// The reason.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request's id: the same for every delivery.
    pub request: String,
}

/// Staff found that a payment does not pay an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnmatchPayment {
    /// The payment; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The invoice that it does not pay, whatever its evidence states.
    pub invoice_id: InvoiceId,
    /// The reason.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request's id: the same for every delivery.
    pub request: String,
}

/// An order to have a payment gateway collect an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargePayment {
    /// The payment's id in its provider's namespace; also the queue's message group.
    pub transaction_id: TransactionId,
    /// The gateway.
    pub provider: Provider,
    /// The invoice to be paid.
    pub invoice_id: InvoiceId,
    /// The client who owes the invoice.
    pub client_id: ClientId,
    /// The amount.
    pub amount: PositiveMoney,
    /// The gateway's reference for the payer's card or mandate.
    pub payment_method: String,
    /// Who ordered it.
    pub actor: String,
    /// The request's id: the same for every delivery.
    pub request: String,
    /// When it was ordered: a repeated request may carry another time.
    pub ordered_at: DateTime<Utc>,
}

/// The last status inquiry about a payment returned no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalatePayment {
    /// The payment's id in its provider's namespace; also the queue's message group.
    pub transaction_id: TransactionId,
    /// What the gateway answered instead, for people.
    pub reason: String,
    /// Who inquired.
    pub actor: String,
    /// The inquiry's id: the same for every delivery.
    pub request: String,
}

/// A command to the processor. The variant names are the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PaymentCommand {
    /// Record a claim that a payment was made.
    ClaimPayment(Evidence),
    /// Record evidence from a trusted source and settle the payment.
    ConfirmPayment(Evidence),
    /// Record evidence that staff entered; above a limit, only after a second person approves it.
    EnterEvidence(Evidence),
    /// Refund money.
    RequestRefund(RequestRefund),
    /// Turn what a credit note took off a paid invoice into the client's credit.
    ReleaseCredited(ReleaseCredited),
    /// Close a case.
    DecideCase(DecideCase),
    /// Merge two payment records.
    MergePayments(MergePayments),
    /// Unapply a payment from an invoice.
    UnmatchPayment(UnmatchPayment),
    /// Have a gateway collect a payment.
    ChargePayment(ChargePayment),
    /// Open a case about a payment that its gateway does not decide.
    EscalatePayment(EscalatePayment),
}

impl PaymentCommand {
    /// The command for the evidence's kind.
    #[must_use]
    pub fn from_evidence(evidence: Evidence) -> Self {
        if evidence.kind == FactKind::Claim { Self::ClaimPayment(evidence) } else { Self::ConfirmPayment(evidence) }
    }

    /// The envelope's `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::ClaimPayment(_) => "ClaimPayment",
            Self::ConfirmPayment(_) => "ConfirmPayment",
            Self::EnterEvidence(_) => "EnterEvidence",
            Self::RequestRefund(_) => "RequestRefund",
            Self::ReleaseCredited(_) => "ReleaseCredited",
            Self::DecideCase(_) => "DecideCase",
            Self::MergePayments(_) => "MergePayments",
            Self::UnmatchPayment(_) => "UnmatchPayment",
            Self::ChargePayment(_) => "ChargePayment",
            Self::EscalatePayment(_) => "EscalatePayment",
        }
    }

    /// The payment; also the queue's message group.
    #[must_use]
    pub const fn transaction_id(&self) -> &TransactionId {
        match self {
            Self::ClaimPayment(evidence) | Self::ConfirmPayment(evidence) | Self::EnterEvidence(evidence) => {
                &evidence.transaction_id
            }
            Self::RequestRefund(order) => &order.transaction_id,
            Self::ReleaseCredited(order) => &order.transaction_id,
            Self::DecideCase(order) => &order.transaction_id,
            Self::MergePayments(order) => &order.transaction_id,
            Self::UnmatchPayment(order) => &order.transaction_id,
            Self::ChargePayment(order) => &order.transaction_id,
            Self::EscalatePayment(escalation) => &escalation.transaction_id,
        }
    }

    /// The source's own id of the message, unique for all time, by which duplicates are detected. It is never the
    /// transaction id: that would discard a capture that follows its authorisation.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::ClaimPayment(evidence) | Self::ConfirmPayment(evidence) | Self::EnterEvidence(evidence) => {
                format!("{}\n{}\n{}", evidence.channel, evidence.event_id, evidence.transaction_id)
            }
            Self::RequestRefund(order) => order.refund_id.to_string(),
            Self::DecideCase(DecideCase { request, .. })
            | Self::ReleaseCredited(ReleaseCredited { request, .. })
            | Self::MergePayments(MergePayments { request, .. })
            | Self::UnmatchPayment(UnmatchPayment { request, .. })
            | Self::ChargePayment(ChargePayment { request, .. })
            | Self::EscalatePayment(EscalatePayment { request, .. }) => format!("decision\n{request}"),
        }
    }
}
