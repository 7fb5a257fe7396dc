//! The payment gateways: one module per provider, selected by name.
//!
//! A provider verifies and parses its own webhooks, builds its requests and interprets the responses; nothing here does
//! any I/O. A new provider is a module and a line in [`ALL`].

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

/// Why a webhook failed verification. Nothing of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The signature header is missing or malformed.
    #[error("the signature is missing or cannot be read")]
    NoSignature,
    /// No secret of ours made this signature.
    #[error("the signature does not match the body")]
    WrongSignature,
    /// The signature is valid, but too old or from the future.
    #[error("the signature's time is outside the tolerance")]
    Stale,
}

impl Forged {
    /// A short stable code for metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::WrongSignature => "wrong_signature",
            Self::Stale => "stale_signature",
        }
    }
}

/// The content of an authentic webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookNotice {
    /// Evidence about a payment.
    Evidence(Box<Evidence>),
    /// Something happened to a payment, but its amount has to be fetched from the gateway's API.
    Inquire(QueryResource),
    /// An event that moves no money of a payment.
    Ignored {
        /// The provider's event type.
        event_type: String,
        /// Why it is ignored.
        reason: &'static str,
    },
    /// An event type that this build does not know; it is parked, to be replayed after an update.
    Unknown {
        /// The provider's event type.
        event_type: String,
    },
    /// One of several events that this build cannot read; it is parked too, and the others count.
    Unreadable(Unreadable),
}

/// The longest event type that is logged.
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

/// An authentic message or response that this build cannot parse, or a command that the gateway's API cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message or response of {provider} cannot be parsed: {reason}")]
pub struct Unreadable {
    pub provider: &'static str,
    /// What is wrong, without the body's content.
    pub reason: String,
}

impl Unreadable {
    pub(crate) fn new(provider: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { provider, reason: reason.to_string() }
    }
}

/// A payment provider.
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

    /// Parses its webhooks; none if it sends none.
    #[must_use]
    pub const fn webhooks(&self) -> Option<&'static dyn WebhookParser> {
        self.webhooks
    }

    /// Its API for moving money and for inquiries; none if it has none.
    #[must_use]
    pub const fn api(&self) -> Option<&'static dyn Api> {
        self.api
    }
}

/// Verifies and parses a gateway's webhooks.
pub trait WebhookParser: Send + Sync {
    /// Verifies that the gateway sent exactly these bytes, against every secret that may be in use. Anything that the
    /// gateway's scheme leaves unsigned must not become evidence in [`Self::read`].
    ///
    /// # Errors
    /// [`Forged`].
    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], now: DateTime<Utc>) -> Result<(), Forged>;

    /// Parses an authentic body. `account` is our configured account at the gateway; if a gateway sends other
    /// companies' events to the same endpoint, only this account's money is ours.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(&self, body: &[u8], account: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable>;
}

/// All providers.
pub const ALL: &[ProviderModule] = &[stripe::PROVIDER, adyen::PROVIDER, gocardless::PROVIDER, manual::PROVIDER];

/// The provider with this name.
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
