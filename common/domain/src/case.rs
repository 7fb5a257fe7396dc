//! Cases: the exceptions about payments that staff resolve, and the decisions that each kind allows.

use serde::{Deserialize, Serialize};

use crate::id::InvoiceId;
use crate::money::{Money, PositiveMoney};
use crate::names::stored_name;
use crate::refund_reason::RefundTerms;

/// The largest amount that one member of staff may approve alone, in major units of any currency; above it a second
/// person has to approve. For evidence, the limit applies to the sum that single persons entered or approved for one
/// payer on one day: many small amounts count as one large one.
pub const APPROVED_ALONE_MAX: u32 = 10_000;

/// Whether one person may approve the amount alone.
#[must_use]
pub fn may_approve_alone(amount: Money) -> bool {
    amount.amount() <= APPROVED_ALONE_MAX.into()
}

/// The kind of a case. A payment has at most one open case of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Unapplied cash: no invoice could take the money.
    #[serde(rename = "surplus")]
    UnappliedCash,
    /// Sources disagree; the lower amount is posted.
    Contradiction,
    /// More money went back than was captured.
    Overdrawn,
    /// One message names two recorded payments.
    #[serde(rename = "twins")]
    Duplicate,
    /// The gateway did not report the payment's outcome, despite all status inquiries.
    Undecided,
    /// A client claims to have paid and attached an image as proof; staff review it while no other evidence proves the
    /// payment.
    Claimed,
    /// Staff entered evidence by hand: a capture, or an outflow if the amount is negative. A second person has to
    /// approve it.
    EnteredByHand,
    /// A refund has no known reason: it reduced the client's credit, and the invoice was not reopened.
    UnexplainedRefund,
}

stored_name!(CaseKind {
    UnappliedCash => "surplus",
    Contradiction => "contradiction",
    Overdrawn => "overdrawn",
    Duplicate => "twins",
    Undecided => "undecided",
    Claimed => "claimed",
    EnteredByHand => "entered_by_hand",
    UnexplainedRefund => "unexplained_refund",
});

/// How a case was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The unapplied cash was applied to another invoice.
    Applied,
    /// The unapplied cash was refunded.
    Refunded,
    /// Dismissed: nothing changes.
    Dismissed,
    /// The reason for the case disappeared: evidence arrived, or an invoice reopened.
    Settled,
    /// The payment was merged into its duplicate.
    Merged,
    /// The client's claim counts as proof.
    Approved,
    /// Staff gave the reason of a refund.
    Classified,
}

stored_name!(Resolution {
    Applied => "applied",
    Refunded => "refunded",
    Dismissed => "dismissed",
    Settled => "settled",
    Merged => "merged",
    Approved => "approved",
    Classified => "classified",
});

/// A decision by staff about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum CaseDecision {
    /// Apply the unapplied cash to another open invoice of the client.
    Apply {
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// Refund the unapplied cash to the payer.
    Refund,
    /// Dismiss the case and change nothing; an undecided payment is recorded as failed.
    Dismiss,
    /// Treat the client's claim as proof until better evidence arrives.
    Approve,
    /// Give the reason of a refund.
    Classify {
        /// The reason, and whether the invoice is owed again.
        terms: RefundTerms,
    },
}

/// Why a decision about a case is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// Somebody else decided first, or the reason for the case disappeared.
    #[error("the case is closed already: {0}")]
    Closed(Resolution),
    /// Only unapplied cash can be applied or refunded.
    #[error("a case of kind {0} has no unapplied cash to apply or refund")]
    NothingToMove(CaseKind),
    /// Only a claim can be approved, or an entry by hand.
    #[error("a case of kind {0} cannot be approved")]
    NothingToApprove(CaseKind),
    /// Only a refund can be classified.
    #[error("a case of kind {0} has no refund to classify")]
    NothingToClassify(CaseKind),
    /// The person who uploaded the image may not approve it.
    #[error("the person who uploaded the image cannot approve it; another person has to")]
    OwnUpload,
    /// The person who entered the evidence may neither approve it nor decide what happens to the money.
    #[error("the person who entered it by hand cannot decide about it; another person has to")]
    OwnEntry,
    /// The entry may duplicate what another source has reported since.
    #[error(
        "money of the payment was returned or reported again since the entry; check it, dismiss the entry, and enter what \
         is missing"
    )]
    Overtaken,
    /// The amount needs a second person's approval.
    #[error("above {APPROVED_ALONE_MAX} for one payer on one day a second person has to approve")]
    SecondPerson,
    /// The amount of the case changed after the decision was made.
    #[error("the amount of the case is no longer {0}; reload it")]
    Changed(PositiveMoney),
    /// Money of this payment cannot be applied to the invoice.
    #[error("invoice {0} is not an open invoice of the client in the payment's currency")]
    NotApplicable(InvoiceId),
}

impl CaseDecision {
    /// How the decision closes the case.
    #[must_use]
    pub const fn resolution(self) -> Resolution {
        match self {
            Self::Apply { .. } => Resolution::Applied,
            Self::Refund => Resolution::Refunded,
            Self::Dismiss => Resolution::Dismissed,
            Self::Approve => Resolution::Approved,
            Self::Classify { .. } => Resolution::Classified,
        }
    }

    /// Checks that the decision is allowed for a case of that kind.
    ///
    /// # Errors
    /// [`CaseRefusal::NothingToMove`], [`CaseRefusal::NothingToApprove`] or [`CaseRefusal::NothingToClassify`].
    pub fn fits(self, kind: CaseKind) -> Result<(), CaseRefusal> {
        match (self, kind) {
            (Self::Dismiss, _)
            | (Self::Approve, CaseKind::Claimed | CaseKind::EnteredByHand)
            | (Self::Classify { .. }, CaseKind::UnexplainedRefund) => Ok(()),
            (Self::Classify { .. }, _) => Err(CaseRefusal::NothingToClassify(kind)),
            (Self::Approve, _) => Err(CaseRefusal::NothingToApprove(kind)),
            (Self::Apply { .. } | Self::Refund, CaseKind::UnappliedCash) => Ok(()),
            (Self::Apply { .. } | Self::Refund, _) => Err(CaseRefusal::NothingToMove(kind)),
        }
    }
}
