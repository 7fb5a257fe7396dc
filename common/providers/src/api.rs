//! Calls to a gateway's API, without doing them: what to send, and what an answer means.

use quittance_domain::command::{Evidence, InitiateRefund, QueryPayment};

use crate::Unreadable;

/// What a caller of the API is let in with.
#[derive(Clone)]
pub struct Access {
    /// The secret key.
    pub key: String,
    /// Our account, where the gateway wants it named in each call.
    pub account: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Access(…)")
    }
}

/// An HTTP request to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `POST` with a body, else `GET`.
    pub body: Option<String>,
    /// Path and query, behind the API's URL.
    pub path: String,
    /// Headers with their values, those that let us in included.
    pub headers: Vec<(&'static str, String)>,
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway tells what happened.
    Told(Vec<Evidence>),
    /// The gateway has taken it on, and will tell by a webhook.
    Accepted,
    /// The gateway refuses it for good; nothing has happened.
    Refused(String),
    /// Nobody knows yet. The same call with the same key tells.
    Unknown(String),
}

/// A gateway that can be called.
pub trait Api: Send + Sync {
    /// Where it is, if no setting says otherwise.
    fn url(&self) -> &'static str;

    /// What must be asked before a refund can be asked for, if anything.
    fn before_refund(&self, access: &Access, order: &InitiateRefund) -> Option<Call> {
        let _ = (access, order);
        None
    }

    /// Asks for a refund. The refund's id is the idempotency key, however often the call is made, and travels along.
    ///
    /// # Errors
    /// [`Unreadable`] if the order, or what was answered before it, cannot be put into the gateway's terms.
    fn refund(&self, access: &Access, order: &InitiateRefund, before: Option<&Answer>) -> Result<Call, Unreadable>;

    /// What became of the refund.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn refunded(&self, order: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable>;

    /// Asks what a message did not say.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway has no such thing.
    fn query(&self, access: &Access, question: &QueryPayment) -> Result<Call, Unreadable>;

    /// What the gateway says.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn queried(&self, question: &QueryPayment, answer: &Answer) -> Result<Outcome, Unreadable>;
}

impl Answer {
    /// What an answer without success means, whatever was called; none for a success. That we are not let in, that
    /// others are in the way and that the gateway is in trouble say nothing about the call.
    #[must_use]
    pub fn trouble(&self) -> Option<Outcome> {
        let reason = format!("the gateway answered {}", self.status);
        match self.status {
            200..=299 => None,
            401 | 403 | 407 | 408 | 409 | 425 | 429 => Some(Outcome::Unknown(reason)),
            400..=499 => Some(Outcome::Refused(reason)),
            _ => Some(Outcome::Unknown(reason)),
        }
    }
}

#[cfg(test)]
mod tests;
