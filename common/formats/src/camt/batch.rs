//! An entry with its details, of which there may be very many.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::camt::detail::Detail;
use crate::camt::entry::{Collected, Entry};
use crate::camt::values::direction;
use crate::error::{FilePosition, ReadError, broken};
use crate::limits::{BATCH_BYTES_HELD_MAX, BATCH_DETAILS_MAX, XML_PART_BYTES_MAX};
use crate::movement::{Direction, Movement, ParsedStatement};
use crate::xml::{Element, Pull, Token};

/// An entry while it is being read. Its details are held until it ends, to check whether they add up to it; if there
/// are too many to hold, they are returned one by one, or collected, and the sum is checked at the end.
pub(super) struct CamtBatch {
    place: FilePosition,
    head: Element,
    head_bytes: u64,
    /// Known when the entry ends, or its details are too many to hold.
    pub(super) entry: Option<Entry>,
    held: Vec<Detail>,
    held_bytes: u64,
    count: u32,
    mode: BatchGrouping,
    /// A contradiction within the entry.
    pub(super) contradiction: Option<String>,
}

enum BatchGrouping {
    Holding,
    /// Each detail is a movement; with their sum so far.
    Giving(Decimal),
    Collecting(Box<Collected>),
    Over,
}

impl CamtBatch {
    pub(super) fn new(place: FilePosition) -> Self {
        let head = Element { name: "Ntry".to_owned(), line: place.line, ..Element::default() };
        Self {
            place,
            head,
            head_bytes: 0,
            entry: None,
            held: Vec::new(),
            held_bytes: 0,
            count: 0,
            mode: BatchGrouping::Holding,
            contradiction: None,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.mode, BatchGrouping::Over)
    }

    /// Reads up to the next movement, or the end of the entry.
    pub(super) fn read_on<R: Read>(
        &mut self,
        pull: &mut Pull<R>,
        statement: &Arc<ParsedStatement>,
        ready: &mut VecDeque<Movement>,
    ) -> Result<(), ReadError> {
        while ready.is_empty() && !self.is_over() {
            let before = pull.offset();
            match pull.next()? {
                Token::Start { name, attributes } => match name.as_str() {
                    "NtryDtls" => {}
                    "SplmtryData" => while pull.next()? != Token::End {},
                    // In version 1 they are in the entry itself.
                    "TxDtls" => {
                        let detail = Element::read(pull, name, attributes)?;
                        let bytes = pull.offset().saturating_sub(before);
                        self.detail(&detail, bytes, statement, ready)?;
                    }
                    _ => {
                        let part = Element::read(pull, name, attributes)?;
                        self.head_bytes = self.head_bytes.saturating_add(pull.offset().saturating_sub(before));
                        if self.head_bytes > XML_PART_BYTES_MAX {
                            return broken(part.line, format!("an entry has more than {XML_PART_BYTES_MAX} bytes"));
                        }
                        self.head.children.push(part);
                    }
                },
                // The entry is the fourth element from the outside.
                Token::End if pull.depth() == 3 => self.finish(statement, ready)?,
                Token::End | Token::Text(_) => {}
                Token::Eof => return broken(pull.line(), "the file ends in the middle; it may be cut off"),
            }
        }
        Ok(())
    }

    fn detail(
        &mut self,
        element: &Element,
        bytes: u64,
        statement: &Arc<ParsedStatement>,
        ready: &mut VecDeque<Movement>,
    ) -> Result<(), ReadError> {
        self.count = self.count.saturating_add(1);
        if self.count > BATCH_DETAILS_MAX {
            return broken(element.line, format!("an entry has more than {BATCH_DETAILS_MAX} details"));
        }
        let detail = Detail::read(element, direction(&self.head)?.unwrap_or(Direction::Credit))?;
        match (&mut self.mode, &self.entry) {
            (BatchGrouping::Giving(sum), Some(entry)) => give(entry, statement, detail, self.count, sum, ready)?,
            (BatchGrouping::Collecting(collected), Some(entry)) => collected.add(entry, statement, detail),
            _ => {
                self.held.push(detail);
                self.held_bytes = self.held_bytes.saturating_add(bytes);
                if self.held_bytes > BATCH_BYTES_HELD_MAX {
                    self.let_go(statement, ready)?;
                }
            }
        }
        Ok(())
    }

    /// Decides before the end of the entry, because there are too many details to hold.
    fn let_go(&mut self, statement: &Arc<ParsedStatement>, ready: &mut VecDeque<Movement>) -> Result<(), ReadError> {
        let entry = Entry::read(&self.head, self.place.clone())?;
        let held = std::mem::take(&mut self.held);
        if held.iter().all(|detail| entry.signed(detail).is_some()) {
            let mut sum = Decimal::ZERO;
            for (at, detail) in (1..).zip(held) {
                give(&entry, statement, detail, at, &mut sum, ready)?;
            }
            self.mode = BatchGrouping::Giving(sum);
        } else {
            let mut collected = Collected::new();
            held.into_iter().for_each(|detail| collected.add(&entry, statement, detail));
            self.mode = BatchGrouping::Collecting(Box::new(collected));
        }
        self.entry = Some(entry);
        Ok(())
    }

    fn finish(&mut self, statement: &Arc<ParsedStatement>, ready: &mut VecDeque<Movement>) -> Result<(), ReadError> {
        // The element after the details (`AddtlNtryInf`) is only known now.
        let entry = Entry::read(&self.head, self.place.clone())?;
        match std::mem::replace(&mut self.mode, BatchGrouping::Over) {
            BatchGrouping::Giving(sum) if !entry.is_sum(sum) => self.contradiction = Some(not_the_sum(&entry, sum)),
            BatchGrouping::Giving(_) | BatchGrouping::Over => {}
            BatchGrouping::Collecting(collected) => ready.push_back(collected.finish(&entry, statement)),
            BatchGrouping::Holding => self.decide(&entry, statement, ready)?,
        }
        self.entry = Some(entry);
        Ok(())
    }

    fn decide(
        &mut self,
        entry: &Entry,
        statement: &Arc<ParsedStatement>,
        ready: &mut VecDeque<Movement>,
    ) -> Result<(), ReadError> {
        let mut held = std::mem::take(&mut self.held);
        let sums: Option<Vec<Decimal>> = held.iter().map(|detail| entry.signed(detail)).collect();
        let sum = sums.map(|sums| sums.iter().try_fold(Decimal::ZERO, |sum, part| sum.checked_add(*part)));
        match (held.len(), sum.flatten()) {
            (0, _) => ready.push_back(entry.whole(statement)),
            (1, sum) => {
                self.contradiction = sum.filter(|sum| !is_meant(entry, *sum)).map(|sum| not_the_sum(entry, sum));
                ready.extend(held.pop().map(|detail| entry.part(statement, detail, true)));
            }
            (_, Some(sum)) if is_meant(entry, sum) => {
                if !entry.is_sum(sum) {
                    // All details have the opposite direction, as with some banks: the entry's direction is what was
                    // booked.
                    held.iter_mut().for_each(|detail| detail.direction = Some(entry.direction));
                }
                let mut sum = Decimal::ZERO;
                for (at, detail) in (1..).zip(held) {
                    give(entry, statement, detail, at, &mut sum, ready)?;
                }
            }
            (_, sum) => {
                // The entry's amount was booked, whatever its details state.
                self.contradiction = sum.map(|sum| not_the_sum(entry, sum));
                let mut collected = Collected::new();
                held.into_iter().for_each(|detail| collected.add(entry, statement, detail));
                ready.push_back(collected.finish(entry, statement));
            }
        }
        Ok(())
    }
}

/// Whether a sum of details is the entry's amount, directly or with all directions reversed.
fn is_meant(entry: &Entry, sum: Decimal) -> bool {
    entry.is_sum(sum) || entry.is_sum(-sum)
}

fn not_the_sum(entry: &Entry, sum: Decimal) -> String {
    let side = if sum.is_sign_negative() { Direction::Debit } else { Direction::Credit };
    format!(
        "the entry is {:?} {}, but its details come to {side:?} {} {}",
        entry.direction,
        entry.amount,
        sum.abs(),
        entry.amount.currency()
    )
}

fn give(
    entry: &Entry,
    statement: &Arc<ParsedStatement>,
    detail: Detail,
    number: u32,
    sum: &mut Decimal,
    ready: &mut VecDeque<Movement>,
) -> Result<(), ReadError> {
    let line = detail.line;
    let Some(signed) = entry.signed(&detail) else {
        let currency = entry.amount.currency();
        return broken(line, format!("a detail has no amount in {currency}, while those before it have one"));
    };
    let Some(total) = sum.checked_add(signed) else {
        return broken(line, "the details add up to more than can be stored");
    };
    *sum = total;
    let mut movement = entry.part(statement, detail, false);
    movement.place.detail = Some(number);
    ready.push_back(movement);
    Ok(())
}
