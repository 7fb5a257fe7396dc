//! Errors of the database.

use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use quittance_domain::error::DependencyFailure;
use quittance_domain::money::{Money, MoneyError};
use rust_decimal::Decimal;

/// Why no password or token for a login role could be obtained. Never contains the password.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Secrets Manager refused the call or did not answer.
    #[error("secret {secret_id} cannot be read")]
    Secret {
        /// Name or ARN.
        secret_id: String,
        /// The failure.
        source: Box<GetSecretValueError>,
    },
    /// The secret is binary, or another JSON value than expected.
    #[error("secret {0} is not {{\"password\": …}}")]
    NoPassword(String),
    /// No IAM token could be created.
    #[error("no IAM token could be created")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A failed database operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL or the connection to it failed. Retrying may help.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// No password or token for the login role could be obtained.
    #[error("no database login for role {role}")]
    Login {
        /// The login role.
        role: String,
        /// The reason.
        source: LoginError,
    },
    /// A migration failed.
    #[error("the migrations did not apply")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A payment got another transaction id or was merged between lookup and lock. Retrying resolves it.
    #[error("payment {payment} was changed by another transaction at the same moment")]
    Moved {
        /// The payment's id or transaction id.
        payment: String,
    },
    /// A stored value breaks a rule of the domain: it was changed by hand, or a migration is missing.
    #[error("{table} holds an invalid value: {reason}")]
    Corrupt {
        /// Schema and table.
        table: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
}

impl DependencyFailure for StoreError {}

impl StoreError {
    /// Whether the database is unreachable or overloaded, so that the record itself is not to blame.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Login { .. } => true,
            Self::Database(error) => match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
                // 08: connection exceptions; 28: authorisation; 53: insufficient resources; 57P: shutting down; 3D: no
                // such database; 57014, 25P03, 25P04: timeouts of statements, idle transactions and transactions;
                // 25006: a standby. None of these is caused by the message. (PostgreSQL, Appendix A.)
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

    /// Whether the transaction conflicted with another one, which is the fault of neither the record nor the database.
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

    /// Whether a retry of the transaction may succeed shortly: it conflicted with another one, or its connection broke.
    /// If the connection broke during the commit, its outcome is unknown; the retried transaction must check.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_conflict() || matches!(self, Self::Database(sqlx::Error::Io(_)))
    }

    /// The error for an invalid stored value.
    #[must_use]
    pub fn corrupt(table: &'static str, reason: impl ToString) -> Self {
        Self::Corrupt { table, reason: reason.to_string() }
    }
}

/// Parses an amount stored as `numeric` with a currency code.
pub(crate) fn money(table: &'static str, amount: Decimal, currency: &str) -> Result<Money, StoreError> {
    let read = |error: MoneyError| StoreError::corrupt(table, error);
    Money::new(amount, currency.parse().map_err(read)?).map_err(read)
}
