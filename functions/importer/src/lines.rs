//! Turns a parsed movement into the stored line and the data that matching needs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::NaiveDate;
use quittance_domain::matching::BankLine;
use quittance_domain::money::{Money, MoneyError, PositiveMoney};
use quittance_domain::upload::LineOutcome;
use quittance_formats::{BookingStatus, Direction, Movement};
use quittance_store::upload_lines::{LineDecision, UploadLine};

/// The longest text that is stored of a line, in characters.
const TEXT_LENGTH_MAX: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineMeaning {
    /// Money came in.
    Received(ReceivedMoney),
    /// Received money went back.
    TakenBack(ReturnedMoney),
    /// Neither, with the reason.
    Left(LineOutcome, Cow<'static, str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceivedMoney {
    amount: PositiveMoney,
    /// The amount that the payer sent, before banks deducted their fees.
    sent: Option<Money>,
    booked_on: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnedMoney {
    /// Whether the bank reports it as a return; otherwise it may be a debit of another kind.
    pub(crate) is_sure: bool,
    /// The possible splits of the line's amount into what went back and the bank's fee: as the bank reports both, or
    /// all of it without a fee.
    pub(crate) readings: Vec<(Money, Option<Money>)>,
}

/// Determines what a movement means for us.
///
/// # Errors
/// [`MoneyError`] for an amount that is not valid money.
pub(crate) fn meaning(movement: &Movement) -> Result<LineMeaning, MoneyError> {
    let amount = movement.amount.money()?;
    if let Some(left) = not_booked(&movement.status) {
        return Ok(left);
    }
    let came_back = movement.is_reversal || movement.return_reason.is_some();
    let left = |reason: &'static str| Ok(LineMeaning::Left(LineOutcome::Ignored, reason.into()));
    match movement.direction {
        _ if amount.is_zero() => left("no money moved"),
        Direction::Credit if came_back => left("a payment of ours was returned"),
        Direction::Debit if came_back || movement.may_be_return => {
            Ok(LineMeaning::TakenBack(read_returned(movement, amount)?))
        }
        Direction::Debit => left("money left the account"),
        Direction::Credit => Ok(match day(movement) {
            Some(booked_on) => LineMeaning::Received(ReceivedMoney {
                amount: amount.positive()?,
                sent: sent(movement, amount)?,
                booked_on,
            }),
            None => LineMeaning::Left(LineOutcome::Rejected, "it has neither a booking date nor a value date".into()),
        }),
    }
}

/// Why an entry is left out that the bank has not booked: it moved no money. None if it is booked.
fn not_booked(status: &BookingStatus) -> Option<LineMeaning> {
    match status {
        BookingStatus::Booked => None,
        BookingStatus::Pending | BookingStatus::Information | BookingStatus::Future => {
            let reason = "it is not booked yet; the statement that books it counts";
            Some(LineMeaning::Left(LineOutcome::Ignored, reason.into()))
        }
        BookingStatus::Other(word) => {
            let reason = format!("it is not booked: status `{word}`");
            Some(LineMeaning::Left(LineOutcome::Ignored, reason.into()))
        }
        BookingStatus::Unknown(word) => {
            let reason = format!("the status `{word}` is unknown; find out whether it is booked");
            Some(LineMeaning::Left(LineOutcome::Rejected, reason.into()))
        }
    }
}

/// How much of a return went back to the payer, and what the bank charged us for it (`OAMT` and `COAM`, `InstdAmt` and
/// `Chrgs`). The bank's figures are used only if they add up.
fn read_returned(movement: &Movement, amount: Money) -> Result<ReturnedMoney, MoneyError> {
    let is_ours = |money: &Money| money.currency() == amount.currency();
    let instructed = movement.instructed_amount.as_ref().map(quittance_formats::EntryAmount::money).transpose()?;
    let charges = movement.charges.iter().filter(|charge| charge.direction == Direction::Debit);
    let charges = charges.filter(|charge| charge.is_included != Some(false)).map(|charge| charge.amount.money());
    let charges: Vec<Money> = charges.collect::<Result<_, _>>()?;
    let mut ours = charges.iter().filter(|charge| is_ours(charge)).copied();
    let sum = ours.try_fold(Money::zero(amount.currency()), Money::checked_add)?;
    let original = match instructed.filter(is_ours) {
        Some(instructed) => instructed,
        None => amount.checked_sub(sum)?,
    };
    let fee = amount.checked_sub(original)?;
    let is_told = fee.is_positive() && original.is_positive() && (sum.is_zero() || sum == fee);
    let reported = is_told.then_some((original, Some(fee)));
    let is_sure = movement.is_reversal || movement.return_reason.is_some();
    Ok(ReturnedMoney { is_sure, readings: reported.into_iter().chain([(amount, None)]).collect() })
}

/// The data that matching needs of received money.
pub(crate) fn bank_line(movement: &Movement, received: &ReceivedMoney) -> BankLine {
    let texts = [
        Some(&movement.remittance),
        movement.end_to_end_id.as_ref(),
        movement.customer_reference.as_ref(),
        movement.additional.as_ref(),
    ];
    let further = movement.further_references.iter();
    BankLine {
        amount: received.amount,
        sent: received.sent,
        booked_on: received.booked_on,
        references: movement.creditor_references.iter().chain(&movement.documents).cloned().collect(),
        texts: texts.into_iter().flatten().chain(further).filter(|text| !text.is_empty()).cloned().collect(),
        payer: movement.counterparty.ultimate_name.clone().or_else(|| movement.counterparty.name.clone()),
        clients_by_account: BTreeSet::new(),
        clients_by_name: BTreeSet::new(),
    }
}

fn sent(movement: &Movement, amount: Money) -> Result<Option<Money>, MoneyError> {
    let sent = movement.instructed_amount.as_ref().map(quittance_formats::EntryAmount::money).transpose()?;
    Ok(sent.filter(|sent| sent.currency() == amount.currency()).or_else(|| before_charges(movement, amount)))
}

/// The amount that the payer sent, if the bank only reports what it deducted.
fn before_charges(movement: &Movement, amount: Money) -> Option<Money> {
    let taken = movement.charges.iter().filter(|charge| charge.direction == Direction::Debit);
    let taken = taken.filter(|charge| charge.is_included != Some(false)).map(|charge| charge.amount.money());
    let sum = taken.into_iter().try_fold(amount, |sum, charge| sum.checked_add(charge.ok()?).ok())?;
    (sum != amount).then_some(sum)
}

/// The booking date, otherwise the date of the movement.
pub(crate) fn day(movement: &Movement) -> Option<NaiveDate> {
    movement.booked_on.or(movement.value_on)
}

/// The stored form of a movement.
pub(crate) fn upload_line(
    movement: &Movement,
    amount: Money,
    identity: Option<String>,
    decision: LineDecision,
) -> UploadLine {
    let short = |text: &Option<String>| text.as_deref().map(shortened).filter(|text| !text.is_empty());
    UploadLine {
        line: movement.number,
        place: movement.place.to_string(),
        identity,
        amount,
        booked_on: day(movement),
        account: short(&movement.statement.account),
        payer: short(&movement.counterparty.name),
        payer_account: short(&movement.counterparty.account),
        end_to_end_id: short(&movement.end_to_end_id),
        remittance: Some(shortened(&movement.remittance)).filter(|text| !text.is_empty()),
        return_reason: short(&movement.return_reason),
        decision,
    }
}

pub(crate) fn shortened(text: &str) -> String {
    // PostgreSQL does not store NUL.
    text.chars().filter(|letter| *letter != '\u{0}').take(TEXT_LENGTH_MAX).collect()
}

/// The decision about a line that is left out.
pub(crate) fn left_out(outcome: LineOutcome, reason: String) -> LineDecision {
    LineDecision {
        outcome,
        transaction_id: None,
        invoices: Vec::new(),
        payment_id: None,
        matched_text: None,
        bank_fee: None,
        score: None,
        reason: Some(reason),
        candidates: None,
    }
}
