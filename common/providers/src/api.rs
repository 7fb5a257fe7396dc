//! Calls to a gateway's API, without doing them: what to send, and what an answer means.

use chrono::TimeDelta;
use quittance_domain::command::{Evidence, InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};

use crate::{Unreadable, WebhookNotice};

/// What a caller of the API is let in with.
#[derive(Clone)]
pub struct Access {
    /// The secret key.
    pub key: String,
    /// Our account, where the gateway wants it named in each call: Adyen always, Stripe if it is a connected account.
    pub account: String,
}

impl Access {
    /// Our account, if one is configured.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        Some(self.account.as_str()).filter(|account| !account.is_empty())
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Access(…)")
    }
}

/// An HTTP request to the gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// `POST` with a body, else `GET`.
    pub body: Option<String>,
    /// Path and query, behind the API's URL.
    pub path: String,
    /// Headers with their values, those that let us in included.
    pub headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Call {
    /// Without the headers' values: they let us in.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        formatter
            .debug_struct("Call")
            .field("path", &self.path)
            .field("body", &self.body)
            .field("headers", &names)
            .finish()
    }
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What a gateway states about a charge, a refund or a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStatement {
    /// What happened.
    Evidence(Vec<Evidence>),
    /// It is in progress; a webhook will report the result.
    Accepted,
    /// It has not happened and never will, for this reason.
    Refused(String),
}

/// What the response to a command (collect, refund) means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandResponse {
    /// The gateway states what became of it.
    Statement(PaymentStatement),
    /// The outcome is unknown: the command is repeated or looked up, never sent under another key.
    Unknown(String),
}

/// What the response to a status inquiry means. An inquiry can fail without the payment having failed, so there is no
/// way from a failed inquiry to a [`PaymentStatement`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InquiryResponse {
    /// The gateway states what became of the payment.
    Statement(PaymentStatement),
    /// The inquiry succeeded and shows no such payment. What the gateway shows may lag behind what it has done.
    Absent,
    /// The inquiry failed or was refused. That says nothing about the payment.
    Unknown(String),
}

impl From<CommandResponse> for InquiryResponse {
    fn from(response: CommandResponse) -> Self {
        match response {
            CommandResponse::Statement(statement) => Self::Statement(statement),
            CommandResponse::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

impl std::fmt::Display for InquiryResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Statement(PaymentStatement::Evidence(evidence)) => {
                write!(formatter, "the gateway reports {} facts", evidence.len())
            }
            Self::Statement(PaymentStatement::Accepted) => {
                formatter.write_str("the gateway has accepted it and not decided")
            }
            Self::Absent => formatter.write_str("the gateway has no such payment"),
            Self::Statement(PaymentStatement::Refused(reason)) | Self::Unknown(reason) => formatter.write_str(reason),
        }
    }
}

/// What to do after the inquiries that precede a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundStep {
    /// Request the refund.
    Call(Call),
    /// The refund was requested before; this is what became of it.
    Made(PaymentStatement),
    /// An inquiry failed, so it is not known whether the refund was requested before.
    Unknown(String),
}

/// A part of the events of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedEvents {
    /// What the events tell, and what the next part is asked for with; none after the last.
    Page(Vec<WebhookNotice>, Option<String>),
    /// The gateway does not say.
    Trouble(String),
}

/// A gateway that can be called.
pub trait Api: Send + Sync {
    /// Where it is, if no setting says otherwise.
    fn url(&self) -> &'static str;

    /// Whether a text may be the gateway's own name of a payment. A payment that we have it collect is not to be called so:
    /// what it tells of a payment of that name would count for ours.
    fn names_payments(&self, reference: &str) -> bool;

    /// Collects a payment. The order's key is the idempotency key, however often the call is made; our ids travel along.
    ///
    /// # Errors
    /// [`Unreadable`] if the order cannot be put into the gateway's terms.
    fn charge(&self, access: &Access, order: &InitiateCharge) -> Result<Call, Unreadable>;

    /// Whether a charge can be put into the gateway's terms: nobody needs to be let in for that.
    ///
    /// # Errors
    /// [`Unreadable`] if it cannot.
    fn takes(&self, order: &InitiateCharge) -> Result<(), Unreadable> {
        self.charge(&Access { key: String::new(), account: String::new() }, order).map(drop)
    }

    /// What became of the charge.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn charged(&self, order: &InitiateCharge, answer: &HttpResponse) -> Result<CommandResponse, Unreadable>;

    /// Asks what became of a payment: of our own charge by our ids, as its names may be those of earlier attempts; of
    /// another by a name that the gateway knows it by. None if the gateway cannot be asked so.
    ///
    /// # Errors
    /// [`Unreadable`] if the question cannot be put into the gateway's terms.
    fn look_up(&self, access: &Access, question: &QueryPayment) -> Result<Option<Call>, Unreadable>;

    /// What the gateway says of the payment.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn looked_up(&self, question: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable>;

    /// Whether the gateway tells its events once more when asked.
    fn lists_events(&self) -> bool;

    /// Asks for the events of a time, from where the part before ended.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway does not list its events.
    fn list_events(&self, access: &Access, listing: &ListEvents, after: Option<&str>) -> Result<Call, Unreadable>;

    /// What the gateway listed.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn parse_listing(&self, access: &Access, answer: &HttpResponse) -> Result<ListedEvents, Unreadable>;

    /// How long the gateway knows an idempotency key, where nothing but the key tells it that a refund was made before;
    /// none where [`Self::before_refund`] finds out.
    fn key_kept_for(&self) -> Option<TimeDelta> {
        None
    }

    /// What must be asked before a refund can be asked for: whether it was made before, and what else is needed.
    ///
    /// # Errors
    /// [`Unreadable`] if the payment's name is none of the gateway's.
    fn before_refund(&self, access: &Access, order: &InitiateRefund) -> Result<Vec<Call>, Unreadable>;

    /// Asks for a refund, given what was answered before it. The refund's id is the idempotency key, however often the
    /// call is made, and travels along.
    ///
    /// # Errors
    /// [`Unreadable`] if the order, or what was answered, cannot be put into the gateway's terms.
    fn refund(
        &self,
        access: &Access,
        order: &InitiateRefund,
        before: &[HttpResponse],
    ) -> Result<RefundStep, Unreadable>;

    /// What became of the refund.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn refunded(&self, order: &InitiateRefund, answer: &HttpResponse) -> Result<CommandResponse, Unreadable>;

    /// Asks what a message did not say.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway has no such thing.
    fn query(&self, access: &Access, question: &QueryResource) -> Result<Call, Unreadable>;

    /// What the gateway says.
    ///
    /// # Errors
    /// [`Unreadable`] if a success cannot be read.
    fn queried(&self, question: &QueryResource, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable>;
}

impl HttpResponse {
    /// What a response to a command means that is no success; none for a success. Only the gateway's own reason, which
    /// `reason` finds in the body, makes a refusal: missing authorisation, a conflict with another request, a server
    /// error or a response by somebody else says nothing about the command.
    #[must_use]
    pub fn command_failure(&self, reason: impl Fn(&[u8]) -> Option<String>) -> Option<CommandResponse> {
        let (failure, has_reason) = self.failure(reason)?;
        let is_about_command = !matches!(self.status, 401 | 403 | 407 | 408 | 409 | 425 | 429);
        let is_refused = (400..=499).contains(&self.status) && has_reason && is_about_command;
        Some(match is_refused {
            true => CommandResponse::Statement(PaymentStatement::Refused(failure)),
            false => CommandResponse::Unknown(failure),
        })
    }

    /// Why an inquiry failed; none if it succeeded. Whatever the gateway's reason, it is about the inquiry: a search that
    /// the account does not have or a filter that is invalid does not tell what became of a payment.
    #[must_use]
    pub fn inquiry_failure(&self, reason: impl Fn(&[u8]) -> Option<String>) -> Option<String> {
        self.failure(reason).map(|(failure, _)| failure)
    }

    /// The failure in words, and whether the gateway gave a reason of its own; none for a success.
    fn failure(&self, reason: impl Fn(&[u8]) -> Option<String>) -> Option<(String, bool)> {
        let status = self.status;
        if (200..=299).contains(&status) {
            return None;
        }
        let reason = reason(&self.body).map(|reason| code(&reason)).filter(|reason| !reason.is_empty());
        let detail = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        Some((format!("the gateway answered {status}{detail}"), reason.is_some()))
    }
}

/// A gateway's code, without what may stand in it otherwise.
pub(crate) fn code(reason: &str) -> String {
    reason.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(60).collect()
}

#[cfg(test)]
mod tests;
