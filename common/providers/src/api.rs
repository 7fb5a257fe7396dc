//! Describes calls to a gateway's API without making them: the requests, and the meaning of the responses.

use chrono::TimeDelta;
use quittance_domain::command::{Evidence, InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};

use crate::{Unreadable, WebhookNotice};

/// The credentials for the API.
#[derive(Clone)]
pub struct Access {
    /// The secret key.
    pub key: String,
    /// Our account, if the gateway requires it in each call: Adyen always, Stripe for a connected account.
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
    /// The body of a `POST`; none for a `GET`.
    pub body: Option<String>,
    /// Path and query, relative to the API's URL.
    pub path: String,
    /// Headers with their values, including credentials.
    pub headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Call {
    /// Without the headers' values, which contain credentials.
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

/// A gateway's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
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

/// A page of the events of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedEvents {
    /// The events, and the cursor of the next page; none after the last.
    Page(Vec<WebhookNotice>, Option<String>),
    /// The gateway did not return them.
    Trouble(String),
}

/// A gateway that can be called.
pub trait Api: Send + Sync {
    /// Its URL, unless a setting overrides it.
    fn url(&self) -> &'static str;

    /// Whether a text may be the gateway's own id of a payment. A payment that we have it collect must not have such an
    /// id: evidence of a payment with that id would count for ours.
    fn names_payments(&self, reference: &str) -> bool;

    /// Charges a payment. The order's key is the idempotency key, however often the call is made; our ids are sent as
    /// metadata.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway cannot express the order.
    fn charge(&self, access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable>;

    /// Whether the gateway can express a charge; needs no credentials.
    ///
    /// # Errors
    /// [`Unreadable`] if it cannot.
    fn takes(&self, request: &InitiateCharge) -> Result<(), Unreadable> {
        self.charge(&Access { key: String::new(), account: String::new() }, request).map(drop)
    }

    /// The outcome of the charge.
    ///
    /// # Errors
    /// [`Unreadable`] if a successful response cannot be read.
    fn charged(&self, request: &InitiateCharge, answer: &HttpResponse) -> Result<CommandResponse, Unreadable>;

    /// A status inquiry about a payment: about our own charge by our ids, as its transaction ids may be those of
    /// earlier attempts; about another payment by an id that the gateway may have. None if the gateway does not support
    /// this.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway cannot express the inquiry.
    fn look_up(&self, access: &Access, inquiry: &QueryPayment) -> Result<Option<Call>, Unreadable>;

    /// The response to the inquiry.
    ///
    /// # Errors
    /// [`Unreadable`] if a successful response cannot be read.
    fn looked_up(&self, inquiry: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable>;

    /// Whether the gateway can list its events again.
    fn lists_events(&self) -> bool;

    /// Requests a page of a period's events, after the given cursor.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway does not list its events.
    fn list_events(&self, access: &Access, backfill: &ListEvents, after: Option<&str>) -> Result<Call, Unreadable>;

    /// The listed events.
    ///
    /// # Errors
    /// [`Unreadable`] if a successful response cannot be read.
    fn parse_listing(&self, access: &Access, answer: &HttpResponse) -> Result<ListedEvents, Unreadable>;

    /// How long the gateway keeps an idempotency key, if only the key shows that a refund was made before; none if
    /// [`Self::before_refund`] determines it.
    fn key_kept_for(&self) -> Option<TimeDelta> {
        None
    }

    /// The inquiries that must precede a refund: whether it was made before, and what else the request needs.
    ///
    /// # Errors
    /// [`Unreadable`] if the payment's id is not one of the gateway's.
    fn before_refund(&self, access: &Access, request: &InitiateRefund) -> Result<Vec<Call>, Unreadable>;

    /// Requests a refund, given the responses to the inquiries before it. The refund's id is the idempotency key,
    /// however often the call is made, and is sent as metadata.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway cannot express the order, or a response before it cannot be read.
    fn refund(
        &self,
        access: &Access,
        request: &InitiateRefund,
        before: &[HttpResponse],
    ) -> Result<RefundStep, Unreadable>;

    /// The outcome of the refund.
    ///
    /// # Errors
    /// [`Unreadable`] if a successful response cannot be read.
    fn refunded(&self, request: &InitiateRefund, answer: &HttpResponse) -> Result<CommandResponse, Unreadable>;

    /// Requests the details that a webhook message left out.
    ///
    /// # Errors
    /// [`Unreadable`] if the gateway has no such resource.
    fn query(&self, access: &Access, inquiry: &QueryResource) -> Result<Call, Unreadable>;

    /// The details in the response.
    ///
    /// # Errors
    /// [`Unreadable`] if a successful response cannot be read.
    fn queried(&self, inquiry: &QueryResource, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable>;
}

impl HttpResponse {
    /// What a failed response to a command means; none for a success. Only the gateway's own reason, which `reason`
    /// finds in the body, makes a refusal: missing authorisation, a conflict with another request, a server error or a
    /// response by another server does not show what became of the command.
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

    /// Why an inquiry failed; none if it succeeded. Whatever the gateway's reason, it is about the inquiry: a search
    /// that the account does not have or a filter that is invalid does not show what became of a payment.
    #[must_use]
    pub fn inquiry_failure(&self, reason: impl Fn(&[u8]) -> Option<String>) -> Option<String> {
        self.failure(reason).map(|(failure, _)| failure)
    }

    /// The failure as text, and whether the gateway gave its own reason; none for a success.
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

/// A gateway's code, without any other content.
pub(crate) fn code(reason: &str) -> String {
    reason.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(60).collect()
}

#[cfg(test)]
mod tests;
