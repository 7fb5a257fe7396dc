//! `Ntry`: what the bank booked as one amount, and its meaning.

use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::camt::detail::{Detail, charges};
use crate::camt::values::{ReturnInformation, amount, bank_code, day, direction, flag, returned, status};
use crate::error::{FilePosition, ReadError, broken};
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::movement::{BookingStatus, Counterparty, Direction, EntryAmount, EntryCharge, Movement, ParsedStatement};
use crate::text::{add, append, named, reference};
use crate::xml::Element;

/// An entry without its details.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: FilePosition,
    pub(super) amount: EntryAmount,
    pub(super) direction: Direction,
    pub(super) status: BookingStatus,
    is_reversal: bool,
    returned: ReturnInformation,
    booked_on: Option<NaiveDate>,
    value_on: Option<NaiveDate>,
    bank_reference: Option<String>,
    bank_code: Option<String>,
    charges: Vec<EntryCharge>,
    instructed_amount: Option<EntryAmount>,
    additional: Option<String>,
    /// `Btch`: message and payment information ids of the batch.
    batch: (Option<String>, Option<String>),
}

impl Entry {
    /// Parses the elements of an entry that are not details.
    pub(super) fn read(entry: &Element, place: FilePosition) -> Result<Self, ReadError> {
        let Some(sum) = entry.child("Amt") else { return broken(entry.line, "an entry has no amount (Amt)") };
        let Some(direction) = direction(entry)? else {
            return broken(entry.line, "an entry does not say whether it is credit or debit (CdtDbtInd)");
        };
        let Some(status) = status(entry) else { return broken(entry.line, "an entry has no status (Sts)") };
        let batch = |name: &str| entry.all("Btch").find_map(|batch| batch.text_at(&[name])).and_then(reference);
        Ok(Self {
            place,
            amount: amount(sum)?,
            direction,
            status,
            is_reversal: flag(entry, "RvslInd")?.unwrap_or(false),
            returned: returned(entry, direction),
            booked_on: day(entry.child("BookgDt"))?,
            value_on: day(entry.child("ValDt"))?,
            bank_reference: entry.text_at(&["AcctSvcrRef"]).and_then(reference),
            bank_code: bank_code(entry),
            charges: charges(entry)?,
            instructed_amount: entry.at(&["AmtDtls", "InstdAmt", "Amt"]).map(amount).transpose()?,
            additional: entry.text_at(&["AddtlNtryInf"]).and_then(named),
            batch: (batch("MsgId"), batch("PmtInfId")),
        })
    }

    /// The entry itself as one movement.
    pub(super) fn whole(&self, statement: &Arc<ParsedStatement>) -> Movement {
        Movement {
            number: 0,
            place: self.place.clone(),
            statement: Arc::clone(statement),
            amount: self.amount.clone(),
            direction: self.direction,
            entry_amount: self.amount.clone(),
            entry_direction: self.direction,
            is_reversal: self.is_reversal || self.returned.is_sure,
            may_be_return: self.returned.is_possible,
            status: self.status.clone(),
            booked_on: self.booked_on,
            value_on: self.value_on,
            details: 0,
            bank_reference: self.bank_reference.clone(),
            entry_reference: self.bank_reference.clone(),
            end_to_end_id: None,
            transaction_id: None,
            instruction_id: None,
            customer_reference: None,
            mandate_id: None,
            uetr: None,
            message_id: self.batch.0.clone(),
            payment_information_id: self.batch.1.clone(),
            further_references: Vec::new(),
            counterparty: Counterparty::default(),
            creditor_references: Vec::new(),
            documents: Vec::new(),
            remittance: String::new(),
            unread: None,
            additional: self.additional.clone(),
            instructed_amount: self.instructed_amount.clone(),
            charges: self.charges.clone(),
            return_reason: self.returned.reason.clone(),
            bank_code: self.bank_code.clone(),
        }
    }

    /// A detail as a movement of its own. A single detail is the entry: the entry's amount was booked.
    pub(super) fn part(&self, statement: &Arc<ParsedStatement>, detail: Detail, is_alone: bool) -> Movement {
        let mut part = self.whole(statement);
        if !is_alone {
            part.direction = detail.direction.unwrap_or(self.direction);
            if let Some(amount) = detail.amount_in(self.amount.currency()) {
                part.amount = amount.clone();
            }
            // The entry's charges and instructed amount apply to all details together.
            part.charges.clear();
            part.instructed_amount = None;
        }
        part.place.line = detail.line;
        part.details = 1;
        part.bank_reference = detail.bank_reference.or(part.bank_reference);
        part.end_to_end_id = detail.end_to_end_id;
        part.transaction_id = detail.transaction_id;
        part.instruction_id = detail.instruction_id;
        part.mandate_id = detail.mandate_id;
        part.uetr = detail.uetr;
        part.message_id = detail.message_id.or(part.message_id);
        part.payment_information_id = detail.payment_information_id.or(part.payment_information_id);
        part.is_reversal |= detail.returned.is_sure;
        part.may_be_return |= detail.returned.is_possible;
        let is_return = part.is_reversal || part.return_reason.is_some() || detail.return_reason.is_some();
        part.counterparty = other_side(statement, part.direction, is_return, detail.debtor, detail.creditor);
        part.creditor_references = detail.creditor_references;
        part.documents = detail.documents;
        part.remittance = detail.remittance;
        part.additional = detail.additional.or(part.additional);
        part.instructed_amount = detail.instructed_amount.or(part.instructed_amount);
        part.charges.extend(detail.charges);
        part.return_reason = detail.return_reason.or(detail.returned.reason).or(part.return_reason);
        part.bank_code = detail.bank_code.or(part.bank_code);
        part
    }

    /// A detail's effect on the account, if it is given in the entry's currency.
    pub(super) fn signed(&self, detail: &Detail) -> Option<Decimal> {
        let amount = detail.amount_in(self.amount.currency())?;
        Some(detail.direction.unwrap_or(self.direction).signed(amount.value()))
    }

    /// Whether a signed sum of details is the entry's amount, or differs from it by the entry's charges.
    pub(super) fn is_sum(&self, sum: Decimal) -> bool {
        let Some(difference) = self.direction.signed(self.amount.value()).checked_sub(sum) else { return false };
        let of_entry = self.charges.iter().filter(|charge| charge.amount.currency() == self.amount.currency());
        let charges = of_entry.fold(Decimal::ZERO, |sum, charge| {
            sum.checked_add(charge.direction.signed(charge.amount.value())).unwrap_or(sum)
        });
        difference.is_zero() || difference == charges
    }
}

/// The party that is not the account's owner. In returns the parties keep their roles of the original payment.
fn other_side(
    statement: &ParsedStatement,
    direction: Direction,
    is_return: bool,
    debtor: Counterparty,
    creditor: Counterparty,
) -> Counterparty {
    let is_ours = |party: &Counterparty| party.account.is_some() && party.account == statement.account;
    let is_debtor = match (is_ours(&debtor), is_ours(&creditor)) {
        (true, false) => false,
        (false, true) => true,
        _ => (direction == Direction::Credit) != is_return,
    };
    let (chosen, other) = if is_debtor { (debtor, creditor) } else { (creditor, debtor) };
    // Some banks give only one party, in the place of the other.
    if chosen.is_named() || is_ours(&other) { chosen } else { other }
}

/// Several details that cannot be distinguished, as one movement of the entry's amount.
#[derive(Debug)]
pub(super) struct Collected {
    movement: Option<Movement>,
    count: u32,
}

impl Collected {
    pub(super) const fn new() -> Self {
        Self { movement: None, count: 0 }
    }

    /// Adds the data of a detail. A value that differs between details is a further reference rather than the
    /// movement's own.
    pub(super) fn add(&mut self, entry: &Entry, statement: &Arc<ParsedStatement>, detail: Detail) {
        self.count = self.count.saturating_add(1);
        let other = entry.part(statement, detail, true);
        let Some(all) = &mut self.movement else {
            self.movement = Some(other);
            return;
        };
        let further = &mut all.further_references;
        for (kept, other) in [
            (&mut all.bank_reference, other.bank_reference),
            (&mut all.end_to_end_id, other.end_to_end_id),
            (&mut all.transaction_id, other.transaction_id),
            (&mut all.instruction_id, other.instruction_id),
            (&mut all.mandate_id, other.mandate_id),
            (&mut all.uetr, other.uetr),
            (&mut all.message_id, other.message_id),
            (&mut all.payment_information_id, other.payment_information_id),
        ] {
            if *kept != other {
                add(further, kept.take());
                add(further, other);
            }
        }
        if all.counterparty != other.counterparty {
            all.counterparty = Counterparty::default();
        }
        other.creditor_references.into_iter().for_each(|value| add(&mut all.creditor_references, Some(value)));
        other.documents.into_iter().for_each(|value| add(&mut all.documents, Some(value)));
        append(&mut all.remittance, &other.remittance, REMITTANCE_LENGTH_MAX);
        all.instructed_amount = None;
    }

    /// The movement.
    pub(super) fn finish(self, entry: &Entry, statement: &Arc<ParsedStatement>) -> Movement {
        let mut movement = self.movement.unwrap_or_else(|| entry.whole(statement));
        movement.details = self.count;
        movement.place = entry.place.clone();
        movement.charges = entry.charges.clone();
        movement.bank_reference = movement.bank_reference.or_else(|| entry.bank_reference.clone());
        movement
    }
}
