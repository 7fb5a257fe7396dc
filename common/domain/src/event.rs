//! Events: committed changes, published on `InvoiceEventsTopic`.

mod money_moved;
mod summaries;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::party::ClientDetails;

pub use money_moved::{
    EvidenceNoted, InvoiceReopened, InvoiceSettled, PaymentAdjusted, PaymentUnapplied, RefundRefused, ReleaseReason,
    UnappliedCashRecorded, UnappliedCashReduced,
};
pub use summaries::{AdjustmentSummary, CreditNoteSummary, InvoiceSummary, PaymentSummary};

/// The version of the events' schema, part of `dataschema`.
pub const EVENT_VERSION: u32 = 1;

/// An invoice was issued or voided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvoiceChanged {
    /// The invoice after the change.
    pub invoice: InvoiceSummary,
    /// Who owes it.
    pub client: ClientDetails,
}

/// A credit note reduced an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CreditNoteIssued {
    /// The credit note.
    pub credit_note: CreditNoteSummary,
    /// The invoice after the change.
    pub invoice: InvoiceSummary,
    /// Who owed it.
    pub client: ClientDetails,
}

/// Finance recorded a fee or a rounding difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct AdjustmentRecorded {
    /// What was recorded.
    pub adjustment: AdjustmentSummary,
}

/// A receipt was stored in the documents bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ReceiptIssued {
    /// The receipt's number: unique, never reused, with gaps.
    pub number: String,
    /// Key of the PDF in the documents bucket.
    pub document_key: String,
    /// The settlement that it confirms.
    pub settled: InvoiceSettled,
}

/// A refund receipt was stored in the documents bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct RefundReceiptIssued {
    /// The receipt's number: unique, never reused, with gaps.
    pub number: String,
    /// Key of the PDF in the documents bucket.
    pub document_key: String,
    /// The refund that it confirms.
    pub refund: PaymentAdjusted,
}

/// An event in its envelope, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The event's id; also the deduplication id.
    pub id: Uuid,
    /// The topic's message group: the messages of a group are published in order, as far as one publisher sees them.
    pub group_id: String,
    /// The event's type, for subscription filters.
    pub event_type: String,
    /// The envelope as JSON.
    pub body: String,
}

/// All events on `InvoiceEventsTopic`. The variant names are the envelope's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "type", content = "data")]
pub enum InvoiceEvent {
    /// The invoice received its number and is owed.
    #[serde(rename = "invoice.issued")]
    Issued(InvoiceChanged),
    /// The invoice is not owed any more.
    #[serde(rename = "invoice.voided")]
    Voided(InvoiceChanged),
    /// A credit note reduced what the invoice charges.
    #[serde(rename = "credit_note.issued")]
    CreditNoteIssued(CreditNoteIssued),
    /// The invoice is paid in full.
    #[serde(rename = "invoice.paid")]
    Paid(InvoiceSettled),
    /// The invoice is paid in part.
    #[serde(rename = "invoice.partially_paid")]
    PartiallyPaid(InvoiceSettled),
    /// Money came in that no invoice could take.
    #[serde(rename = "payment.surplus_recorded")]
    UnappliedCashRecorded(UnappliedCashRecorded),
    /// Money was taken back from the invoice, which is owed again.
    #[serde(rename = "invoice.reopened")]
    Reopened(InvoiceReopened),
    /// Money left an invoice because a credit note reduced what was paid; it is the client's credit.
    #[serde(rename = "payment.unapplied")]
    Unapplied(PaymentUnapplied),
    /// Unapplied cash went back or was applied to an invoice.
    #[serde(rename = "payment.surplus_reduced")]
    UnappliedCashReduced(UnappliedCashReduced),
    /// A further source reported money that was already posted.
    #[serde(rename = "payment.duplicate_recorded")]
    DuplicateRecorded(EvidenceNoted),
    /// Sources disagree; the lower amount is posted.
    #[serde(rename = "payment.contradiction_found")]
    ContradictionFound(EvidenceNoted),
    /// A refund exceeds what can be refunded.
    #[serde(rename = "payment.refund_refused")]
    RefundRefused(RefundRefused),
    /// We refunded money to the payer.
    #[serde(rename = "payment.refunded")]
    Refunded(PaymentAdjusted),
    /// A refund that was reported did not reach the payer.
    #[serde(rename = "payment.refund_failed")]
    RefundFailed(PaymentAdjusted),
    /// A refund was booked as goodwill, at our expense.
    #[serde(rename = "payment.goodwill_recorded")]
    GoodwillRecorded(PaymentAdjusted),
    /// Goodwill was reversed: the refund failed, or has another reason.
    #[serde(rename = "payment.goodwill_reversed")]
    GoodwillReversed(PaymentAdjusted),
    /// The provider withholds money because the payer disputes the payment.
    #[serde(rename = "payment.disputed")]
    Disputed(PaymentAdjusted),
    /// A dispute ended, and nothing is withheld for it any more. If it was lost, `invoice.reopened` and
    /// `payment.surplus_reduced` report the loss.
    #[serde(rename = "payment.dispute_closed")]
    DisputeClosed(PaymentAdjusted),
    /// A fee or a rounding difference changed what a provider owes us.
    #[serde(rename = "adjustment.recorded")]
    AdjustmentRecorded(AdjustmentRecorded),
    /// A receipt was issued.
    #[serde(rename = "receipt.issued")]
    ReceiptIssued(ReceiptIssued),
    /// A receipt for a refund was issued.
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
            Self::UnappliedCashRecorded(_) => "payment.surplus_recorded",
            Self::Reopened(_) => "invoice.reopened",
            Self::Unapplied(_) => "payment.unapplied",
            Self::UnappliedCashReduced(_) => "payment.surplus_reduced",
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

    /// The invoice that the event is about.
    #[must_use]
    pub const fn invoice(&self) -> Option<&InvoiceSummary> {
        match self {
            Self::Issued(changed) | Self::Voided(changed) => Some(&changed.invoice),
            Self::CreditNoteIssued(credited) => Some(&credited.invoice),
            Self::Paid(settled) | Self::PartiallyPaid(settled) => Some(&settled.invoice),
            Self::UnappliedCashRecorded(surplus) => surplus.invoice.as_ref(),
            Self::Reopened(reopened) => Some(&reopened.invoice),
            Self::Unapplied(unapplied) => Some(&unapplied.invoice),
            Self::DuplicateRecorded(noted) | Self::ContradictionFound(noted) => noted.invoice.as_ref(),
            Self::UnappliedCashReduced(_) | Self::RefundRefused(_) | Self::AdjustmentRecorded(_) => None,
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

    /// The client to notify by e-mail and text message; none if clients are not notified of the event, or the owner of
    /// the money is unknown.
    #[must_use]
    pub const fn addressee(&self) -> Option<&ClientDetails> {
        match self {
            Self::Issued(changed) | Self::Voided(changed) => Some(&changed.client),
            Self::CreditNoteIssued(issued) => Some(&issued.client),
            Self::Reopened(reopened) => Some(&reopened.client),
            Self::ReceiptIssued(receipt) => Some(&receipt.settled.client),
            Self::RefundReceiptIssued(receipt) => receipt.refund.client.as_ref(),
            Self::UnappliedCashRecorded(surplus) => surplus.client.as_ref(),
            _ => None,
        }
    }

    /// The payment that the event is about.
    #[must_use]
    pub const fn payment(&self) -> Option<&PaymentSummary> {
        match self {
            Self::Issued(_) | Self::Voided(_) | Self::CreditNoteIssued(_) | Self::AdjustmentRecorded(_) => None,
            Self::Paid(settled) | Self::PartiallyPaid(settled) => Some(&settled.payment),
            Self::UnappliedCashRecorded(surplus) => Some(&surplus.payment),
            Self::Reopened(reopened) => Some(&reopened.payment),
            Self::Unapplied(unapplied) => Some(&unapplied.payment),
            Self::UnappliedCashReduced(reduced) => Some(&reduced.payment),
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

    /// The envelope's `subject` and the topic's message group: the invoice, otherwise the payment or the adjustment.
    #[must_use]
    pub fn subject(&self) -> String {
        match (self, self.invoice(), self.payment()) {
            (Self::AdjustmentRecorded(recorded), _, _) => recorded.adjustment.id.to_string(),
            (_, Some(invoice), _) => invoice.id.to_string(),
            (_, None, Some(payment)) => payment.id.to_string(),
            // Every other event carries an invoice or a payment.
            (_, None, None) => self.type_name().to_owned(),
        }
    }
}
