//! The chart of accounts.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::{PartialSchema, ToSchema};

use crate::api_schema::text_schema;
use crate::id::{ClientId, Provider};
use crate::names::{serialized_name, stored_name};

/// An account of the chart. Its text form is its code in the database and the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// What a client owes us (asset).
    Receivable(ClientId),
    /// Money in transit through a provider (asset): what came in, less what went back other than by refunds.
    Clearing(Provider),
    /// Money that a provider withholds while disputes are open (asset).
    Disputes(Provider),
    /// Money that we refunded through a provider (asset, negative).
    Refunds(Provider),
    /// What we owe a client (liability).
    Credit(ClientId),
    /// Money of unknown payers (liability).
    Suspense,
    /// Tax that we collect for the tax authority (liability).
    Tax,
    /// Our revenue (income).
    Revenue,
    /// Fees of a provider (expense).
    Fees(Provider),
    /// Rounding losses; rounding gains are negative (expense).
    Rounding,
    /// Refunds without a credit note (expense).
    Goodwill,
}

/// The section of the balance sheet or income statement that an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// What we own or are owed; increased by debits.
    Asset,
    /// What we owe; increased by credits.
    Liability,
    /// What we earn; increased by credits.
    Income,
    /// What we spend; increased by debits.
    Expense,
}

stored_name!(AccountKind { Asset => "asset", Liability => "liability", Income => "income", Expense => "expense" });
serialized_name!(AccountKind);

impl Account {
    /// The account's kind.
    #[must_use]
    pub const fn kind(&self) -> AccountKind {
        match self {
            Self::Receivable(_) | Self::Clearing(_) | Self::Disputes(_) | Self::Refunds(_) => AccountKind::Asset,
            Self::Credit(_) | Self::Suspense | Self::Tax => AccountKind::Liability,
            Self::Revenue => AccountKind::Income,
            Self::Fees(_) | Self::Rounding | Self::Goodwill => AccountKind::Expense,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receivable(client) => write!(formatter, "receivable:{client}"),
            Self::Clearing(provider) => write!(formatter, "clearing:{provider}"),
            Self::Disputes(provider) => write!(formatter, "disputes:{provider}"),
            Self::Refunds(provider) => write!(formatter, "refunds:{provider}"),
            Self::Credit(client) => write!(formatter, "credit:{client}"),
            Self::Suspense => formatter.write_str("suspense"),
            Self::Tax => formatter.write_str("tax"),
            Self::Revenue => formatter.write_str("revenue"),
            Self::Fees(provider) => write!(formatter, "fees:{provider}"),
            Self::Rounding => formatter.write_str("rounding"),
            Self::Goodwill => formatter.write_str("goodwill"),
        }
    }
}

/// The text is not an account of the chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an account of the chart")]
pub struct UnknownAccount(String);

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Account {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        text_schema("^[a-z]+(:[A-Za-z0-9_]+)?$", "An account of the chart of accounts.", "clearing:stripe")
    }
}

impl ToSchema for Account {}

impl FromStr for Account {
    type Err = UnknownAccount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownAccount(text.to_owned());
        let (name, owner) = text.split_once(':').unwrap_or((text, ""));
        let client = || owner.parse::<ClientId>().map_err(|_| unknown());
        let provider = || owner.parse::<Provider>().map_err(|_| unknown());
        match name {
            "receivable" => client().map(Self::Receivable),
            "credit" => client().map(Self::Credit),
            "clearing" => provider().map(Self::Clearing),
            "disputes" => provider().map(Self::Disputes),
            "refunds" => provider().map(Self::Refunds),
            "fees" => provider().map(Self::Fees),
            _ => match text {
                "suspense" => Ok(Self::Suspense),
                "tax" => Ok(Self::Tax),
                "revenue" => Ok(Self::Revenue),
                "rounding" => Ok(Self::Rounding),
                "goodwill" => Ok(Self::Goodwill),
                _ => Err(unknown()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_as_it_was_written() {
        for code in [
            "receivable:cli_00000000000000000000000000000001",
            "credit:cli_00000000000000000000000000000001",
            "clearing:stripe",
            "disputes:adyen",
            "refunds:manual",
            "suspense",
            "tax",
            "revenue",
            "fees:stripe",
            "rounding",
            "goodwill",
        ] {
            assert_eq!(code.parse::<Account>().unwrap().to_string(), code);
        }
        for code in ["", "receivable", "receivable:inv_1", "clearing:", "revenue:x", "cash"] {
            assert!(code.parse::<Account>().is_err(), "{code}");
        }
    }
}
