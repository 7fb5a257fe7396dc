//! Why a value of a file cannot be read.

use quittance_domain::money::MoneyError;

use crate::error::quote;
use crate::summary::CURRENCIES_MAX;
use crate::text::DIGITS_MAX;

/// Why a value of a file cannot be read, and what would be right. Each text repeats at most the beginning of the input.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("`{}` is not an amount; write digits with an optional `{separator}`, no sign, no grouping", quote(.text))]
    NotAmount { text: String, separator: char },
    #[error("the amount has more than {DIGITS_MAX} digits")]
    TooManyDigits,
    #[error("an amount has at most {0} decimals")]
    TooManyDecimals(u32),
    #[error("`{}` is not an amount in the format of the lines before", quote(.0))]
    OtherNotation(String),
    #[error("`{}` has a separator, but the lines before have none; state which is the decimal one", quote(.0))]
    UnexpectedSeparator(String),
    #[error("`{}` follows the amount; write its decimals after a comma", quote(.0))]
    BehindAmount(String),
    #[error("`{}` is not a currency; write the three letters of ISO 4217, as in EUR", quote(.0))]
    Currency(String),
    #[error("the amount has no currency (Ccy)")]
    NoCurrency,
    #[error("the {0} is empty")]
    Empty(&'static str),
    #[error("`{}` is not a day; write YYMMDD, as in 261122", quote(.0))]
    Day(String),
    #[error("`{}` is not an entry date; write MMDD, as in 1122", quote(.0))]
    EntryDay(String),
    #[error("`{}` is not a balance; write it as in C261122EUR100,00", quote(.0))]
    Balance(String),
    #[error("`{}` is not a credit/debit mark; write C, D, RC or RD", quote(.0))]
    DebitCreditMark(String),
    #[error("`{}` is not a direction; write credit or debit, or name another column with the option `columns`", quote(.0))]
    Direction(String),
    #[error("the amount is negative, but the direction is credit")]
    NegativeCreditByDirection,
    #[error("the credit is negative")]
    NegativeCredit,
    #[error("both credit and debit have an amount; only one may")]
    CreditAndDebit,
    #[error("neither credit nor debit has an amount")]
    NeitherCreditNorDebit,
    #[error("a statement has entries in at most {CURRENCIES_MAX} currencies")]
    TooManyCurrencies,
    #[error("the entries add up to more than can be stored; their amounts are implausible")]
    SumTooLarge,
    #[error("amount: {0}")]
    Amount(Box<ValueError>),
    #[error("amount: {0}")]
    Money(MoneyError),
}
