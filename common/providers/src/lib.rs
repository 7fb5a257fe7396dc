//! The payment gateways: one module per provider, chosen by name.
//!
//! A provider verifies and reads its own webhooks. A new one is a module and a line in [`by_name`].

pub mod stripe;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::command::Evidence;

/// Why a webhook is not believed. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The header that carries the signature is missing or cannot be read.
    #[error("the signature is missing or cannot be read")]
    NoSignature,
    /// No secret of ours made this signature.
    #[error("the signature does not fit the body")]
    WrongSignature,
    /// The signature is right, but too old or from the future.
    #[error("the signature's time is outside the tolerance")]
    Stale,
}

impl Forged {
    /// A short stable code for counting.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::WrongSignature => "wrong_signature",
            Self::Stale => "stale_signature",
        }
    }
}

/// What an authentic webhook tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Evidence of a payment.
    Evidence(Box<Evidence>),
    /// Something that does not concern payments of invoices.
    Ignored {
        /// The provider's name for it.
        event_type: String,
    },
}

/// An authentic body that this build cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {provider} event cannot be understood: {reason}")]
pub struct Unreadable {
    /// Whose event it is.
    pub provider: &'static str,
    /// What is wrong, without the body's content.
    pub reason: String,
}

/// A payment gateway.
pub trait Provider: Send + Sync {
    /// The name in URLs, transaction ids and accounts.
    fn name(&self) -> &'static str;

    /// Checks that the gateway sent these very bytes, against every secret that may be in use.
    ///
    /// # Errors
    /// [`Forged`].
    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], now: DateTime<Utc>) -> Result<(), Forged>;

    /// Reads what an authentic body tells.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(&self, body: &[u8]) -> Result<Vec<Notice>, Unreadable>;
}

/// The provider that is called `name`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    const PROVIDERS: &[&dyn Provider] = &[&stripe::Stripe];
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}
