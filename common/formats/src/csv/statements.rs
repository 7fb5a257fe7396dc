//! Bank statements in CSV.

use std::io::Read;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::csv::columns::Column;
use crate::csv::dialect::{CsvOptions, Demand, Dialect};
use crate::csv::records::CsvRecord;
use crate::csv::table::Table;
use crate::error::{FilePosition, ReadError, broken};
use crate::item::FileItem;
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::movement::{BookingStatus, Counterparty, Movement, ParsedStatement};
use crate::stream::Stream;
use crate::summary::Tally;
use crate::text::{account_number, named, reference, tidy};

/// The booking date and the value date.
type Days = (Option<NaiveDate>, Option<NaiveDate>);

const DEMAND: Demand = &[&[&[Column::Amount], &[Column::Credit, Column::Debit]], &[&[Column::BookedOn]]];

/// The state needed to continue between two rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    dialect: Dialect,
    statement: Arc<ParsedStatement>,
    tally: Tally,
    is_over: bool,
}

/// Reads a statement row by row. A file is one statement.
pub(crate) struct CsvStatement<R> {
    table: Table<R>,
    statement: Arc<ParsedStatement>,
    tally: Tally,
    is_over: bool,
}

impl<R: Read> CsvStatement<R> {
    pub(crate) fn open(stream: Stream<R>, options: &CsvOptions) -> Result<Self, ReadError> {
        let table = Table::open(stream, options, DEMAND)?;
        let statement =
            ParsedStatement { ordinal: 1, currency: table.dialect.currency.clone(), ..ParsedStatement::default() };
        Ok(Self { table, statement: Arc::new(statement), tally: Tally::default(), is_over: false })
    }

    pub(crate) fn resume(stream: Stream<R>, line: u64, state: State) -> Self {
        let State { dialect, statement, tally, is_over } = state;
        Self { table: Table::resume(stream, line, dialect), statement, tally, is_over }
    }

    pub(crate) const fn dialect(&self) -> &Dialect {
        &self.table.dialect
    }

    /// The position and state to continue from: offset, line, and the rest.
    pub(crate) fn pause(&self) -> (u64, u64, State) {
        let (offset, line) = self.table.position();
        let state = State {
            dialect: self.table.dialect.clone(),
            statement: Arc::clone(&self.statement),
            tally: self.tally.clone(),
            is_over: self.is_over,
        };
        (offset, line, state)
    }

    pub(crate) fn next(&mut self) -> Result<Option<FileItem>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        let Some(record) = self.table.next()? else { return self.finish() };
        self.movement(&record).map(|movement| Some(FileItem::Movement(Box::new(movement))))
    }

    fn finish(&mut self) -> Result<Option<FileItem>, ReadError> {
        let (_, line) = self.table.position();
        if self.tally.totals.entries == 0 {
            return broken(line, "the file has no line below its header");
        }
        self.is_over = true;
        let tally = std::mem::take(&mut self.tally);
        let place = FilePosition { line, statement: 1, ..FilePosition::default() };
        Ok(Some(FileItem::StatementEnd(Box::new(tally.finish(Arc::clone(&self.statement), place, false)))))
    }

    /// The booking date and the value date. A row that is not booked yet may lack both: it counts once it is booked.
    fn days(&self, record: &CsvRecord, status: &BookingStatus) -> Result<Days, ReadError> {
        let day = |column| self.table.day(record, column);
        if *status != BookingStatus::Booked {
            return Ok((day(Column::BookedOn).ok().flatten(), day(Column::ValueOn).ok().flatten()));
        }
        match day(Column::BookedOn)? {
            Some(booked_on) => Ok((Some(booked_on), day(Column::ValueOn)?)),
            None => broken(record.line, "the day of the booking is empty"),
        }
    }

    fn movement(&mut self, record: &CsvRecord) -> Result<Movement, ReadError> {
        let (amount, direction) = self.table.movement(record)?;
        let status = self.table.booking_status(record);
        let (booked_on, value_on) = self.days(record, &status)?;
        if status == BookingStatus::Booked {
            self.tally.book(&amount, direction).or_else(|why| broken(record.line, why))?;
        }
        self.tally.totals.entries = self.tally.totals.entries.saturating_add(1);
        self.tally.totals.movements = self.tally.totals.entries;
        let text = |column| self.table.text(record, column);
        let own_account = text(Column::Account).as_deref().and_then(account_number);
        if own_account.is_some() && own_account != self.statement.account {
            Arc::make_mut(&mut self.statement).account = own_account;
        }
        let place = FilePosition {
            line: record.line,
            statement: 1,
            entry: self.tally.totals.entries,
            ..FilePosition::default()
        };
        let referred = |column| text(column).as_deref().and_then(reference);
        Ok(Movement {
            number: 0,
            place,
            statement: Arc::clone(&self.statement),
            entry_amount: amount.clone(),
            amount,
            direction,
            entry_direction: direction,
            is_reversal: false,
            may_be_return: false,
            status,
            booked_on,
            value_on,
            details: 0,
            bank_reference: referred(Column::BankReference),
            entry_reference: None,
            end_to_end_id: referred(Column::EndToEndId),
            transaction_id: referred(Column::TransactionId),
            instruction_id: None,
            customer_reference: referred(Column::Reference),
            mandate_id: None,
            uetr: None,
            message_id: None,
            payment_information_id: None,
            further_references: Vec::new(),
            counterparty: Counterparty {
                name: text(Column::CounterpartyName).as_deref().and_then(named),
                account: text(Column::CounterpartyAccount).as_deref().and_then(named),
                ultimate_name: None,
            },
            creditor_references: Vec::new(),
            documents: referred(Column::InvoiceNumber).into_iter().collect(),
            remittance: tidy(&text(Column::Remittance).unwrap_or_default(), REMITTANCE_LENGTH_MAX),
            unread: self.table.unread(record),
            additional: None,
            instructed_amount: None,
            charges: Vec::new(),
            return_reason: None,
            bank_code: None,
        })
    }
}
