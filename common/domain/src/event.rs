//! What has happened, as told to everyone who must know, through `InvoiceEventsTopic`.

mod money_moved;
mod summaries;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::party::ClientDetails;

pub use money_moved::{
    EvidenceNoted, InvoiceReopened, InvoiceSettled, PaymentAdjusted, PaymentUnapplied, RefundRefused, ReleaseReason,
    UnappliedCashRecorded, UnappliedCashReduced,
};
pub use summaries::{AdjustmentSummary, CreditNoteSummary, InvoiceSummary, PaymentSummary};

/// The version of the events' shape, as it stands in `dataschema`.
pub const EVENT_VERSION: u32 = 1;

/// An invoice was issued or voided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceChanged {
    /// The invoice after the change.
    pub invoice: InvoiceSummary,
    /// Who owes it.
    pub client: ClientDetails,
}

/// A credit note took something off an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreditNoteIssued {
    /// The credit note.
    pub credit_note: CreditNoteSummary,
    /// The invoice afterwards.
    pub invoice: InvoiceSummary,
    /// Who owed it.
    pub client: ClientDetails,
}

/// Finance recorded a fee, or a difference of rounding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdjustmentRecorded {
    /// What was recorded.
    pub adjustment: AdjustmentSummary,
}

/// A receipt lies in the documents bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptIssued {
    /// The receipt's number: unique, never reused, with gaps.
    pub number: String,
    /// Key of the PDF in the documents bucket.
    pub document_key: String,
    /// What it is a receipt for.
    pub settled: InvoiceSettled,
}

/// A receipt for money that went back lies in the documents bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundReceiptIssued {
    /// The receipt's number: unique, never reused, with gaps.
    pub number: String,
    /// Key of the PDF in the documents bucket.
    pub document_key: String,
    /// What it is a receipt for.
    pub refund: PaymentAdjusted,
}

/// An event in its envelope, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The event's id; also the deduplication id.
    pub id: Uuid,
    /// The topic's message group: messages of one group are published in order, as far as one publisher sees them.
    pub group_id: String,
    /// The event's type, for subscription filters.
    pub event_type: String,
    /// The envelope as JSON.
    pub body: String,
}

/// Everything that is told on `InvoiceEventsTopic`. The variant names travel as the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum InvoiceEvent {
    /// The invoice got its number and is owed.
    #[serde(rename = "invoice.issued")]
    Issued(InvoiceChanged),
    /// The invoice is owed no more.
    #[serde(rename = "invoice.voided")]
    Voided(InvoiceChanged),
    /// A credit note took something off what was charged.
    #[serde(rename = "credit_note.issued")]
    CreditNoteIssued(CreditNoteIssued),
    /// The invoice is paid in full.
    #[serde(rename = "invoice.paid")]
    Paid(InvoiceSettled),
    /// Some of the invoice is paid.
    #[serde(rename = "invoice.partially_paid")]
    PartiallyPaid(InvoiceSettled),
    /// Money came in that no invoice could take.
    #[serde(rename = "payment.surplus_recorded")]
    SurplusRecorded(UnappliedCashRecorded),
    /// Money was taken back from the invoice.
    #[serde(rename = "invoice.reopened")]
    Reopened(InvoiceReopened),
    /// Money left an invoice because a credit note took off what was paid; it is the client's credit.
    #[serde(rename = "payment.unapplied")]
    Unapplied(PaymentUnapplied),
    /// Surplus money went back or pays an invoice.
    #[serde(rename = "payment.surplus_reduced")]
    SurplusReduced(UnappliedCashReduced),
    /// One more source tells of money that was posted before.
    #[serde(rename = "payment.duplicate_recorded")]
    DuplicateRecorded(EvidenceNoted),
    /// Sources disagree; the lower amount is posted.
    #[serde(rename = "payment.contradiction_found")]
    ContradictionFound(EvidenceNoted),
    /// More was to be refunded than there is.
    #[serde(rename = "payment.refund_refused")]
    RefundRefused(RefundRefused),
    /// Money went back to the payer because we wanted it to.
    #[serde(rename = "payment.refunded")]
    Refunded(PaymentAdjusted),
    /// Money that was told to have gone back did not reach the payer.
    #[serde(rename = "payment.refund_failed")]
    RefundFailed(PaymentAdjusted),
    /// What was refunded is given away, from our own pocket.
    #[serde(rename = "payment.goodwill_recorded")]
    GoodwillRecorded(PaymentAdjusted),
    /// What was told to be given away is not: the refund failed, or has another reason.
    #[serde(rename = "payment.goodwill_reversed")]
    GoodwillReversed(PaymentAdjusted),
    /// The provider holds money back, because the payer disputes the payment.
    #[serde(rename = "payment.disputed")]
    Disputed(PaymentAdjusted),
    /// A dispute ended, and nothing is held back for it any more. Whether it was lost, `invoice.reopened` and
    /// `payment.surplus_reduced` say.
    #[serde(rename = "payment.dispute_closed")]
    DisputeClosed(PaymentAdjusted),
    /// A fee, or a difference of rounding, changed what a provider has of ours.
    #[serde(rename = "adjustment.recorded")]
    AdjustmentRecorded(AdjustmentRecorded),
    /// A receipt was made.
    #[serde(rename = "receipt.issued")]
    ReceiptIssued(ReceiptIssued),
    /// A receipt for a refund was made.
    #[serde(rename = "refund_receipt.issued")]
    RefundReceiptIssued(RefundReceiptIssued),
}

impl InvoiceEvent {
    /// The envelope's `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Issued(_) => "invoice.issued",
            Self::Voided(_) => "invoice.voided",
            Self::CreditNoteIssued(_) => "credit_note.issued",
            Self::Paid(_) => "invoice.paid",
            Self::PartiallyPaid(_) => "invoice.partially_paid",
            Self::SurplusRecorded(_) => "payment.surplus_recorded",
            Self::Reopened(_) => "invoice.reopened",
            Self::Unapplied(_) => "payment.unapplied",
            Self::SurplusReduced(_) => "payment.surplus_reduced",
            Self::DuplicateRecorded(_) => "payment.duplicate_recorded",
            Self::ContradictionFound(_) => "payment.contradiction_found",
            Self::RefundRefused(_) => "payment.refund_refused",
            Self::Refunded(_) => "payment.refunded",
            Self::RefundFailed(_) => "payment.refund_failed",
            Self::GoodwillRecorded(_) => "payment.goodwill_recorded",
            Self::GoodwillReversed(_) => "payment.goodwill_reversed",
            Self::Disputed(_) => "payment.disputed",
            Self::DisputeClosed(_) => "payment.dispute_closed",
            Self::AdjustmentRecorded(_) => "adjustment.recorded",
            Self::ReceiptIssued(_) => "receipt.issued",
            Self::RefundReceiptIssued(_) => "refund_receipt.issued",
        }
    }

    /// The invoice that the event tells of.
    #[must_use]
    pub const fn invoice(&self) -> Option<&InvoiceSummary> {
        match self {
            Self::Issued(changed) | Self::Voided(changed) => Some(&changed.invoice),
            Self::CreditNoteIssued(credited) => Some(&credited.invoice),
            Self::Paid(settled) | Self::PartiallyPaid(settled) => Some(&settled.invoice),
            Self::SurplusRecorded(surplus) => surplus.invoice.as_ref(),
            Self::Reopened(reopened) => Some(&reopened.invoice),
            Self::Unapplied(unapplied) => Some(&unapplied.invoice),
            Self::DuplicateRecorded(noted) | Self::ContradictionFound(noted) => noted.invoice.as_ref(),
            Self::SurplusReduced(_) | Self::RefundRefused(_) | Self::AdjustmentRecorded(_) => None,
            Self::Refunded(adjusted)
            | Self::RefundFailed(adjusted)
            | Self::GoodwillRecorded(adjusted)
            | Self::GoodwillReversed(adjusted)
            | Self::Disputed(adjusted)
            | Self::DisputeClosed(adjusted) => adjusted.invoice.as_ref(),
            Self::ReceiptIssued(receipt) => Some(&receipt.settled.invoice),
            Self::RefundReceiptIssued(receipt) => receipt.refund.invoice.as_ref(),
        }
    }

    /// The client that is told of the event by e-mail and text message; none if clients are not told of it, or nobody knows
    /// whose money it is.
    #[must_use]
    pub const fn addressee(&self) -> Option<&ClientDetails> {
        match self {
            Self::Issued(changed) | Self::Voided(changed) => Some(&changed.client),
            Self::CreditNoteIssued(issued) => Some(&issued.client),
            Self::Reopened(reopened) => Some(&reopened.client),
            Self::ReceiptIssued(receipt) => Some(&receipt.settled.client),
            Self::RefundReceiptIssued(receipt) => receipt.refund.client.as_ref(),
            Self::SurplusRecorded(surplus) => surplus.client.as_ref(),
            _ => None,
        }
    }

    /// The payment that the event tells of.
    #[must_use]
    pub const fn payment(&self) -> Option<&PaymentSummary> {
        match self {
            Self::Issued(_) | Self::Voided(_) | Self::CreditNoteIssued(_) | Self::AdjustmentRecorded(_) => None,
            Self::Paid(settled) | Self::PartiallyPaid(settled) => Some(&settled.payment),
            Self::SurplusRecorded(surplus) => Some(&surplus.payment),
            Self::Reopened(reopened) => Some(&reopened.payment),
            Self::Unapplied(unapplied) => Some(&unapplied.payment),
            Self::SurplusReduced(reduced) => Some(&reduced.payment),
            Self::DuplicateRecorded(noted) | Self::ContradictionFound(noted) => Some(&noted.payment),
            Self::RefundRefused(refused) => Some(&refused.payment),
            Self::Refunded(adjusted)
            | Self::RefundFailed(adjusted)
            | Self::GoodwillRecorded(adjusted)
            | Self::GoodwillReversed(adjusted)
            | Self::Disputed(adjusted)
            | Self::DisputeClosed(adjusted) => Some(&adjusted.payment),
            Self::ReceiptIssued(receipt) => Some(&receipt.settled.payment),
            Self::RefundReceiptIssued(receipt) => Some(&receipt.refund.payment),
        }
    }

    /// The envelope's `subject`, and the topic's message group: the invoice, or else the payment, or the adjustment.
    #[must_use]
    pub fn subject(&self) -> String {
        match (self, self.invoice(), self.payment()) {
            (Self::AdjustmentRecorded(recorded), _, _) => recorded.adjustment.id.to_string(),
            (_, Some(invoice), _) => invoice.id.to_string(),
            (_, None, Some(payment)) => payment.id.to_string(),
            // Every other event carries one of them.
            (_, None, None) => self.type_name().to_owned(),
        }
    }
}
