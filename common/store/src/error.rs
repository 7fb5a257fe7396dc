//! Why the database did not do what it was asked.

use quittance_domain::money::{Money, MoneyError};
use rust_decimal::Decimal;

/// A failed database operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL or the way to it failed. Retrying may help.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// No password or token for the login role could be had.
    #[error("no database login for role {role}: {reason}")]
    Login {
        /// The login role.
        role: String,
        /// What went wrong.
        reason: String,
    },
    /// A migration failed.
    #[error("the migrations did not apply: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A payment got another name or was merged between being looked up and being locked. Retrying finds it.
    #[error("payment {payment} was changed by somebody else at the same moment")]
    Moved {
        /// The payment's id or name.
        payment: String,
    },
    /// A stored value breaks a rule of the domain: somebody changed it by hand, or a migration is missing.
    #[error("{table} holds a value that means nothing here: {reason}")]
    Corrupt {
        /// Schema and table.
        table: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
}

impl StoreError {
    /// Whether the database is out of reach or busy with something else, so that the record itself is not to blame.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Login { .. } => true,
            Self::Database(error) => match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
                // 08: connection exceptions; 28: authorisation; 53: out of resources; 57P: shutting down; 3D: no such
                // database; 57014, 25P03, 25P04: timeouts of statements, idle transactions and transactions; 25006: a standby. None says
                // anything about the message. (PostgreSQL, Appendix A.)
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    ["08", "28", "53", "57P", "3D", "57014", "25P03", "25P04", "25006"]
                        .iter()
                        .any(|class| code.starts_with(class))
                }),
                _ => false,
            },
            Self::Moved { .. } | Self::Migration(_) | Self::Corrupt { .. } => false,
        }
    }

    /// Whether the transaction met another one, which says nothing about the record or the database.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Moved { .. } => true,
            // Serialization failure, deadlock, lock not available. (PostgreSQL, Appendix A.)
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| ["40001", "40P01", "55P03"].contains(&code.as_ref()))
            }
            _ => false,
        }
    }

    /// Whether the same transaction may succeed in a moment: it met another one, or its connection broke. Whether a
    /// broken connection took a commit with it is not known; the transaction must find out when it is tried again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_conflict() || matches!(self, Self::Database(sqlx::Error::Io(_)))
    }

    /// What a table holds means nothing here.
    #[must_use]
    pub fn corrupt(table: &'static str, reason: impl ToString) -> Self {
        Self::Corrupt { table, reason: reason.to_string() }
    }
}

/// Reads an amount that a table keeps as `numeric` and a currency code.
pub(crate) fn money(table: &'static str, amount: Decimal, currency: &str) -> Result<Money, StoreError> {
    let read = |error: MoneyError| StoreError::corrupt(table, error);
    Money::new(amount, currency.parse().map_err(read)?).map_err(read)
}
