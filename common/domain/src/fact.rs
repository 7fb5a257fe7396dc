//! What sources say about payments: facts, which are only ever added.

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
    /// A client says so.
    Claimed,
    /// The gateway holds the money for us.
    Authorised,
    /// The gateway took the money, staff imported a bank statement that shows it, or approved what a client says.
    Captured,
    /// The money is in our account: a signed bank feed, or a machine client trusted to say so.
    Settled,
}

/// Which way evidence came. Two doors that speak of the same payment are witnesses, not two sums.
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
    /// Staff approved what a client says.
    Staff,
}

stored_name!(EvidenceChannel { Api => "api", Gateway => "gateway", Confirmation => "confirmation", Bank => "bank", Staff => "staff" });

/// The longest reason that is kept with a fact, in characters.
const REASON_LENGTH_MAX: usize = 200;

/// A reason, cut off where it is too long to be kept.
#[must_use]
pub fn kept_reason(reason: &str) -> String {
    reason.chars().take(REASON_LENGTH_MAX).collect()
}

/// What a fact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// [`EvidenceRank::Claimed`].
    Claim,
    /// A client had us ask the gateway to collect the payment (ISO 20022 calls it so in `pain`). [`EvidenceRank::Claimed`] too.
    Initiation,
    /// [`EvidenceRank::Authorised`].
    Authorisation,
    /// [`EvidenceRank::Captured`].
    Capture,
    /// An authorisation that the gateway captures by itself. [`EvidenceRank::Captured`], until explicit captures of the same
    /// payment take its place or it is cancelled.
    ImpliedCapture,
    /// So much of the movement is captured by now, all in all; more may follow. [`EvidenceRank::Captured`].
    PartialCapture,
    /// [`EvidenceRank::Settled`].
    Settlement,
    /// The payment, or one capture of it, did not happen: the gateway says so, or was not asked for it.
    Failure,
    /// The authorisation was cancelled or expired: what was not captured of it never will be.
    Cancellation,
    /// The gateway gave up waiting for the payer.
    Expiry,
    /// A call to the gateway had no answer: nobody knows whether the payment happened.
    Unknown,
    /// Money went back to the payer because we wanted it to.
    Refund,
    /// A refund, done or under way, did not reach the payer: the money is ours again.
    RefundFailure,
    /// The payer's bank took the money back: a returned debit, a late failure (ISO 20022 `RvslInd`).
    Reversal,
    /// The payer disputes the payment; nothing is decided.
    Dispute,
    /// A dispute ended for us.
    DisputeWon,
    /// A dispute ended for the payer: the money is gone.
    DisputeLost,
    /// So much of what a lost dispute took was given back, all in all.
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
    /// What the fact proves; none if it speaks of no money that came in.
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

    /// Whether it reports a movement of money. Claims and authorisations only announce one; failures report that none took
    /// place.
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

/// Who told: what one witness says of several movements adds up; what several say of one payment does not.
pub type Witness = (EvidenceChannel, Option<PaymentId>);

/// One thing that one source said about a payment. Unique by `(door, event_id)`, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it tells.
    pub kind: FactKind,
    /// Of how much money; none only of a [`FactKind::Cancellation`] whose source names no amount.
    pub amount: Option<PositiveMoney>,
    /// Which way it came.
    pub channel: EvidenceChannel,
    /// The name under which the source told of the payment, where that was kept.
    pub transaction_id: Option<TransactionId>,
    /// The payment that it was told of, if staff merged that one into this: a witness of its own.
    pub origin: Option<PaymentId>,
    /// The source's own name of this message.
    pub event_id: String,
    /// The movement of money it speaks of: two messages with one movement do not add up, two movements do.
    pub movement: String,
    /// The invoices it names, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// When the source says that it happened.
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
    /// Who told it.
    #[must_use]
    pub const fn witness(&self) -> Witness {
        (self.channel, self.origin)
    }

    /// When it happened.
    #[must_use]
    pub const fn happened(&self) -> MovementTime {
        MovementTime { channel: self.channel, at: self.occurred_at }
    }
}
