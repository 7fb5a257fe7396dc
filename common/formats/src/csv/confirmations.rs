//! Payment confirmations in CSV.

use std::io::Read;

use crate::confirmation::{ClaimedPayment, Confirmation};
use crate::csv::columns::Column;
use crate::csv::dialect::{CsvOptions, Demand, Dialect};
use crate::csv::table::Table;
use crate::error::{BrokenFile, ReadError, broken};
use crate::limits::CONFIRMATIONS_MAX;
use crate::movement::Direction;
use crate::stream::Stream;

const DEMAND: Demand = &[
    &[&[Column::TransactionId]],
    &[&[Column::InvoiceNumber]],
    &[&[Column::Amount]],
    &[&[Column::PaidOn], &[Column::BookedOn]],
];

pub(crate) struct CsvConfirmations<R> {
    table: Table<R>,
    number: u64,
}

impl<R: Read> CsvConfirmations<R> {
    pub(crate) fn open(stream: Stream<R>, options: &CsvOptions) -> Result<Self, ReadError> {
        Ok(Self { table: Table::open(stream, options, DEMAND)?, number: 0 })
    }

    pub(crate) const fn dialect(&self) -> &Dialect {
        &self.table.dialect
    }

    pub(crate) fn next(&mut self) -> Result<Option<Confirmation>, ReadError> {
        let Some(record) = self.table.next()? else {
            let (_, line) = self.table.position();
            return if self.number == 0 { broken(line, "the file has no line below its header") } else { Ok(None) };
        };
        self.number = self.number.saturating_add(1);
        if self.number > CONFIRMATIONS_MAX {
            return broken(record.line, format!("a file has at most {CONFIRMATIONS_MAX} payments; split it"));
        }
        let (amount, direction) = self.table.movement(&record)?;
        if direction == Direction::Debit {
            return broken(record.line, "amount: a payment is positive");
        }
        let column =
            if self.table.dialect.columns.contains_key(&Column::PaidOn) { Column::PaidOn } else { Column::BookedOn };
        let text = |column| self.table.text(&record, column);
        let (transaction_id, provider, invoice_number) =
            (text(Column::TransactionId), text(Column::Provider), text(Column::InvoiceNumber));
        let payment = ClaimedPayment {
            transaction_id: transaction_id.as_deref().unwrap_or_default(),
            provider: provider.as_deref(),
            invoice_number: invoice_number.as_deref(),
            amount: amount.money(),
            paid_on: self.table.day(&record, column)?,
        };
        let confirmation = payment.confirmation(self.number, record.line);
        Ok(Some(confirmation.map_err(|error| BrokenFile::at(record.line, error))?))
    }
}
