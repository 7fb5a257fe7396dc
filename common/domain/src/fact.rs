//! Facts: recorded evidence about payments, which is only ever added.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::calendar::day_in;
use crate::id::{InvoiceId, PaymentId, TransactionId};
use crate::money::PositiveMoney;
use crate::names::stored_name;

/// How much a piece of evidence proves, weakest first. An invoice is paid from [`EvidenceRank::Captured`] up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRank {
    /// A client claims it.
    Claimed,
    /// The gateway reserved the money for us.
    Authorised,
    /// The gateway took the money, staff imported a bank statement that shows it, or staff approved a claim.
    Captured,
    /// The money is in our account: reported by a signed bank feed, or by a machine client trusted to confirm it.
    Settled,
}

/// How evidence came in. Two channels that report the same payment confirm one amount; their amounts do not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceChannel {
    /// The HTTP API.
    Api,
    /// A verified message of a payment gateway.
    Gateway,
    /// A file of payment confirmations.
    Confirmation,
    /// A bank statement.
    Bank,
    /// Staff approved a claim.
    Staff,
}

stored_name!(EvidenceChannel { Api => "api", Gateway => "gateway", Confirmation => "confirmation", Bank => "bank", Staff => "staff" });

/// The longest reason that is stored with a fact, in characters.
const REASON_LENGTH_MAX: usize = 200;

/// A reason, truncated to the length that is stored.
#[must_use]
pub fn kept_reason(reason: &str) -> String {
    reason.chars().take(REASON_LENGTH_MAX).collect()
}

/// The kind of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// [`EvidenceRank::Claimed`].
    Claim,
    /// A client had us order the payment from the gateway (the name that ISO 20022 uses in `pain`). Also
    /// [`EvidenceRank::Claimed`].
    Initiation,
    /// [`EvidenceRank::Authorised`].
    Authorisation,
    /// [`EvidenceRank::Captured`].
    Capture,
    /// An authorisation that the gateway captures by itself. [`EvidenceRank::Captured`], until explicit captures of the
    /// same payment replace it or it is cancelled.
    ImpliedCapture,
    /// The running total captured of the movement; more may follow. [`EvidenceRank::Captured`].
    PartialCapture,
    /// [`EvidenceRank::Settled`].
    Settlement,
    /// The payment, or one capture of it, did not happen: the gateway reported so, or was never asked to collect it.
    Failure,
    /// The authorisation was cancelled or expired: its uncaptured rest will never be captured.
    Cancellation,
    /// The gateway gave up waiting for the payer.
    Expiry,
    /// A call to the gateway had no answer: it is unknown whether the payment happened.
    Unknown,
    /// We refunded money to the payer.
    Refund,
    /// A refund, completed or in progress, did not reach the payer: the money is ours again.
    RefundFailure,
    /// The payer's bank took the money back: a returned debit, a late failure (ISO 20022 `RvslInd`).
    Reversal,
    /// The payer disputes the payment; nothing is decided yet.
    Dispute,
    /// We won a dispute.
    DisputeWon,
    /// The payer won a dispute: the money is gone.
    DisputeLost,
    /// The running total given back of what a lost dispute took.
    DisputeReinstatement,
}

stored_name!(FactKind {
    Claim => "claim",
    Initiation => "initiation",
    Authorisation => "authorisation",
    Capture => "capture",
    ImpliedCapture => "implied_capture",
    PartialCapture => "partial_capture",
    Settlement => "settlement",
    Failure => "failure",
    Cancellation => "cancellation",
    Expiry => "expiry",
    Unknown => "unknown",
    Refund => "refund",
    RefundFailure => "refund_failure",
    Reversal => "reversal",
    Dispute => "dispute",
    DisputeWon => "dispute_won",
    DisputeLost => "dispute_lost",
    DisputeReinstatement => "dispute_reinstatement",
});

impl FactKind {
    /// The rank of evidence that the fact provides; none if it does not report incoming money.
    #[must_use]
    pub const fn rank(self) -> Option<EvidenceRank> {
        match self {
            Self::Claim | Self::Initiation => Some(EvidenceRank::Claimed),
            Self::Authorisation => Some(EvidenceRank::Authorised),
            Self::Capture | Self::ImpliedCapture | Self::PartialCapture => Some(EvidenceRank::Captured),
            Self::Settlement => Some(EvidenceRank::Settled),
            _ => None,
        }
    }

    /// Whether it reports a movement of money. Claims and authorisations only announce one; failures report that none
    /// took place.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        !matches!(
            self,
            Self::Claim | Self::Initiation | Self::Authorisation | Self::Failure | Self::Expiry | Self::Unknown
        )
    }

    /// Whether it proves that money came in.
    #[must_use]
    pub fn proves_money(self) -> bool {
        self.rank() >= Some(EvidenceRank::Captured)
    }
}

/// The source of a report, here called a source: several movements reported by one source add up; reports of one
/// payment by several sources do not.
pub type FactSource = (EvidenceChannel, Option<PaymentId>);

/// One recorded report of one source about a payment. Unique by `(channel, event_id)`, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The kind.
    pub kind: FactKind,
    /// The amount; none only for a [`FactKind::Cancellation`] whose source gives none.
    pub amount: Option<PositiveMoney>,
    /// The channel that it came in by.
    pub channel: EvidenceChannel,
    /// The transaction id under which the source reported the payment, if it was stored.
    pub transaction_id: Option<TransactionId>,
    /// The payment that it was reported for, if staff merged that payment into this one: it counts as a source of its
    /// own.
    pub origin: Option<PaymentId>,
    /// The source's own id of this message.
    pub event_id: String,
    /// The movement of money that it reports: two messages about one movement do not add up, two movements do.
    pub movement: String,
    /// The invoices that it names, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// When it happened, according to the source.
    pub occurred_at: DateTime<Utc>,
}

/// The time of a movement as its source reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovementTime {
    /// The channel of the report.
    pub channel: EvidenceChannel,
    /// The reported time.
    pub at: DateTime<Utc>,
}

impl MovementTime {
    /// The accounting date: the bank's booking date (ISO 20022 `BookgDt`), or else the day in the seller's time zone.
    #[must_use]
    pub fn accounting_date(self, zone: Tz) -> NaiveDate {
        match self.channel {
            // A bank reports a date without a time, which is stored as midnight in UTC.
            EvidenceChannel::Bank => self.at.date_naive(),
            EvidenceChannel::Api
            | EvidenceChannel::Gateway
            | EvidenceChannel::Confirmation
            | EvidenceChannel::Staff => day_in(zone, self.at),
        }
    }
}

impl Fact {
    /// The source that reported it.
    #[must_use]
    pub const fn source(&self) -> FactSource {
        (self.channel, self.origin)
    }

    /// When it happened.
    #[must_use]
    pub const fn happened(&self) -> MovementTime {
        MovementTime { channel: self.channel, at: self.occurred_at }
    }
}
