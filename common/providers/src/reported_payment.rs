//! Turns a gateway's reports into evidence.

use chrono::{DateTime, Utc};
use quittance_domain::command::{Evidence, InitiateCharge, InvoiceReference};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{PaymentId, RefundId, TransactionId};
use quittance_domain::money::{Currency, Money, PositiveMoney};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Unreadable;

/// A gateway's report about a payment.
#[derive(Debug)]
pub(crate) struct ReportedPayment<'a> {
    pub(crate) kind: FactKind,
    /// The gateway's id of the payment.
    pub(crate) payment: &'a str,
    /// Further ids of the same payment.
    pub(crate) also: Vec<&'a str>,
    /// The amount; none only for a cancellation.
    pub(crate) amount: Option<Money>,
    /// The gateway's id of the message.
    pub(crate) event: String,
    /// The movement of money.
    pub(crate) movement: String,
    /// The invoice that it names.
    pub(crate) invoice: Option<InvoiceReference>,
    /// Our own payment id.
    pub(crate) payment_id: Option<PaymentId>,
    /// When it happened.
    pub(crate) occurred_at: DateTime<Utc>,
    /// The reason, as the gateway's own code.
    pub(crate) reason: Option<String>,
}

impl ReportedPayment<'_> {
    /// The evidence, with all ids in the gateway's namespace.
    ///
    /// # Errors
    /// [`Unreadable`] if an id has invalid characters, or the amount is not above zero.
    pub(crate) fn evidence(self, name: &'static str) -> Result<Evidence, Unreadable> {
        let unreadable = |reason: &dyn std::fmt::Display| Unreadable::new(name, reason);
        let provider = name.parse().map_err(|error| unreadable(&error))?;
        let named = |text: &str| TransactionId::namespaced(&provider, text).map_err(|error| unreadable(&error));
        let references = self.also.iter().filter(|other| **other != self.payment).map(|other| named(other));
        Ok(Evidence {
            transaction_id: named(self.payment)?,
            references: references.collect::<Result<_, _>>()?,
            kind: self.kind,
            amount: self.amount.map(Money::positive).transpose().map_err(|error| unreadable(&error))?,
            channel: EvidenceChannel::Gateway,
            event_id: format!("{name}:{}", self.event),
            movement: self.movement,
            invoice: self.invoice,
            further_invoices: Vec::new(),
            payment_id: self.payment_id,
            client_id: None,
            actor: format!("gateway:{name}"),
            reason: self.reason,
            bank_fee: None,
            found_at: None,
            attachment: None,
            occurred_at: self.occurred_at,
            provider,
        })
    }
}

/// An amount in a gateway's minor units.
///
/// # Errors
/// [`Unreadable`] for an unknown currency, or an amount out of bounds.
pub(crate) fn minor_units(
    name: &'static str,
    units: i64,
    currency: &str,
    decimals: fn(Currency) -> u32,
) -> Result<Money, Unreadable> {
    let currency: Currency = currency.to_uppercase().parse().map_err(|error| Unreadable::new(name, error))?;
    Money::scaled(units, decimals(currency), currency).map_err(|error| Unreadable::new(name, error))
}

/// An amount in a gateway's minor units, the reverse of [`minor_units`].
///
/// # Errors
/// [`Unreadable`] if the gateway's units cannot express it.
pub(crate) fn units_of(
    name: &'static str,
    amount: PositiveMoney,
    decimals: fn(Currency) -> u32,
) -> Result<i64, Unreadable> {
    let amount = Money::from(amount);
    amount.in_units(decimals(amount.currency())).map_err(|error| Unreadable::new(name, error))
}

/// Fields as `application/x-www-form-urlencoded`.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The metadata that we, or another creator of the payment, stored with it. Text that is not an id is ignored: the
/// money is real regardless.
#[derive(Deserialize, Default)]
pub(crate) struct Metadata {
    invoice_id: Option<String>,
    invoice_number: Option<String>,
    payment_id: Option<String>,
    attempt: Option<String>,
    pub(crate) refund_id: Option<String>,
}

impl Metadata {
    /// Our own payment id.
    pub(crate) fn payment(&self) -> Option<PaymentId> {
        self.payment_id.as_deref()?.parse().ok()
    }

    pub(crate) fn invoice(&self) -> Option<InvoiceReference> {
        let by_id = self.invoice_id.as_deref().and_then(|id| id.parse().ok()).map(InvoiceReference::Id);
        by_id.or_else(|| self.invoice_number.as_deref().and_then(invoice_number))
    }

    /// Whether this belongs to a charge of ours.
    pub(crate) fn is_of(&self, request: &InitiateCharge) -> bool {
        let attempt = self.attempt.as_deref().and_then(|attempt| attempt.parse().ok());
        self.payment() == Some(request.payment_id) && attempt == Some(request.attempt)
    }
}

/// An invoice's number, if the text can be one. Other text is ignored: the money is real all the same.
pub(crate) fn invoice_number(text: &str) -> Option<InvoiceReference> {
    let is_number = (1..=50).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_number.then(|| InvoiceReference::Number(text.to_owned()))
}

/// Parses a body. The error has the position of the problem; serde's own message may quote the text there.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn parse<T: DeserializeOwned>(name: &'static str, body: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("a member is missing or unfit at line {} column {}", error.line(), error.column());
        Unreadable::new(name, place)
    })
}

/// The movement of a refund: our own id if it has one, otherwise the gateway's id.
pub(crate) fn refund_movement(ours: Option<&str>, theirs: &str) -> String {
    ours.filter(|id| id.parse::<RefundId>().is_ok()).unwrap_or(theirs).to_owned()
}
