//! CSV files of payment confirmations and bank statements.
//!
//! UTF-8, comma-separated (RFC 4180), with a header. Columns by name, in any order:
//! - payment confirmation: `transaction_id`, `invoice_number`, `amount`, `currency`, `paid_on`
//! - bank statement: `bank_reference`, `transaction_id`, `invoice_number`, `amount`, `currency`, `booked_on`
//!
//! Days are `YYYY-MM-DD`. `invoice_number` may be empty in a bank statement.

use chrono::NaiveDate;
use csv::StringRecord;
use quittance_domain::calendar::plausible_day;
use quittance_domain::id::{Provider, TransactionId};
use quittance_domain::money::{Money, PositiveMoney};
use quittance_store::uploads::UploadKind;

/// The most lines taken from one file.
pub const LINES_MAX: usize = 10_000;

/// The longest invoice number or bank reference.
const TEXT_LENGTH_MAX: usize = 50;

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line of the file, from 1, counting the header.
    pub line: u64,
    /// The payment it speaks of.
    pub transaction_id: TransactionId,
    /// Who moved the money.
    pub provider: Provider,
    /// The number of the invoice it names.
    pub invoice_number: Option<String>,
    /// How much.
    pub amount: PositiveMoney,
    /// The day it happened.
    pub day: NaiveDate,
    /// The bank's own name of the entry.
    pub bank_reference: Option<String>,
}

/// Why a file is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Broken {
    /// Line of the file, from 1.
    pub line: u64,
    /// What is wrong, and what would be right.
    pub reason: String,
}

fn broken(line: u64, reason: impl ToString) -> Broken {
    Broken { line, reason: reason.to_string() }
}

/// Reads a file.
///
/// # Errors
/// [`Broken`] for the first line that cannot be used.
pub fn parse(kind: UploadKind, bytes: &[u8]) -> Result<Vec<Line>, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|_| broken(1, "the file is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.replace("\r\n", "").contains('\r') {
        // Lines are named by their number, which counts line feeds.
        return Err(broken(1, "lines end with a carriage return alone; save the file with LF or CRLF"));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| broken(1, error))?.clone();
    let columns = Columns::find(kind, &header)?;
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            broken(error.position().map_or(0, csv::Position::line), "not a CSV record of the header's length")
        })?;
        let number = record.position().map_or(0, csv::Position::line);
        if lines.len() == LINES_MAX {
            return Err(broken(number, format!("a file has at most {LINES_MAX} lines; split it")));
        }
        lines.push(columns.line(number, &record).map_err(|reason| broken(number, reason))?);
    }
    if lines.is_empty() {
        return Err(broken(1, "the file has no line below its header"));
    }
    Ok(lines)
}

/// Where each column stands.
struct Columns {
    transaction_id: usize,
    invoice_number: usize,
    amount: usize,
    currency: usize,
    day: usize,
    bank_reference: Option<usize>,
}

impl Columns {
    fn find(kind: UploadKind, header: &StringRecord) -> Result<Self, Broken> {
        let wanted: &[&str] = match kind {
            UploadKind::PaymentConfirmation => &["transaction_id", "invoice_number", "amount", "currency", "paid_on"],
            UploadKind::BankStatement => {
                &["bank_reference", "transaction_id", "invoice_number", "amount", "currency", "booked_on"]
            }
        };
        let place = |name: &str| header.iter().position(|column| column == name);
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| place(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(broken(1, format!("the header lacks {}; it needs {}", missing.join(", "), wanted.join(", "))));
        }
        let known = |name: &str| place(name).unwrap_or(usize::MAX);
        Ok(Self {
            transaction_id: known("transaction_id"),
            invoice_number: known("invoice_number"),
            amount: known("amount"),
            currency: known("currency"),
            day: place("paid_on").unwrap_or_else(|| known("booked_on")),
            bank_reference: place("bank_reference"),
        })
    }

    fn line(&self, line: u64, record: &StringRecord) -> Result<Line, String> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        let text = |name: &str, place: usize| match field(place) {
            "" => Ok(None),
            text if text.chars().count() > TEXT_LENGTH_MAX => Err(format!("{name} is longer than {TEXT_LENGTH_MAX}")),
            text if text.chars().any(char::is_control) => Err(format!("{name} has control characters")),
            text => Ok(Some(text.to_owned())),
        };
        let (provider, transaction_id) = TransactionId::with_provider(field(self.transaction_id))
            .map_err(|error| format!("transaction_id: {error}"))?;
        let amount = Money::parse(field(self.amount), field(self.currency)).and_then(Money::positive);
        let day = NaiveDate::parse_from_str(field(self.day), "%Y-%m-%d");
        let bank_reference = self.bank_reference.map(|place| text("bank_reference", place)).transpose()?.flatten();
        if self.bank_reference.is_some() && bank_reference.is_none() {
            return Err("bank_reference is empty".to_owned());
        }
        Ok(Line {
            line,
            transaction_id,
            provider,
            invoice_number: text("invoice_number", self.invoice_number)?,
            amount: amount.map_err(|error| format!("amount: {error}"))?,
            day: plausible_day(day.map_err(|_| "the day is not YYYY-MM-DD".to_owned())?)
                .map_err(|error| error.to_string())?,
            bank_reference,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: &str = "bank_reference,transaction_id,invoice_number,amount,currency,booked_on\n";

    fn statement(lines: &str) -> Result<Vec<Line>, Broken> {
        parse(UploadKind::BankStatement, format!("{STATEMENT}{lines}").as_bytes())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_behind_a_byte_order_mark() {
        let file =
            "\u{feff}currency,amount,paid_on,invoice_number,transaction_id\nEUR, 100.00 ,2026-11-02,INV-1,\"t-1\"\n";
        let lines = parse(UploadKind::PaymentConfirmation, file.as_bytes()).unwrap();
        assert_eq!((lines[0].line, lines[0].transaction_id.as_str()), (2, "manual:t-1"));
        assert_eq!(*lines[0].amount, Money::parse("100", "EUR").unwrap());
    }

    #[test]
    fn a_broken_line_refuses_the_file_and_is_named() {
        let good = "b1,t-1,INV-1,100.00,EUR,2026-11-02\n";
        for (line, reason) in [
            ("b2,t-2,INV-2,100.001,EUR,2026-11-02\n", "decimals"),
            ("b2,t-2,INV-2,-1,EUR,2026-11-02\n", "positive"),
            ("b2,t-2,INV-2,1,EUR,02.11.2026\n", "YYYY-MM-DD"),
            ("b2,t 2,INV-2,1,EUR,2026-11-02\n", "transaction_id"),
            (",t-2,INV-2,1,EUR,2026-11-02\n", "bank_reference"),
            ("b2,t-2,INV\u{0}2,1,EUR,2026-11-02\n", "control characters"),
            ("b2,t-2,INV-2,1,EUR,-9999-11-02\n", "year"),
            ("b2,t-2\n", "header's length"),
        ] {
            let error = statement(&format!("{good}{line}")).unwrap_err();
            assert_eq!(error.line, 3, "{line}");
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_empty_file_a_wrong_header_and_other_encodings_are_refused() {
        assert!(statement("").is_err());
        assert!(parse(UploadKind::BankStatement, b"").is_err());
        assert!(parse(UploadKind::BankStatement, b"date;amount\n").unwrap_err().reason.contains("bank_reference"));
        let apple = format!("{STATEMENT}b1,t-1,,1,EUR,2026-11-02\nb2,t-2,,1,EUR,2026-11-02\n").replace('\n', "\r");
        assert!(parse(UploadKind::BankStatement, apple.as_bytes()).unwrap_err().reason.contains("carriage return"));
        assert!(parse(UploadKind::BankStatement, b"\xff\xfe").unwrap_err().reason.contains("UTF-8"));
    }
}
