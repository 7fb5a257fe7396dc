//! Payment confirmations: files of payments that a client claims to have made.

use std::io::Read;

use chrono::NaiveDate;
use quittance_domain::calendar::plausible_day;
use quittance_domain::id::{IdError, Provider, TransactionId};
use quittance_domain::money::{Money, MoneyError, PositiveMoney};
use serde::Deserialize;

use crate::csv::{CsvConfirmations, CsvOptions, Dialect};
use crate::error::{BrokenFile, ReadError, broken, quote};
use crate::limits::{CONFIRMATIONS_MAX, JSON_BYTES_MAX};
use crate::stream::Stream;

/// The longest invoice number, in characters.
const INVOICE_NUMBER_LENGTH_MAX: usize = 50;

/// One payment that a client claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The number of the payment within the file, from 1.
    pub number: u64,
    /// The line of the file, from 1.
    pub line: u64,
    /// The payment's id, in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The number of the invoice that it pays.
    pub invoice_number: Option<String>,
    pub amount: PositiveMoney,
    /// The day of the payment.
    pub paid_on: NaiveDate,
}

/// The unchecked data of a payment.
pub(crate) struct ClaimedPayment<'a> {
    pub(crate) transaction_id: &'a str,
    pub(crate) provider: Option<&'a str>,
    pub(crate) invoice_number: Option<&'a str>,
    pub(crate) amount: Result<Money, MoneyError>,
    pub(crate) paid_on: Option<NaiveDate>,
}

/// An invalid member of a claimed payment.
#[derive(Debug, thiserror::Error)]
#[error("{member}: {fault}")]
pub(crate) struct MemberError {
    pub(crate) member: &'static str,
    fault: MemberFault,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberFault {
    #[error(transparent)]
    Name(#[from] IdError),
    #[error(transparent)]
    Amount(#[from] MoneyError),
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {INVOICE_NUMBER_LENGTH_MAX} characters")]
    TooLong,
    #[error("it has control characters")]
    ControlCharacters,
    #[error("the day is missing; write YYYY-MM-DD")]
    NoDay,
    #[error("`{}` is not a day from 1970 to 2199, such as 2026-11-22", quote(.0))]
    Day(String),
}

impl MemberFault {
    pub(crate) const fn of(self, member: &'static str) -> MemberError {
        MemberError { member, fault: self }
    }
}

impl ClaimedPayment<'_> {
    /// # Errors
    /// [`MemberError`] for the first invalid member.
    pub(crate) fn confirmation(self, number: u64, line: u64) -> Result<Confirmation, MemberError> {
        let name = |member: &'static str| move |error: IdError| MemberFault::from(error).of(member);
        let amount = |error: MoneyError| MemberFault::from(error).of("amount");
        let (provider, transaction_id) = match self.provider {
            None => TransactionId::with_provider(self.transaction_id).map_err(name("transaction_id"))?,
            Some(provider) => {
                let provider: Provider = provider.parse().map_err(name("provider"))?;
                let id = TransactionId::namespaced(&provider, self.transaction_id).map_err(name("transaction_id"))?;
                (provider, id)
            }
        };
        if transaction_id.reference().is_empty() {
            return Err(MemberFault::Empty.of("transaction_id"));
        }
        let money = self.amount.map_err(amount)?;
        let invoice_number = self.invoice_number.filter(|number| !number.is_empty());
        if invoice_number.is_some_and(|number| number.chars().count() > INVOICE_NUMBER_LENGTH_MAX) {
            return Err(MemberFault::TooLong.of("invoice_number"));
        }
        if invoice_number.is_some_and(|number| number.chars().any(char::is_control)) {
            return Err(MemberFault::ControlCharacters.of("invoice_number"));
        }
        Ok(Confirmation {
            number,
            line,
            transaction_id,
            provider,
            invoice_number: invoice_number.map(ToOwned::to_owned),
            amount: money.positive().map_err(amount)?,
            paid_on: self.paid_on.ok_or(MemberFault::NoDay.of("paid_on"))?,
        })
    }
}

/// Reads payment confirmations, CSV or JSON, one by one.
pub struct ConfirmationReader<R> {
    engine: Engine<R>,
}

enum Engine<R> {
    Csv(Box<CsvConfirmations<R>>),
    Json(std::vec::IntoIter<Confirmation>),
}

impl<R: Read> ConfirmationReader<R> {
    /// Opens a file: JSON if it starts with a brace or bracket, otherwise CSV.
    ///
    /// JSON is
    /// `{"payments":[{"transaction_id","provider"?,"invoice_number","amount":{"value","currency"},"paid_on"}]}`; it is
    /// read as a whole, up to [`JSON_BYTES_MAX`] and [`CONFIRMATIONS_MAX`] payments.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(source: R, options: &CsvOptions) -> Result<Self, ReadError> {
        let mut stream = Stream::new(source, 0);
        let sample = stream.sample()?;
        let bare = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
        let engine = match bare.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return broken(1, "the file is empty"),
            Some(b'{' | b'[') => Engine::Json(json(stream)?.into_iter()),
            Some(_) => Engine::Csv(Box::new(CsvConfirmations::open(stream, options)?)),
        };
        Ok(Self { engine })
    }

    /// The dialect of a CSV file.
    #[must_use]
    pub fn dialect(&self) -> Option<&Dialect> {
        match &self.engine {
            Engine::Csv(csv) => Some(csv.dialect()),
            Engine::Json(_) => None,
        }
    }

    /// The next payment; none at the end of the file. To continue later, open the file again and skip as many as were
    /// read: there are at most [`CONFIRMATIONS_MAX`].
    ///
    /// # Errors
    /// [`ReadError`]; after one, the reader must not be used again.
    pub fn next_confirmation(&mut self) -> Result<Option<Confirmation>, ReadError> {
        match &mut self.engine {
            Engine::Csv(csv) => csv.next(),
            Engine::Json(payments) => Ok(payments.next()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmationBody {
    payments: Vec<ConfirmationPayment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmationPayment {
    transaction_id: String,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    invoice_number: Option<String>,
    amount: ConfirmationValue,
    paid_on: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmationValue {
    value: String,
    currency: String,
}

fn json<R: Read>(stream: Stream<R>) -> Result<Vec<Confirmation>, ReadError> {
    let mut bytes = Vec::new();
    stream.take(JSON_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > JSON_BYTES_MAX {
        return broken(1, format!("a JSON file has at most {JSON_BYTES_MAX} bytes; split it"));
    }
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // Without serde's error text, which may quote the input.
    let body: ConfirmationBody = serde_json::from_slice(bare).or_else(|error| {
        let (line, column) = (error.line() as u64, error.column());
        let why = format!(
            "it is not JSON as {{\"payments\":[{{transaction_id, provider?, invoice_number, amount:{{value, currency}}, paid_on}}]}}: \
             something is missing, unknown or unfit before column {column}"
        );
        broken(line.max(1), why)
    })?;
    if body.payments.is_empty() {
        return broken(1, "/payments: the file has no payment");
    }
    if body.payments.len() as u64 > CONFIRMATIONS_MAX {
        return broken(1, format!("/payments: a file has at most {CONFIRMATIONS_MAX} payments; split it"));
    }
    (1_u64..).zip(&body.payments).map(|(number, payment)| payment.confirmation(number)).collect()
}

impl ConfirmationPayment {
    fn confirmation(&self, number: u64) -> Result<Confirmation, ReadError> {
        let place = number.saturating_sub(1);
        let refuse = |error: MemberError| BrokenFile::at(1, format!("/payments/{place}/{error}"));
        let day = NaiveDate::parse_from_str(&self.paid_on, "%Y-%m-%d").ok().filter(|_| self.paid_on.len() == 10);
        let Some(day) = day.and_then(|day| plausible_day(day).ok()) else {
            return Err(refuse(MemberFault::Day(self.paid_on.clone()).of("paid_on")).into());
        };
        let payment = ClaimedPayment {
            transaction_id: &self.transaction_id,
            provider: self.provider.as_deref(),
            invoice_number: self.invoice_number.as_deref(),
            amount: Money::parse(&self.amount.value, &self.amount.currency),
            paid_on: Some(day),
        };
        Ok(payment.confirmation(number, 1).map_err(refuse)?)
    }
}

#[cfg(test)]
mod tests;
