//! The CloudEvents 1.0 envelope (JSON format) around every command and event.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::command::{COMMAND_VERSION, GatewayCommand, PaymentCommand};
use quittance_domain::event::{EVENT_VERSION, EventMessage, InvoiceEvent};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trace::TraceContext;

/// What an envelope carries: an enumeration that serialises as `type` and `data`.
pub trait Payload: Serialize + DeserializeOwned {
    /// Every `type` that this build supports.
    const TYPES: &'static [&'static str];
    /// The version of the schema.
    const VERSION: u32;
    /// The `type` of this value.
    fn type_name(&self) -> &'static str;
}

impl Payload for PaymentCommand {
    const TYPES: &'static [&'static str] = &[
        "ClaimPayment",
        "ConfirmPayment",
        "EnterEvidence",
        "RequestRefund",
        "ReleaseCredited",
        "DecideCase",
        "MergePayments",
        "UnmatchPayment",
        "ChargePayment",
        "EscalatePayment",
    ];
    const VERSION: u32 = COMMAND_VERSION;

    fn type_name(&self) -> &'static str {
        self.type_name()
    }
}

impl Payload for GatewayCommand {
    const TYPES: &'static [&'static str] =
        &["InitiateCharge", "InitiateRefund", "QueryPayment", "QueryResource", "ListEvents"];
    const VERSION: u32 = COMMAND_VERSION;

    fn type_name(&self) -> &'static str {
        self.type_name()
    }
}

impl Payload for InvoiceEvent {
    const TYPES: &'static [&'static str] = &[
        "invoice.issued",
        "invoice.voided",
        "credit_note.issued",
        "invoice.paid",
        "invoice.partially_paid",
        "payment.surplus_recorded",
        "invoice.reopened",
        "payment.unapplied",
        "payment.surplus_reduced",
        "payment.duplicate_recorded",
        "payment.contradiction_found",
        "payment.refund_refused",
        "payment.refunded",
        "payment.refund_failed",
        "payment.goodwill_recorded",
        "payment.goodwill_reversed",
        "payment.disputed",
        "payment.dispute_closed",
        "adjustment.recorded",
        "receipt.issued",
        "refund_receipt.issued",
    ];
    const VERSION: u32 = EVENT_VERSION;

    fn type_name(&self) -> &'static str {
        self.type_name()
    }
}

/// A CloudEvent. `invoiceversion`, `accountingdate` and `correlationid` are extension attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique per source; the same for every delivery.
    pub id: Uuid,
    /// The producing function, as `/quittance/<function>`.
    pub source: String,
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// `urn:quittance:<type>:<version>`.
    pub dataschema: String,
    /// W3C trace context: the trace of the correlation id, with this message as a span. Older messages have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The invoice's version after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoiceversion: Option<i64>,
    /// The accounting date of what an event posts: the bank's booking date, the day of the gateway's time in the
    /// seller's time zone, or the date of a document. Older events and commands have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accountingdate: Option<NaiveDate>,
    /// Links everything that one request or message caused.
    pub correlationid: String,
    /// `type` and `data`.
    #[serde(flatten)]
    pub payload: T,
}

/// Why a body is not an envelope that this build supports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, not an envelope, or data of another schema.
    #[error("the body is not a CloudEvent of a known shape: {0}")]
    Malformed(String),
    /// An unknown `type`.
    #[error("the type `{0}` is unknown here; deploy the version that knows it, then replay")]
    UnknownType(String),
    /// Another version of a known type.
    #[error("the schema `{0}` is unknown here; deploy the version that knows it, then replay")]
    UnknownVersion(String),
}

impl EnvelopeError {
    /// A short stable code for alarms and tools.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownType(_) => "unknown_type",
            Self::UnknownVersion(_) => "unknown_version",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    specversion: String,
    r#type: String,
    dataschema: String,
}

impl<T: Payload> CloudEvent<T> {
    /// Puts a payload into an envelope.
    #[must_use]
    pub fn new(
        id: Uuid,
        function: &str,
        subject: String,
        time: DateTime<Utc>,
        correlationid: String,
        payload: T,
    ) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: format!("/quittance/{function}"),
            subject,
            time,
            datacontenttype: "application/json".to_owned(),
            dataschema: schema::<T>(payload.type_name()),
            traceparent: Some(TraceContext::derive(&correlationid, id).to_string()),
            invoiceversion: None,
            accountingdate: None,
            correlationid,
            payload,
        }
    }

    /// Parses an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`]; its text contains positions and types, never the body's content.
    pub fn parse(body: &str) -> Result<Self, EnvelopeError> {
        let header: Header = serde_json::from_str(body).map_err(|error| malformed(&error))?;
        if header.specversion != "1.0" {
            return Err(EnvelopeError::UnknownVersion(shorten(&header.specversion)));
        }
        if !T::TYPES.contains(&header.r#type.as_str()) {
            return Err(EnvelopeError::UnknownType(shorten(&header.r#type)));
        }
        if header.dataschema != schema::<T>(&header.r#type) {
            return Err(EnvelopeError::UnknownVersion(shorten(&header.dataschema)));
        }
        serde_json::from_str(body).map_err(|error| malformed(&error))
    }

    /// The envelope as JSON.
    ///
    /// # Errors
    /// [`serde_json::Error`] if a payload cannot be serialised, which no payload of ours does.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The envelope as a message for the outbox, in the group of its subject.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the payload cannot be serialised.
    pub fn message(&self) -> Result<EventMessage, serde_json::Error> {
        Ok(EventMessage {
            id: self.id,
            group_id: self.subject.clone(),
            event_type: self.payload.type_name().to_owned(),
            body: self.to_json()?,
        })
    }
}

impl CloudEvent<InvoiceEvent> {
    /// Puts an event into its envelope, with the invoice's version.
    #[must_use]
    pub fn of_event(id: Uuid, function: &str, time: DateTime<Utc>, correlationid: String, event: InvoiceEvent) -> Self {
        let invoiceversion = event.invoice().map(|invoice| invoice.version);
        Self { invoiceversion, ..Self::new(id, function, event.subject(), time, correlationid, event) }
    }

    /// The same event with this accounting date.
    #[must_use]
    pub fn booked_on(self, day: NaiveDate) -> Self {
        Self { accountingdate: Some(day), ..self }
    }

    #[must_use]
    pub fn accounting_date(&self) -> NaiveDate {
        self.accountingdate.unwrap_or_else(|| self.time.date_naive())
    }
}

fn schema<T: Payload>(type_name: &str) -> String {
    format!("urn:quittance:{type_name}:{}", T::VERSION)
}

/// The position where parsing failed, without the text there: serde's own message may quote values.
fn malformed(error: &serde_json::Error) -> EnvelopeError {
    let kind = match error.classify() {
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "JSON that ends too early",
        _ => "a missing or unfit member",
    };
    EnvelopeError::Malformed(format!("{kind} at line {} column {}", error.line(), error.column()))
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use quittance_domain::command::Evidence;
    use quittance_domain::fact::{EvidenceChannel, FactKind};
    use quittance_domain::money::Money;

    use super::*;

    fn command() -> CloudEvent<PaymentCommand> {
        let evidence = Evidence {
            transaction_id: "manual:t-1".parse().unwrap(),
            provider: "manual".parse().unwrap(),
            kind: FactKind::Claim,
            amount: Some(Money::parse("100.00", "EUR").and_then(Money::positive).unwrap()),
            channel: EvidenceChannel::Api,
            event_id: "caller:key".to_owned(),
            movement: "manual:t-1".to_owned(),
            invoice: None,
            further_invoices: Vec::new(),
            payment_id: None,
            references: Vec::new(),
            client_id: None,
            actor: "user:1".to_owned(),
            reason: None,
            bank_fee: None,
            found_at: None,
            attachment: None,
            occurred_at: DateTime::UNIX_EPOCH,
        };
        let command = PaymentCommand::from_evidence(evidence);
        CloudEvent::new(
            Uuid::nil(),
            "validator",
            "manual:t-1".to_owned(),
            DateTime::UNIX_EPOCH,
            "r-1".to_owned(),
            command,
        )
    }

    /// The enumeration's own types, taken from serde's error about an unknown one.
    fn variants<T: Payload>() -> Vec<String> {
        let error =
            serde_json::from_value::<T>(serde_json::json!({"type": "?", "data": {}})).err().unwrap().to_string();
        let (_, expected) = error.split_once("expected").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_variant_is_a_known_type() {
        assert_eq!(variants::<PaymentCommand>(), PaymentCommand::TYPES);
        assert_eq!(variants::<GatewayCommand>(), GatewayCommand::TYPES);
        assert_eq!(variants::<InvoiceEvent>(), InvoiceEvent::TYPES);
    }

    #[test]
    fn an_envelope_is_read_back_as_it_was_written() {
        let json = command().to_json().unwrap();
        assert!(json.contains(r#""type":"ClaimPayment""#), "{json}");
        assert_eq!(CloudEvent::parse(&json), Ok(command()));
    }

    #[test]
    fn unknown_types_are_distinguished_from_malformed_bodies() {
        let json = command().to_json().unwrap();
        let parse = |text: &str| CloudEvent::<PaymentCommand>::parse(text).unwrap_err().code();
        assert_eq!(parse("{"), "malformed");
        assert_eq!(parse(&json.replace("100.00", "hundred")), "malformed");
        assert_eq!(parse(&json.replace("ClaimPayment", "ForgetPayment")), "unknown_type");
        assert_eq!(parse(&json.replace("ClaimPayment:1", "ClaimPayment:2")), "unknown_version");
    }

    #[test]
    fn the_error_of_a_broken_body_does_not_repeat_the_body() {
        let error = CloudEvent::<PaymentCommand>::parse(r#"{"specversion": 4711081500000}"#).unwrap_err().to_string();
        assert!(!error.contains("4711"), "{error}");
    }
}
