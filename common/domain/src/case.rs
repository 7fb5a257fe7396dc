//! What staff have to decide about payments, and how they may.

use serde::{Deserialize, Serialize};

use crate::id::InvoiceId;
use crate::money::PositiveMoney;
use crate::names::stored_name;

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
    Twins,
    /// A payment of which its gateway, asked again and again, does not say what became.
    Undecided,
}

stored_name!(CaseKind {
    Surplus => "surplus",
    Contradiction => "contradiction",
    Overdrawn => "overdrawn",
    Twins => "twins",
    Undecided => "undecided",
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
}

stored_name!(Resolution {
    Applied => "applied",
    Refunded => "refunded",
    Dismissed => "dismissed",
    Settled => "settled",
    Merged => "merged",
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
}

/// Why a case cannot be decided so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// Somebody else was faster, or what the case was about went away.
    #[error("the case is closed already: {0}")]
    Closed(Resolution),
    /// Only surplus can be applied or refunded.
    #[error("a case of kind {0} can only be dismissed")]
    NothingToMove(CaseKind),
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
        }
    }

    /// Whether a case of that kind can be decided so.
    ///
    /// # Errors
    /// [`CaseRefusal::NothingToMove`].
    pub fn fits(self, kind: CaseKind) -> Result<(), CaseRefusal> {
        if self == Self::Dismiss || kind == CaseKind::Surplus { Ok(()) } else { Err(CaseRefusal::NothingToMove(kind)) }
    }
}
