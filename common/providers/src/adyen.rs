//! Adyen: standard webhooks, each item signed with HMAC-SHA256 in its `additionalData`.
//!
//! The signature covers eight members only: both references, account, merchant reference, amount, event and success
//! (Adyen, "Verify HMAC signatures"). Everything else of an item is a hint: its time orders events, and decides nothing
//! else. As the eight are joined by colons, an item with a colon in one of them is not believed: its parts could be
//! moved from one to the next.

mod api;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::fact::FactKind;
use quittance_domain::money::{Currency, Money};
use serde::{Deserialize, Deserializer};

use crate::api::Api;
use crate::signature::is_made_by;
use crate::told::{Told, invoice_number, minor_units, place};
use crate::{Forged, Notice, Provider, Unreadable, Webhooks};

const NAME: &str = "adyen";

/// A webhook has one item as JSON; a body with many more is none of Adyen's.
const ITEMS_MAX: usize = 100;

/// The Adyen gateway.
#[derive(Debug)]
pub struct Adyen;

impl Provider for Adyen {
    fn name(&self) -> &'static str {
        NAME
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(self)
    }
}

impl Webhooks for Adyen {
    fn verify(&self, _: &HeaderMap, body: &[u8], secrets: &[String], _: DateTime<Utc>) -> Result<(), Forged> {
        let items = items(body).map_err(|_| Forged::NoSignature)?;
        for item in &items {
            let signature = item.additional_data.as_ref().and_then(|data| data.hmac_signature.as_deref());
            let signed = item.signed().ok_or(Forged::WrongSignature)?;
            let signature = signature.ok_or(Forged::NoSignature)?;
            if !secrets.iter().any(|secret| signature_fits(secret, &signed, signature)) {
                return Err(Forged::WrongSignature);
            }
        }
        if items.is_empty() { Err(Forged::NoSignature) } else { Ok(()) }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Notice>, Unreadable> {
        items(body)?.iter().map(Item::notice).collect()
    }
}

/// Whether a secret (as Adyen shows it, in hexadecimal) made a signature (in base64) of the joined members.
#[must_use]
pub fn signature_fits(secret: &str, signed: &str, signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (hex::decode(secret), STANDARD.decode(signature)) else { return false };
    is_made_by(&key, &[signed.as_bytes()], &signature)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    notification_items: Vec<Wrapper>,
}

#[derive(Deserialize)]
struct Wrapper {
    #[serde(rename = "NotificationRequestItem")]
    item: Item,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    additional_data: Option<AdditionalData>,
    amount: Option<Amount>,
    event_code: String,
    event_date: DateTime<Utc>,
    merchant_account_code: String,
    #[serde(default, deserialize_with = "text_or_null")]
    merchant_reference: String,
    #[serde(default, deserialize_with = "text_or_null")]
    original_reference: String,
    psp_reference: String,
    #[serde(deserialize_with = "text_or_bool")]
    success: bool,
}

#[derive(Deserialize)]
struct AdditionalData {
    #[serde(rename = "hmacSignature")]
    hmac_signature: Option<String>,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
    value: i64,
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// Adyen sends `"true"`, its own documents also show `true`.
fn text_or_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrBool {
        Bool(bool),
        Text(String),
    }
    match TextOrBool::deserialize(deserializer)? {
        TextOrBool::Bool(value) => Ok(value),
        TextOrBool::Text(text) if text == "true" || text == "false" => Ok(text == "true"),
        TextOrBool::Text(_) => Err(serde::de::Error::custom("neither true nor false")),
    }
}

fn items(body: &[u8]) -> Result<Vec<Item>, Unreadable> {
    let body: Body = serde_json::from_slice(body).map_err(|error| unreadable(place(&error)))?;
    if body.notification_items.len() > ITEMS_MAX {
        return Err(unreadable(format!("it has more than {ITEMS_MAX} items")));
    }
    Ok(body.notification_items.into_iter().map(|wrapper| wrapper.item).collect())
}

/// What an item tells of a payment.
enum Meaning {
    Tells(FactKind),
    Ignored(&'static str),
    Unknown,
}

impl Item {
    /// What the signature covers, joined; none if a colon makes that ambiguous.
    fn signed(&self) -> Option<String> {
        let amount = self.amount.as_ref();
        let (value, currency) = amount.map(|amount| (amount.value.to_string(), amount.currency.as_str())).unzip();
        let success = if self.success { "true" } else { "false" };
        let value = value.unwrap_or_default();
        let parts = [
            self.psp_reference.as_str(),
            &self.original_reference,
            &self.merchant_account_code,
            &self.merchant_reference,
            &value,
            currency.unwrap_or_default(),
            &self.event_code,
            success,
        ];
        (!parts.iter().any(|part| part.contains(':'))).then(|| parts.join(":"))
    }

    /// An authorisation counts as capture, as Adyen captures by itself unless told otherwise; so whatever undoes the
    /// capture afterwards is a reversal.
    fn meaning(&self) -> Meaning {
        use FactKind::{Capture, Dispute, DisputeLost, DisputeWon, Expiry, Failure, Refund, RefundFailure, Reversal};
        match (self.event_code.as_str(), self.success) {
            ("AUTHORISATION", true) => Meaning::Tells(Capture),
            ("AUTHORISATION", false) => Meaning::Tells(Failure),
            ("OFFER_CLOSED", true) => Meaning::Tells(Expiry),
            ("CANCELLATION" | "TECHNICAL_CANCEL" | "CAPTURE_FAILED" | "EXPIRE", true) | ("CAPTURE", false) => {
                Meaning::Tells(Reversal)
            }
            ("CAPTURE", true) => Meaning::Ignored("its authorisation told of the money"),
            ("REFUND" | "CANCEL_OR_REFUND", true) => Meaning::Tells(Refund),
            ("REFUND", false) | ("REFUND_FAILED" | "REFUNDED_REVERSED", true) => Meaning::Tells(RefundFailure),
            ("NOTIFICATION_OF_CHARGEBACK", true) => Meaning::Tells(Dispute),
            ("CHARGEBACK" | "SECOND_CHARGEBACK" | "PREARBITRATION_LOST", true) => Meaning::Tells(DisputeLost),
            ("CHARGEBACK_REVERSED" | "PREARBITRATION_WON", true) => Meaning::Tells(DisputeWon),
            (
                "CANCELLATION" | "TECHNICAL_CANCEL" | "CAPTURE_FAILED" | "CANCEL_OR_REFUND" | "REFUND_FAILED"
                | "REFUNDED_REVERSED" | "EXPIRE" | "OFFER_CLOSED" | "REFUND_WITH_DATA",
                _,
            ) => Meaning::Ignored("it did not happen"),
            ("PENDING" | "PENDING_AUTHORISATION" | "AUTHENTICATION" | "AUTHORISATION_ADJUSTMENT", _) => {
                Meaning::Ignored("nothing is decided")
            }
            (
                "REQUEST_FOR_INFORMATION"
                | "INFORMATION_SUPPLIED"
                | "DISPUTE_DEFENSE_PERIOD_ENDED"
                | "ISSUER_COMMENTS"
                | "ISSUER_RESPONSE_TIMEFRAME_EXPIRED"
                | "NOTIFICATION_OF_FRAUD"
                | "DISPUTE_OPENED_WITH_CHARGEBACK",
                _,
            ) => Meaning::Ignored("a step of a dispute that moves no money"),
            (
                "REPORT_AVAILABLE"
                | "RECURRING_CONTRACT"
                | "ORDER_OPENED"
                | "ORDER_CLOSED"
                | "MANUAL_REVIEW_ACCEPT"
                | "MANUAL_REVIEW_REJECT"
                | "DONATION",
                _,
            ) => Meaning::Ignored("it concerns no payment of an invoice"),
            (other, _) if other.starts_with("PAYOUT") || other.starts_with("PAIDOUT") => {
                Meaning::Ignored("a payout moves our own money")
            }
            _ => Meaning::Unknown,
        }
    }

    fn notice(&self) -> Result<Notice, Unreadable> {
        let kind = match self.meaning() {
            Meaning::Tells(kind) => kind,
            Meaning::Ignored(reason) => return Ok(Notice::ignored(&self.event_code, reason)),
            Meaning::Unknown => return Ok(Notice::unknown(&self.event_code)),
        };
        // A modification names the payment as its original; a payment is its own.
        let is_modification = !self.original_reference.is_empty();
        let payment = if is_modification { &self.original_reference } else { &self.psp_reference };
        let told = Told {
            kind,
            payment,
            also: Vec::new(),
            amount: self.amount()?,
            event: format!("{}:{}:{}", self.psp_reference, self.event_code, self.success),
            movement: self.movement(kind),
            invoice: if is_modification { None } else { invoice_number(&self.merchant_reference) },
            payment_id: if is_modification { None } else { self.merchant_reference.parse().ok() },
            occurred_at: self.event_date,
        };
        told.evidence(NAME).map(|evidence| Notice::Evidence(Box::new(evidence)))
    }

    /// A refund that we asked for has our id as its merchant reference, whatever is told of it later; everything else
    /// is one movement of the gateway's.
    fn movement(&self, kind: FactKind) -> String {
        let is_refund = matches!(kind, FactKind::Refund | FactKind::RefundFailure);
        let is_ours = self.merchant_reference.parse::<quittance_domain::id::RefundId>().is_ok();
        if is_refund && is_ours { self.merchant_reference.clone() } else { self.psp_reference.clone() }
    }

    fn amount(&self) -> Result<Money, Unreadable> {
        let amount = self.amount.as_ref().ok_or_else(|| unreadable("an item that moves money has no amount"))?;
        minor_units(NAME, amount.value, &amount.currency, decimals)
    }
}

/// The decimals of Adyen's amounts, which differ from ISO 4217 for a few currencies (Adyen, "Currency codes and minor
/// units").
fn decimals(currency: Currency) -> u32 {
    match currency.code() {
        "CLP" | "ISK" => 2,
        "CVE" | "IDR" => 0,
        _ => currency.minor_digits(),
    }
}

fn unreadable(reason: impl std::fmt::Display) -> Unreadable {
    Unreadable::new(NAME, reason)
}

#[cfg(test)]
mod tests;
