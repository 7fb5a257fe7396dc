//! What staff have to decide about payments, and how they may.

use serde::{Deserialize, Serialize};

use crate::id::InvoiceId;
use crate::money::{Money, PositiveMoney};
use crate::names::stored_name;
use crate::refund_reason::RefundTerms;

/// One of staff alone may vouch for so much, in major units of any currency; above it, a second has to agree. Of evidence
/// the sum counts of what single persons vouched for of one payer on one day: many small amounts are one large one.
pub const APPROVED_ALONE_MAX: u32 = 10_000;

/// Whether one person is enough for an amount.
#[must_use]
pub fn may_approve_alone(amount: Money) -> bool {
    amount.amount() <= APPROVED_ALONE_MAX.into()
}

/// What a case is about. A payment has at most one open case of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Money that no invoice could take.
    Surplus,
    /// Sources that disagree; the lower amount is posted.
    Contradiction,
    /// More money went back than came in.
    Overdrawn,
    /// One message speaks of what is kept as two payments.
    #[serde(rename = "twins")]
    Duplicate,
    /// A payment of which its gateway, asked again and again, does not say what became.
    Undecided,
    /// A client says that it paid, and shows a picture: staff look at it while nothing else proves the payment.
    Claimed,
    /// Staff entered by hand that money came, or below zero that it went back, and a second person has to approve it.
    EnteredByHand,
    /// Money was refunded and nobody has said why: it took the client's credit, and the invoice is not owed again.
    UnexplainedRefund,
}

stored_name!(CaseKind {
    Surplus => "surplus",
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
    /// The surplus pays another invoice.
    Applied,
    /// The surplus is refunded.
    Refunded,
    /// Everything stays as it is.
    Dismissed,
    /// What the case was about went away by itself: evidence came, an invoice reopened.
    Settled,
    /// The payment was merged into its twin.
    Merged,
    /// What the client says counts as proven.
    Approved,
    /// Staff said why a refund was made.
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

/// What staff want done with a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum CaseDecision {
    /// Pay another open invoice of the client with the surplus.
    Apply {
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// Give the surplus back to the payer.
    Refund,
    /// Leave everything as it is; an undecided payment did not happen.
    Dismiss,
    /// Take what the client says as proven, until better evidence comes.
    Approve,
    /// Say why a refund was made.
    Classify {
        /// Why, and whether the invoice is owed again.
        terms: RefundTerms,
    },
}

/// Why a case cannot be decided so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// Somebody else was faster, or what the case was about went away.
    #[error("the case is closed already: {0}")]
    Closed(Resolution),
    /// Only surplus can be applied or refunded.
    #[error("a case of kind {0} has no surplus to apply or refund")]
    NothingToMove(CaseKind),
    /// Only what a client says can be approved.
    #[error("a case of kind {0} cannot be approved")]
    NothingToApprove(CaseKind),
    /// Only a refund is made for a reason.
    #[error("a case of kind {0} is about no refund that could be classified")]
    NothingToClassify(CaseKind),
    /// Who brought a picture does not approve it.
    #[error("whoever uploaded the picture cannot approve it; somebody else has to")]
    OwnUpload,
    /// Who entered evidence does not approve it, nor decide what becomes of the money.
    #[error("whoever entered it by hand cannot decide about it; somebody else has to")]
    OwnEntry,
    /// What was entered may be what another source reported since.
    #[error(
        "money of the payment went back or came again since it was entered; look at it, dismiss it, and enter what is missing"
    )]
    Overtaken,
    /// One person is not enough for so much.
    #[error("above {APPROVED_ALONE_MAX} of one payer on one day a second person has to approve")]
    SecondPerson,
    /// More money came, or some went, since somebody decided.
    #[error("the case is not about {0} any more; look at it again")]
    Changed(PositiveMoney),
    /// The invoice takes no money of this payment.
    #[error("invoice {0} is not an open invoice of the client in the payment's currency")]
    NotApplicable(InvoiceId),
}

impl CaseDecision {
    /// How a case is closed by it.
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

    /// Whether a case of that kind can be decided so.
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
            (Self::Apply { .. } | Self::Refund, CaseKind::Surplus) => Ok(()),
            (Self::Apply { .. } | Self::Refund, _) => Err(CaseRefusal::NothingToMove(kind)),
        }
    }
}
