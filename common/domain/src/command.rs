//! What functions ask of the processor, through `PaymentsQueue`.

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

/// The version of the commands' shape, as it stands in `dataschema`.
pub const COMMAND_VERSION: u32 = 1;

/// How a source names the invoice it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceReference {
    /// By our id.
    Id(InvoiceId),
    /// By the number printed on it.
    Number(String),
}

/// One thing that a source said about a payment, on its way to becoming a [`Fact`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The payment, in its provider's namespace; also the queue's group.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
    /// What is told.
    pub kind: FactKind,
    /// Of how much money; every kind has an amount except a [`FactKind::Cancellation`] whose source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<PositiveMoney>,
    /// Which way it came.
    #[serde(rename = "door")]
    pub channel: EvidenceChannel,
    /// The source's own name of the message.
    pub event_id: String,
    /// The movement of money it speaks of.
    pub movement: String,
    /// The invoice it names, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceReference>,
    /// Further invoices that the same money pays, after the first and in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_invoices: Vec<InvoiceReference>,
    /// Our own id of the payment, where the source carries it (a gateway's metadata).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// Further names of the same payment that the source knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<TransactionId>,
    /// The client on whose behalf it was said, where the caller is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Who said it, for the audit record: `client:cli_…`, `gateway:stripe`, `upload:upl_…#3`.
    pub actor: String,
    /// Why, in the source's own code: `card_declined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The upload whose picture shows the payment: staff are to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<UploadId>,
    /// What the bank took for a return, beside the amount that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_fee: Option<PositiveMoney>,
    /// When the source says that it happened.
    pub occurred_at: DateTime<Utc>,
    /// When a gateway that was asked said that it has the money, where its answer has no time but that of the order: the
    /// money moved by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<DateTime<Utc>>,
}

impl Evidence {
    /// The invoices it names, in the order in which they are to be paid.
    pub fn invoices(&self) -> impl Iterator<Item = &InvoiceReference> {
        self.invoice.iter().chain(&self.further_invoices)
    }

    /// Whether it has an amount, or is of the one kind that needs none.
    #[must_use]
    pub fn has_required_amount(&self) -> bool {
        self.amount.is_some() || self.kind == FactKind::Cancellation
    }

    /// When it happened, for the books.
    #[must_use]
    pub fn happened(&self) -> MovementTime {
        MovementTime { channel: self.channel, at: self.found_at.unwrap_or(self.occurred_at) }
    }

    /// The fact, once the invoices it names have been looked up.
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

/// Staff want money of a payment to go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRefund {
    /// The payment; also the queue's group.
    pub transaction_id: TransactionId,
    /// The refund's id: the same for every delivery of the request.
    pub refund_id: RefundId,
    /// How much.
    pub amount: PositiveMoney,
    /// What kind of reason there is, and whether the invoice is owed again.
    #[serde(default, skip_serializing_if = "RefundTerms::is_unexplained")]
    pub terms: RefundTerms,
    /// Why, in words.
    pub reason: String,
    /// Who wants it.
    pub actor: String,
}

/// A credit note took off what a payment had paid: that money is the client's credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCredited {
    /// The payment whose money leaves the invoice; also the queue's group.
    pub transaction_id: TransactionId,
    /// The invoice that asks for less.
    pub invoice_id: InvoiceId,
    /// What the credit note took off of this payment's money.
    pub amount: PositiveMoney,
    /// What becomes of the credit at once.
    pub then: CreditUse,
    /// Why, for the records.
    pub reason: String,
    /// Who issued the credit note.
    pub actor: String,
    /// The credit note and payment: the same for every delivery.
    pub request: String,
}

/// What becomes of credit that a credit note makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum CreditUse {
    /// It stays the client's credit.
    Keep,
    /// It is refunded.
    Refund {
        /// The refund's id: the same for every delivery of the request.
        refund_id: RefundId,
    },
    /// It pays another invoice of the client.
    Apply {
        /// The invoice.
        invoice_id: InvoiceId,
    },
}

/// Staff decided a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideCase {
    /// The case's payment; also the queue's group.
    pub transaction_id: TransactionId,
    /// The case.
    pub case_id: CaseId,
    /// What is to be done.
    pub decision: CaseDecision,
    /// What the case was about when it was decided, if whoever decided said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<PositiveMoney>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request: the same for every delivery.
    pub request: String,
}

/// Staff found that two payments are the same money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergePayments {
    /// The payment that stays; also the queue's group.
    pub transaction_id: TransactionId,
    /// The payment whose evidence becomes the other's.
    #[serde(rename = "twin")]
    pub duplicate: TransactionId,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request: the same for every delivery.
    pub request: String,
}

/// Staff found that a payment does not pay an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnmatchPayment {
    /// The payment; also the queue's group.
    pub transaction_id: TransactionId,
    /// The invoice that it does not pay, whatever its evidence says.
    pub invoice_id: InvoiceId,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// The request: the same for every delivery.
    pub request: String,
}

/// A payment gateway is to collect an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargePayment {
    /// The payment's name, in its provider's namespace; also the queue's group.
    pub transaction_id: TransactionId,
    /// Whose gateway.
    pub provider: Provider,
    /// The invoice to be paid.
    pub invoice_id: InvoiceId,
    /// Whose invoice it is.
    pub client_id: ClientId,
    /// How much.
    pub amount: PositiveMoney,
    /// What the gateway knows the payer's card or mandate by.
    pub payment_method: String,
    /// Who wants it.
    pub actor: String,
    /// The request: the same for every delivery.
    pub request: String,
    /// When it was asked for: a repeated request may say another time.
    pub ordered_at: DateTime<Utc>,
}

/// A gateway was asked for the last time what became of a payment, and has not said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalatePayment {
    /// The payment's name, in its provider's namespace; also the queue's group.
    pub transaction_id: TransactionId,
    /// What the gateway said instead, for people.
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// The question: the same for every delivery.
    pub request: String,
}

/// A command to the processor. The variant names travel as the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PaymentCommand {
    /// Note that somebody says that a payment was made.
    ClaimPayment(Evidence),
    /// Note what a trusted source knows of a payment, and settle what follows.
    ConfirmPayment(Evidence),
    /// Note what staff know of a payment; above a limit, once a second person approves it.
    EnterEvidence(Evidence),
    /// Give money back.
    RequestRefund(RequestRefund),
    /// Make the client's credit of what a credit note took off a paid invoice.
    ReleaseCredited(ReleaseCredited),
    /// Close a case.
    DecideCase(DecideCase),
    /// Make one payment of two.
    MergePayments(MergePayments),
    /// Take a payment away from an invoice.
    UnmatchPayment(UnmatchPayment),
    /// Have a gateway collect a payment.
    ChargePayment(ChargePayment),
    /// Have staff look at a payment that its gateway does not decide.
    EscalatePayment(EscalatePayment),
}

impl PaymentCommand {
    /// The command that fits the evidence's kind.
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

    /// The payment; also the queue's group.
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

    /// The source's own name of the message, unique for all time: what duplicates are known by. Never the transaction
    /// id, which would swallow a capture that follows its authorisation.
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
