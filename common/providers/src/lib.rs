//! The payment gateways: one module per provider, chosen by name.
//!
//! A provider verifies and reads its own webhooks, and says what to send and what an answer means; nothing here does any
//! I/O. A new one is a module and a line in [`ALL`].

pub mod adyen;
pub mod api;
pub mod gocardless;
pub mod manual;
mod reported_payment;
mod signature;
pub mod stripe;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::command::{Evidence, QueryResource};

use crate::api::Api;

/// Why a webhook is not believed. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// What carries the signature is missing or cannot be read.
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
pub enum WebhookNotice {
    /// Evidence of a payment.
    Evidence(Box<Evidence>),
    /// Something happened to a payment, but how much money it concerns only the gateway's API tells.
    Ask(QueryResource),
    /// Something that moves no money of a payment.
    Ignored {
        /// The provider's name for it.
        event_type: String,
        /// Why it is passed over.
        reason: &'static str,
    },
    /// A type of event that this build has never heard of; it is kept, to be read after an update.
    Unknown {
        /// The provider's name for it.
        event_type: String,
    },
    /// One of several events that this build cannot read; it is kept too, and the others count.
    Unreadable(Unreadable),
}

/// The longest name of an event type that is repeated in logs.
const EVENT_TYPE_LENGTH_MAX: usize = 100;

impl WebhookNotice {
    pub(crate) fn ignored(event_type: &str, reason: &'static str) -> Self {
        Self::Ignored { event_type: shorten(event_type), reason }
    }

    pub(crate) fn unknown(event_type: &str) -> Self {
        Self::Unknown { event_type: shorten(event_type) }
    }
}

fn shorten(event_type: &str) -> String {
    event_type.chars().filter(|letter| !letter.is_control()).take(EVENT_TYPE_LENGTH_MAX).collect()
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

impl Unreadable {
    pub(crate) fn new(provider: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { provider, reason: reason.to_string() }
    }
}

/// Whoever moves money for us.
#[derive(Clone, Copy)]
pub struct ProviderModule {
    name: &'static str,
    webhooks: Option<&'static dyn WebhookParser>,
    api: Option<&'static dyn Api>,
}

impl ProviderModule {
    /// The name in URLs, transaction ids and accounts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How it tells of payments by itself; none if it does not.
    #[must_use]
    pub const fn webhooks(&self) -> Option<&'static dyn WebhookParser> {
        self.webhooks
    }

    /// How it is asked to move money, and what became of it; none if it cannot be.
    #[must_use]
    pub const fn api(&self) -> Option<&'static dyn Api> {
        self.api
    }
}

/// A gateway's messages to us.
pub trait WebhookParser: Send + Sync {
    /// Checks that the gateway sent these very bytes, against every secret that may be in use. What the gateway's
    /// scheme leaves unsigned must not become evidence in [`Self::read`].
    ///
    /// # Errors
    /// [`Forged`].
    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], now: DateTime<Utc>) -> Result<(), Forged>;

    /// Reads what an authentic body tells. `account` is the one that is configured as ours at the gateway; where a gateway
    /// reports other companies' accounts to the same endpoint, only this one's money is ours.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(&self, body: &[u8], account: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable>;
}

/// All providers.
pub const ALL: &[ProviderModule] = &[stripe::PROVIDER, adyen::PROVIDER, gocardless::PROVIDER, manual::PROVIDER];

/// The provider that is called `name`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static ProviderModule> {
    ALL.iter().find(|provider| provider.name() == name)
}

/// The names of all providers.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(ProviderModule::name)
}

#[cfg(test)]
mod tests;
