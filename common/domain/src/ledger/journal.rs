//! Exports the books as plain text accounting, for `bean-check` and other third-party programs.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use super::Account;
use crate::id::LedgerTransactionId;
use crate::money::Money;

/// A stored transaction of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerTransaction {
    /// Its id.
    pub id: LedgerTransactionId,
    /// The event that it posts.
    pub event_id: String,
    /// The description.
    pub description: String,
    /// The accounting date.
    pub accounting_date: NaiveDate,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was posted.
    pub recorded_at: DateTime<Utc>,
    /// The transaction that this one reverses; none for an event's posting.
    pub reverses: Option<LedgerTransactionId>,
    /// Signed amounts by account.
    pub entries: Vec<(Account, Money)>,
}

/// The name of an account in Beancount's syntax: one of its five roots, followed by components of capitals, digits and
/// dashes.
fn name(account: &Account) -> String {
    let plain = |owner: &str| owner.to_ascii_uppercase().replace('_', "-");
    let owned = |begin: &str, owner: &str| format!("{begin}:{}", plain(owner.trim_start_matches("cli_")));
    match account {
        Account::Receivable(client) => owned("Assets:Receivable", &client.to_string()),
        Account::Clearing(provider) => owned("Assets:Clearing", provider.as_str()),
        Account::Disputes(provider) => owned("Assets:Disputes", provider.as_str()),
        Account::Refunds(provider) => owned("Assets:Refunds", provider.as_str()),
        Account::Credit(client) => owned("Liabilities:Credit", &client.to_string()),
        Account::Suspense => "Liabilities:Suspense".to_owned(),
        Account::Tax => "Liabilities:Tax".to_owned(),
        Account::Revenue => "Income:Revenue".to_owned(),
        Account::Fees(provider) => owned("Expenses:Fees", provider.as_str()),
        Account::Rounding => "Expenses:Rounding".to_owned(),
        Account::Goodwill => "Expenses:Goodwill".to_owned(),
    }
}

/// Writes the opening of an account, dated before the first posting.
///
/// # Errors
/// The writer's errors.
pub fn open(account: &Account, output: &mut impl fmt::Write) -> fmt::Result {
    writeln!(output, "1970-01-01 open {}", name(account))
}

/// Writes one transaction.
///
/// # Errors
/// The writer's errors.
pub fn write(transaction: &LedgerTransaction, output: &mut impl fmt::Write) -> fmt::Result {
    writeln!(output, "\n{} * {}", transaction.accounting_date, quoted(&transaction.description))?;
    writeln!(output, "  id: \"{}\"", transaction.id)?;
    writeln!(output, "  event: {}", quoted(&transaction.event_id))?;
    let recorded_at = transaction.recorded_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    writeln!(output, "  recorded_at: \"{recorded_at}\"")?;
    if let Some(reversed) = transaction.reverses {
        writeln!(output, "  reverses: \"{reversed}\"")?;
    }
    for (account, amount) in &transaction.entries {
        writeln!(output, "  {}  {} {}", name(account), amount.amount(), amount.currency())?;
    }
    Ok(())
}

/// Writes the balances before the first day, so that a part of the books can be read on its own.
///
/// # Errors
/// The writer's errors.
pub fn write_opening(first_day: NaiveDate, balances: &[(Account, Money)], output: &mut impl fmt::Write) -> fmt::Result {
    if balances.is_empty() {
        return Ok(());
    }
    writeln!(output, "\n{first_day} * \"What stood before\"")?;
    for (account, amount) in balances {
        writeln!(output, "  {}  {} {}", name(account), amount.amount(), amount.currency())?;
    }
    Ok(())
}

/// Writes a balance assertion for the end of a day, for the program to check.
///
/// # Errors
/// The writer's errors.
pub fn assert_balance(day: NaiveDate, account: &Account, balance: Money, output: &mut impl fmt::Write) -> fmt::Result {
    // Beancount checks a balance at the beginning of the day it names.
    let morning = day.succ_opt().unwrap_or(day);
    writeln!(output, "{morning} balance {}  {} {}", name(account), balance.amount(), balance.currency())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_written_with_its_names_and_amounts() {
        let client = "receivable:cli_0000000000000000000000000000000a".parse().unwrap();
        let transaction = LedgerTransaction {
            id: "ltx_00000000000000000000000000000001".parse().unwrap(),
            event_id: "e\"1".to_owned(),
            description: "Payment \"a\\b\"\nof".to_owned(),
            accounting_date: NaiveDate::from_ymd_opt(2026, 11, 3).unwrap(),
            occurred_at: "2026-11-02T23:59:59Z".parse().unwrap(),
            recorded_at: "2026-11-04T08:00:00Z".parse().unwrap(),
            reverses: None,
            entries: vec![
                ("clearing:my_bank".parse().unwrap(), Money::parse("10.50", "EUR").unwrap()),
                (client, Money::parse("-10.50", "EUR").unwrap()),
            ],
        };
        let mut text = String::new();
        write(&transaction, &mut text).unwrap();
        assert_eq!(
            text,
            "\n2026-11-03 * \"Payment \\\"a\\\\b\\\" of\"\n  id: \"ltx_00000000000000000000000000000001\"\n  event: \"e\\\"1\"\n  \
             recorded_at: \"2026-11-04T08:00:00.000Z\"\n  \
             Assets:Clearing:MY-BANK  10.50 EUR\n  Assets:Receivable:0000000000000000000000000000000A  -10.50 EUR\n"
        );
    }
}
