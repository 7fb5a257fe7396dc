//! Adyen: standard webhooks, each item signed with HMAC-SHA256 in its `additionalData`.
//!
//! The signature covers eight members only: both references, account, merchant reference, amount, event and success
//! (Adyen, "Verify HMAC signatures"). What money an item moves, of which payment and for which invoice, is read from
//! those alone; of the rest only its time is read, which says which of two events is the later. As the eight are joined
//! by colons, an item with a colon in one of them is kept and not read: its parts could have been moved from one to the
//! next.

mod api;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::calendar::plausible_time;
use quittance_domain::fact::FactKind;
use quittance_domain::money::{Currency, Money};
use serde::{Deserialize, Deserializer};

use crate::signature::is_made_by;
use crate::told::{Told, invoice_number, minor_units, parse, refund_movement};
use crate::{Forged, Notice, Provider, Unreadable, Webhooks};

const NAME: &str = "adyen";

/// A webhook has one item as JSON; a body with many more is none of Adyen's.
const ITEMS_MAX: usize = 100;

/// The Adyen gateway.
pub(crate) const PROVIDER: Provider = Provider { name: NAME, webhooks: Some(&Adyen), api: Some(&Adyen) };

#[derive(Debug)]
struct Adyen;

impl Webhooks for Adyen {
    fn verify(&self, _: &HeaderMap, body: &[u8], secrets: &[String], _: DateTime<Utc>) -> Result<(), Forged> {
        let items = items(body).map_err(|_| Forged::NoSignature)?;
        for item in &items {
            let signature = item.additional_data.as_ref().and_then(|data| data.hmac_signature.as_deref());
            let signature = signature.ok_or(Forged::NoSignature)?;
            let signed = item.signed().join(":");
            if !secrets.iter().any(|secret| signature_fits(secret, &signed, signature)) {
                return Err(Forged::WrongSignature);
            }
        }
        if items.is_empty() { Err(Forged::NoSignature) } else { Ok(()) }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Notice>, Unreadable> {
        Ok(items(body)?.iter().map(|item| item.notice().unwrap_or_else(Notice::Unreadable)).collect())
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
    let body: Body = parse(NAME, body)?;
    if body.notification_items.len() > ITEMS_MAX {
        return Err(unreadable(format!("it has more than {ITEMS_MAX} items")));
    }
    Ok(body.notification_items.into_iter().map(|wrapper| wrapper.item).collect())
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

/// What an item tells of a payment.
enum Meaning {
    Tells(FactKind),
    Ignored(&'static str),
    Unknown,
}

impl Item {
    /// What the signature covers, in its order.
    fn signed(&self) -> [String; 8] {
        let amount = self.amount.as_ref();
        [
            self.psp_reference.clone(),
            self.original_reference.clone(),
            self.merchant_account_code.clone(),
            self.merchant_reference.clone(),
            amount.map(|amount| amount.value.to_string()).unwrap_or_default(),
            amount.map(|amount| amount.currency.clone()).unwrap_or_default(),
            self.event_code.clone(),
            self.success.to_string(),
        ]
    }

    /// An authorisation counts as capture, as Adyen captures by itself unless told otherwise; so whatever undoes the
    /// capture afterwards is a reversal, and a capture that is told all the same is the same money once more.
    fn meaning(&self) -> Meaning {
        use FactKind::{Capture, Dispute, DisputeLost, DisputeWon, Expiry, Failure, Refund, RefundFailure, Reversal};
        let is_modification = !self.original_reference.is_empty();
        match (self.event_code.as_str(), self.success) {
            ("AUTHORISATION" | "CAPTURE", true) => Meaning::Tells(Capture),
            ("AUTHORISATION", false) => Meaning::Tells(Failure),
            ("OFFER_CLOSED", true) => Meaning::Tells(Expiry),
            ("CANCELLATION" | "TECHNICAL_CANCEL" | "CAPTURE_FAILED" | "EXPIRE", true) | ("CAPTURE", false) => {
                Meaning::Tells(Reversal)
            }
            ("REFUND" | "CANCEL_OR_REFUND", true) => Meaning::Tells(Refund),
            ("REFUND_WITH_DATA", true) if is_modification => Meaning::Tells(Refund),
            ("REFUND", false) | ("REFUND_FAILED" | "REFUNDED_REVERSED", true) => Meaning::Tells(RefundFailure),
            ("NOTIFICATION_OF_CHARGEBACK", true) => Meaning::Tells(Dispute),
            ("CHARGEBACK" | "SECOND_CHARGEBACK" | "PREARBITRATION_LOST", true) => Meaning::Tells(DisputeLost),
            ("CHARGEBACK_REVERSED" | "PREARBITRATION_WON", true) => Meaning::Tells(DisputeWon),
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

    fn notice(&self) -> Result<Notice, Unreadable> {
        let kind = match self.meaning() {
            Meaning::Tells(kind) => kind,
            Meaning::Ignored(reason) => return Ok(Notice::ignored(&self.event_code, reason)),
            Meaning::Unknown => return Ok(Notice::unknown(&self.event_code)),
        };
        if self.signed().iter().any(|part| part.contains(':')) {
            return Err(unreadable("a signed member has a colon, so that the signature is ambiguous"));
        }
        let amount = self.amount()?;
        if amount.is_zero() {
            return Ok(Notice::ignored(&self.event_code, "a card was checked, no money moved"));
        }
        // A modification names the payment as its original; a payment is its own.
        let is_modification = !self.original_reference.is_empty();
        let payment = if is_modification { &self.original_reference } else { &self.psp_reference };
        let is_dispute = matches!(kind, FactKind::Dispute | FactKind::DisputeLost | FactKind::DisputeWon);
        let told = Told {
            kind,
            payment,
            // Later messages of a dispute may name the dispute alone.
            also: if is_dispute { vec![&self.psp_reference] } else { Vec::new() },
            amount,
            event: format!("{}:{}:{}", self.psp_reference, self.event_code, self.success),
            movement: self.movement(kind),
            invoice: if is_modification { None } else { invoice_number(&self.merchant_reference) },
            payment_id: if is_modification { None } else { self.merchant_reference.parse().ok() },
            occurred_at: plausible_time(self.event_date).map_err(unreadable)?,
            reason: None,
        };
        told.evidence(NAME).map(|evidence| Notice::Evidence(Box::new(evidence)))
    }

    /// What came in, and its undoing, is one movement of the payment's; a refund that we asked for has our id as its
    /// merchant reference, whatever is told of it later; everything else is a movement of its own.
    fn movement(&self, kind: FactKind) -> String {
        match kind {
            FactKind::Refund | FactKind::RefundFailure => {
                refund_movement(Some(&self.merchant_reference), &self.psp_reference)
            }
            FactKind::Reversal | FactKind::Capture if !self.original_reference.is_empty() => {
                self.original_reference.clone()
            }
            _ => self.psp_reference.clone(),
        }
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
