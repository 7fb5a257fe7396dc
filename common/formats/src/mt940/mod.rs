//! MT940 (SWIFT Customer Statement Message), as banks write it; also MT942 as far as it is the same.

mod information;
mod lines;
mod returns;
mod values;

use std::io::Read;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::information::{Information, slashes};
use self::lines::{Field, Mt940Fields, Seen};
use self::returns::ReturnedEntry;
use self::values::{EntryLine, balance, entry_line, leading_currency, parse_amount};
use crate::error::{FilePosition, ReadError, broken};
use crate::item::FileItem;
use crate::movement::{BookingStatus, Counterparty, Direction, EntryAmount, EntryCharge, Movement, ParsedStatement};
use crate::stream::Stream;
use crate::summary::{Balance, StatementSummary, Tally};
use crate::text::{account_number, named, reference};
use crate::value_error::ValueError;

/// The state needed to continue between two fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    seen: Seen,
    statements: u64,
    statement: Option<Open>,
    /// The last message's account, statement number and closing balance, if another page follows.
    carried: Option<(Option<String>, Option<String>, Balance)>,
}

/// A statement that is being read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Open {
    statement: Arc<ParsedStatement>,
    tally: Tally,
    /// Whether it is an MT942, which has no balances.
    is_interim_report: bool,
}

pub(crate) struct Mt940<R> {
    fields: Mt940Fields<R>,
    state: State,
}

/// Whether the first lines of a file are MT940.
pub(crate) fn is_mt940(sample: &[u8]) -> bool {
    let text = String::from_utf8_lossy(sample);
    let starts = [":20:", ":25:", ":28C:", ":60F:", ":60M:", ":61:", "{1:"];
    let bare = |line: &str| {
        let line = line.trim_start_matches(|letter: char| letter.is_control() || letter == '\u{feff}');
        let line = line.split_once("{4:").map_or(line, |(_, rest)| rest);
        starts.iter().any(|start| line.starts_with(start))
    };
    text.lines().take(HEADER_LINES_MAX).any(bare)
}

/// The maximum number of lines that a bank writes before the first field.
const HEADER_LINES_MAX: usize = 20;

impl<R: Read> Mt940<R> {
    /// Opens a file, or continues from where [`Self::pause`] was called.
    pub(crate) fn new(stream: Stream<R>, line: u64, state: State) -> Self {
        Self { fields: Mt940Fields::new(stream, line, state.seen), state }
    }

    /// The encoding seen so far, for people.
    pub(crate) const fn encoding(&self) -> &'static str {
        match self.fields.seen {
            Seen { utf8: false, windows_1252: false } => "only ASCII so far",
            Seen { utf8: true, windows_1252: false } => "UTF-8",
            Seen { utf8: false, windows_1252: true } => "ISO-8859-1 or Windows-1252",
            Seen { utf8: true, windows_1252: true } => "some lines UTF-8, others ISO-8859-1 or Windows-1252",
        }
    }

    /// The position and state to continue from: offset, line, and the rest.
    pub(crate) fn pause(&self) -> (u64, u64, State) {
        let (offset, line) = self.fields.position();
        (offset, line, State { seen: self.fields.seen, ..self.state.clone() })
    }

    /// The next movement or the end of a statement.
    pub(crate) fn next(&mut self) -> Result<Option<FileItem>, ReadError> {
        loop {
            let is_open = self.state.statement.is_some();
            let (_, line) = self.fields.position();
            match self.fields.peek()?.map(|field| field.tag.as_str()) {
                None if is_open => return Ok(self.finish(line)),
                None if self.state.statements == 0 => return broken(line, "the file has no statement (:20: to :62F:)"),
                None => return Ok(None),
                Some("" | "20") if is_open => return Ok(self.finish(line)),
                Some(_) => {}
            }
            let Some(field) = self.fields.take()? else { continue };
            if field.tag.is_empty() {
                continue;
            }
            if let Some(movement) = self.field(&field)? {
                return Ok(Some(FileItem::Movement(Box::new(movement))));
            }
        }
    }

    fn field(&mut self, field: &Field) -> Result<Option<Movement>, ReadError> {
        if self.state.statement.is_none() {
            self.state.statements = self.state.statements.saturating_add(1);
            let statement = ParsedStatement { ordinal: self.state.statements, ..ParsedStatement::default() };
            self.state.statement = Some(Open { statement: Arc::new(statement), ..Open::default() });
        }
        let Some(open) = &mut self.state.statement else { return Ok(None) };
        let refuse = |error: ValueError| broken(field.line, format!(":{}: {error}", field.tag));
        let statement = Arc::make_mut(&mut open.statement);
        match field.tag.as_str() {
            "20" => statement.id = reference(field.first()),
            "25" | "25P" => statement.account = account_number(field.first()),
            "28" | "28C" => {
                let (number, page) = field.first().split_once('/').unwrap_or((field.first(), ""));
                statement.electronic_sequence = named(number);
                statement.page = named(page);
            }
            "60" | "60F" | "60M" => {
                let balance = balance(field.first(), field.tag == "60M").or_else(refuse)?;
                statement.currency = Some(balance.amount.currency().to_owned());
                self.opening(field, balance);
            }
            "62" | "62F" | "62M" => {
                let balance = balance(field.first(), field.tag == "62M").or_else(refuse)?;
                statement.is_last_page = Some(!balance.is_interim);
                if open.tally.closing.replace(balance).is_some() {
                    open.tally.doubt = Some("there are several closing balances".to_owned());
                }
            }
            "34" | "34F" => {
                open.is_interim_report = true;
                statement.currency = statement.currency.take().or_else(|| leading_currency(field.first()));
            }
            "61" => return self.entry(field).map(Some),
            _ => {}
        }
        Ok(None)
    }

    fn opening(&mut self, field: &Field, balance: Balance) {
        let carried = self.state.carried.take();
        let Some(open) = &mut self.state.statement else { return };
        let place = FilePosition { line: field.line, statement: self.state.statements, ..FilePosition::default() };
        if let Some((account, number, before)) = carried.filter(|_| balance.is_interim) {
            let is_next_page = open.statement.account == account && open.statement.electronic_sequence == number;
            if is_next_page && before.signed() != balance.signed() {
                let (before, balance) = (before.signed(), balance.signed());
                open.tally
                    .contradiction(&place, &format!("the page before ends with {before}, this starts with {balance}"));
            }
        }
        if open.tally.opening.replace(balance).is_some() {
            open.tally.doubt = Some("there are several opening balances".to_owned());
        }
    }

    /// Field 61, and the field 86 that follows it.
    fn entry(&mut self, field: &Field) -> Result<Movement, ReadError> {
        let line = entry_line(&field.lines).or_else(|why| broken(field.line, format!(":61: {why}")))?;
        let mut information = Vec::new();
        while self.fields.peek()?.is_some_and(|next| next.tag == "86") {
            information.extend(self.fields.take()?.map(|field| field.lines).unwrap_or_default());
        }
        let information = Information::read(&information);
        let Some(open) = &mut self.state.statement else {
            return broken(field.line, "an entry outside of a statement");
        };
        let Some(currency) = &open.statement.currency else {
            return broken(field.line, ":61: an entry precedes the opening balance (:60F:) that has its currency");
        };
        let amount = EntryAmount::new(line.value, currency).or_else(|why| broken(field.line, format!(":61: {why}")))?;
        open.tally.totals.entries = open.tally.totals.entries.saturating_add(1);
        open.tally.totals.movements = open.tally.totals.entries;
        if !line.is_expected {
            open.tally.book(&amount, line.direction).or_else(|why| broken(field.line, why))?;
        }
        let place = FilePosition {
            line: field.line,
            statement: self.state.statements,
            entry: open.tally.totals.entries,
            ..FilePosition::default()
        };
        Ok(movement(place, &open.statement, amount, line, information))
    }

    fn finish(&mut self, line: u64) -> Option<FileItem> {
        let open = self.state.statement.take()?;
        let carried = open.tally.closing.clone().filter(|closing| closing.is_interim);
        let of = (open.statement.account.clone(), open.statement.electronic_sequence.clone());
        self.state.carried = carried.map(|closing| (of.0, of.1, closing));
        let place = FilePosition { line, statement: self.state.statements, ..FilePosition::default() };
        let is_demanded = !open.is_interim_report;
        let summary: StatementSummary = open.tally.finish(Arc::clone(&open.statement), place, is_demanded);
        Some(FileItem::StatementEnd(Box::new(summary)))
    }
}

fn movement(
    place: FilePosition,
    statement: &Arc<ParsedStatement>,
    amount: EntryAmount,
    line: EntryLine,
    information: Information,
) -> Movement {
    let returned = ReturnedEntry::parse(&line, &information);
    let named = |text: &Option<String>| text.as_deref().and_then(|text| parse_amount(text, amount.currency()));
    let supplementary = line.supplementary.as_deref().and_then(slashes::read).unwrap_or_default();
    let original = information.original_amount.or(supplementary.original_amount);
    let instructed_amount = named(&original);
    let charge = named(&information.charges.or(supplementary.charges));
    let charge =
        charge.map(|amount| EntryCharge { amount, direction: Direction::Debit, is_included: Some(true), bearer: None });
    Movement {
        number: 0,
        place,
        statement: Arc::clone(statement),
        entry_amount: amount.clone(),
        amount,
        direction: line.direction,
        entry_direction: line.direction,
        is_reversal: line.is_reversal || returned == ReturnedEntry::Surely,
        may_be_return: returned == ReturnedEntry::Perhaps,
        status: if line.is_expected { BookingStatus::Future } else { BookingStatus::Booked },
        booked_on: Some(line.booked_on),
        value_on: Some(line.value_on),
        details: 0,
        entry_reference: line.bank_reference.clone(),
        bank_reference: line.bank_reference,
        end_to_end_id: information.end_to_end_id,
        transaction_id: None,
        instruction_id: information.instruction_id,
        customer_reference: line.customer_reference,
        mandate_id: information.mandate_id,
        uetr: None,
        message_id: None,
        payment_information_id: None,
        further_references: information.further_references,
        counterparty: Counterparty {
            name: information.name,
            account: information.account,
            ultimate_name: information.ultimate_name,
        },
        creditor_references: information.creditor_references,
        documents: Vec::new(),
        remittance: information.remittance,
        unread: None,
        additional: line.supplementary,
        instructed_amount,
        charges: charge.into_iter().collect(),
        return_reason: information
            .return_reason
            .or(information.return_code.filter(|_| returned == ReturnedEntry::Surely)),
        bank_code: line.kind,
    }
}

#[cfg(test)]
mod tests;
