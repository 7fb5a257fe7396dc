//! Adyen: standard webhooks, each item signed with HMAC-SHA256 in its `additionalData`.
//!
//! The signature only covers eight members: both references, account, merchant reference, amount, event and success
//! (Adyen, "Verify HMAC signatures"). The money, payment and invoice of an item are taken from those alone; of the rest
//! only its time is used, to order events. As the eight are joined by colons, an item with a colon in one of them is
//! parked instead of read: parts of it could have been moved from one member to the next.

mod api;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::calendar::plausible_time;
use quittance_domain::fact::FactKind;
use quittance_domain::money::{Currency, Money};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::reported_payment::{ReportedPayment, invoice_number, minor_units, parse, refund_movement};
use crate::signature::is_made_by;
use crate::{Forged, ProviderModule, Unreadable, WebhookNotice, WebhookParser};

const NAME: &str = "adyen";

/// The members covered by an item's signature, in order.
const SIGNED_MEMBERS: [&str; 8] = [
    "/pspReference",
    "/originalReference",
    "/merchantAccountCode",
    "/merchantReference",
    "/amount/value",
    "/amount/currency",
    "/eventCode",
    "/success",
];

/// A JSON webhook has one item; a body with many more is not Adyen's.
const ITEMS_MAX: usize = 100;

pub(crate) const PROVIDER: ProviderModule = ProviderModule { name: NAME, webhooks: Some(&Adyen), api: Some(&Adyen) };

#[derive(Debug)]
struct Adyen;

impl WebhookParser for Adyen {
    fn verify(&self, _: &HeaderMap, body: &[u8], secrets: &[String], _: DateTime<Utc>) -> Result<(), Forged> {
        let items = received(body).map_err(|_| Forged::NoSignature)?;
        for item in &items {
            let signature = item.signature.as_deref().ok_or(Forged::NoSignature)?;
            let signed = item.signed.join(":");
            if !secrets.iter().any(|secret| signature_fits(secret, &signed, signature)) {
                return Err(Forged::WrongSignature);
            }
        }
        if items.is_empty() { Err(Forged::NoSignature) } else { Ok(()) }
    }

    fn read(&self, body: &[u8], _: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable> {
        Ok(received(body)?.iter().map(|item| item.notice().unwrap_or_else(WebhookNotice::Unreadable)).collect())
    }
}

/// Whether a secret (in hexadecimal, as Adyen shows it) made a signature (in base64) of the joined members.
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
    item: Value,
}

/// An item as received: its signature can be verified even if the item cannot be read.
struct Received {
    signature: Option<String>,
    /// The signed members, in order.
    signed: [String; 8],
    item: Option<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    amount: Option<Amount>,
    event_code: String,
    event_date: DateTime<Utc>,
    #[serde(default, deserialize_with = "text_or_null")]
    merchant_reference: String,
    #[serde(default, deserialize_with = "text_or_null")]
    original_reference: String,
    psp_reference: String,
    #[serde(deserialize_with = "text_or_bool")]
    success: bool,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
    value: i64,
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// Adyen sends `"true"`; its documentation also shows `true`.
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

fn received(body: &[u8]) -> Result<Vec<Received>, Unreadable> {
    let body: Body = parse(NAME, body)?;
    if body.notification_items.len() > ITEMS_MAX {
        return Err(unreadable(format!("it has more than {ITEMS_MAX} items")));
    }
    Ok(body.notification_items.iter().map(|wrapper| Received::from(&wrapper.item)).collect())
}

impl From<&Value> for Received {
    fn from(item: &Value) -> Self {
        let member = |pointer: &str| match item.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => String::new(),
        };
        Self {
            signature: item.pointer("/additionalData/hmacSignature").and_then(Value::as_str).map(ToOwned::to_owned),
            signed: SIGNED_MEMBERS.map(member),
            item: Item::deserialize(item).ok(),
        }
    }
}

impl Received {
    fn notice(&self) -> Result<WebhookNotice, Unreadable> {
        let item = self.item.as_ref().ok_or_else(|| unreadable("a member of an item is missing or unfit"))?;
        item.notice(self.signed.iter().any(|member| member.contains(':')))
    }
}

const DONE_OR_NOT: [&str; 9] = [
    "CANCELLATION",
    "TECHNICAL_CANCEL",
    "CAPTURE_FAILED",
    "CANCEL_OR_REFUND",
    "REFUND_FAILED",
    "REFUNDED_REVERSED",
    "EXPIRE",
    "OFFER_CLOSED",
    "REFUND_WITH_DATA",
];
const NOT_DECIDED: [&str; 4] = ["PENDING", "PENDING_AUTHORISATION", "AUTHENTICATION", "AUTHORISATION_ADJUSTMENT"];
const DISPUTE_STEPS: [&str; 7] = [
    "REQUEST_FOR_INFORMATION",
    "INFORMATION_SUPPLIED",
    "DISPUTE_DEFENSE_PERIOD_ENDED",
    "ISSUER_COMMENTS",
    "ISSUER_RESPONSE_TIMEFRAME_EXPIRED",
    "NOTIFICATION_OF_FRAUD",
    "DISPUTE_OPENED_WITH_CHARGEBACK",
];
const OTHER_CONCERNS: [&str; 7] = [
    "REPORT_AVAILABLE",
    "RECURRING_CONTRACT",
    "ORDER_OPENED",
    "ORDER_CLOSED",
    "MANUAL_REVIEW_ACCEPT",
    "MANUAL_REVIEW_REJECT",
    "DONATION",
];

/// What an item reports about a payment.
enum Meaning {
    Evidence(FactKind),
    Ignored(&'static str),
    Unknown,
}

impl Item {
    /// An authorisation implies its capture, because Adyen captures automatically by default. If captures are reported
    /// individually, they count instead; what a cancellation ends was not captured, so it needs no amount.
    fn meaning(&self) -> Meaning {
        use FactKind::{
            Cancellation, Capture, Dispute, DisputeLost, DisputeWon, Expiry, Failure, ImpliedCapture, Refund,
            RefundFailure, Reversal,
        };
        let is_modification = !self.original_reference.is_empty();
        match (self.event_code.as_str(), self.success) {
            ("AUTHORISATION", true) => Meaning::Evidence(ImpliedCapture),
            ("CAPTURE", true) => Meaning::Evidence(Capture),
            ("AUTHORISATION" | "CAPTURE", false) => Meaning::Evidence(Failure),
            ("OFFER_CLOSED", true) => Meaning::Evidence(Expiry),
            ("CANCELLATION" | "TECHNICAL_CANCEL" | "EXPIRE", true) => Meaning::Evidence(Cancellation),
            ("CAPTURE_FAILED", true) => Meaning::Evidence(Reversal),
            ("REFUND" | "CANCEL_OR_REFUND", true) => Meaning::Evidence(Refund),
            ("REFUND_WITH_DATA", true) if is_modification => Meaning::Evidence(Refund),
            ("REFUND", false) | ("REFUND_FAILED" | "REFUNDED_REVERSED", true) => Meaning::Evidence(RefundFailure),
            ("NOTIFICATION_OF_CHARGEBACK", true) => Meaning::Evidence(Dispute),
            ("CHARGEBACK" | "SECOND_CHARGEBACK" | "PREARBITRATION_LOST", true) => Meaning::Evidence(DisputeLost),
            ("CHARGEBACK_REVERSED" | "PREARBITRATION_WON", true) => Meaning::Evidence(DisputeWon),
            (code, false) if DONE_OR_NOT.contains(&code) => Meaning::Ignored("it did not happen"),
            (code, _) if NOT_DECIDED.contains(&code) => Meaning::Ignored("nothing is decided"),
            (code, _) if DISPUTE_STEPS.contains(&code) => Meaning::Ignored("a step of a dispute that moves no money"),
            (code, _) if OTHER_CONCERNS.contains(&code) => Meaning::Ignored("it concerns no payment of an invoice"),
            (code, _) if code.starts_with("PAYOUT") || code.starts_with("PAIDOUT") => {
                Meaning::Ignored("a payout moves our own money")
            }
            _ => Meaning::Unknown,
        }
    }

    fn notice(&self, is_ambiguous: bool) -> Result<WebhookNotice, Unreadable> {
        let kind = match self.meaning() {
            Meaning::Evidence(kind) => kind,
            Meaning::Ignored(reason) => return Ok(WebhookNotice::ignored(&self.event_code, reason)),
            Meaning::Unknown => return Ok(WebhookNotice::unknown(&self.event_code)),
        };
        if is_ambiguous {
            return Err(unreadable("a signed member has a colon, so that the signature is ambiguous"));
        }
        let amount = self.amount()?;
        if kind == FactKind::ImpliedCapture && amount.is_some_and(|amount| amount.is_zero()) {
            return Ok(WebhookNotice::ignored(&self.event_code, "a card was checked, no money moved"));
        }
        let amount = match kind {
            FactKind::Cancellation => amount.filter(|amount| amount.is_positive()),
            _ => Some(amount.ok_or_else(|| unreadable("an item that moves money has no amount"))?),
        };
        // A modification refers to the payment as its original; a payment is its own.
        let is_modification = !self.original_reference.is_empty();
        let payment = if is_modification { &self.original_reference } else { &self.psp_reference };
        let is_dispute = matches!(kind, FactKind::Dispute | FactKind::DisputeLost | FactKind::DisputeWon);
        let reported = ReportedPayment {
            kind,
            payment,
            // Later messages of a dispute may only name the dispute.
            also: if is_dispute { vec![&self.psp_reference] } else { Vec::new() },
            amount,
            event: format!("{}:{}:{}", self.psp_reference, self.event_code, self.success),
            movement: self.movement(kind),
            invoice: if is_modification { None } else { invoice_number(&self.merchant_reference) },
            payment_id: if is_modification { None } else { self.merchant_reference.parse().ok() },
            occurred_at: plausible_time(self.event_date).map_err(unreadable)?,
            reason: None,
        };
        reported.evidence(NAME).map(|evidence| WebhookNotice::Evidence(Box::new(evidence)))
    }

    /// An authorisation and its cancellation are one movement; a refund that we requested has our id as its merchant
    /// reference in all its messages; everything else, including each capture, is a movement of its own.
    fn movement(&self, kind: FactKind) -> String {
        match kind {
            FactKind::Refund | FactKind::RefundFailure => {
                refund_movement(Some(&self.merchant_reference), &self.psp_reference)
            }
            FactKind::Cancellation if !self.original_reference.is_empty() => self.original_reference.clone(),
            _ => self.psp_reference.clone(),
        }
    }

    fn amount(&self) -> Result<Option<Money>, Unreadable> {
        let money = |amount: &Amount| minor_units(NAME, amount.value, &amount.currency, decimals);
        self.amount.as_ref().map(money).transpose()
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
