//! Stripe: webhooks signed with `Stripe-Signature`, payments as payment intents.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use quittance_domain::command::{Evidence, InvoiceHint};
use quittance_domain::fact::{Door, FactKind};
use quittance_domain::id::TransactionId;
use quittance_domain::money::{Currency, Money};
use serde::Deserialize;
use sha2::Sha256;

use crate::{Forged, Notice, Provider, Unreadable};

const NAME: &str = "stripe";
const SIGNATURE_HEADER: &str = "stripe-signature";

/// Stripe's own libraries accept signatures up to this age.
const TOLERANCE_SECONDS: i64 = 300;

/// More `v1` values than secrets in rotation make no sense; each costs a comparison.
const SIGNATURES_MAX: usize = 20;

/// The Stripe gateway.
#[derive(Debug)]
pub struct Stripe;

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], now: DateTime<Utc>) -> Result<(), Forged> {
        let header = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).ok_or(Forged::NoSignature)?;
        let (timestamp, signatures) = parse_signature(header).ok_or(Forged::NoSignature)?;
        let is_ours = secrets.iter().any(|secret| {
            signatures.iter().any(|signature| {
                // The comparison is constant-time; any secret makes an HMAC key.
                Hmac::<Sha256>::new_from_slice(secret.as_bytes()).is_ok_and(|mac| {
                    mac.chain_update(timestamp).chain_update(".").chain_update(body).verify_slice(signature).is_ok()
                })
            })
        });
        if !is_ours {
            return Err(Forged::WrongSignature);
        }
        let signed_at: i64 = timestamp.parse().map_err(|_| Forged::NoSignature)?;
        let is_fresh = now
            .timestamp()
            .checked_sub(signed_at)
            .is_some_and(|age| age.unsigned_abs() <= TOLERANCE_SECONDS.unsigned_abs());
        if is_fresh { Ok(()) } else { Err(Forged::Stale) }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Notice>, Unreadable> {
        let event: Event = serde_json::from_slice(body).map_err(|error| unreadable(place(&error)))?;
        let kind = match event.r#type.as_str() {
            "payment_intent.succeeded" => FactKind::Capture,
            "payment_intent.amount_capturable_updated" => FactKind::Authorisation,
            "payment_intent.payment_failed" => FactKind::Failure,
            _ => return Ok(vec![Notice::Ignored { event_type: event.r#type.chars().take(100).collect() }]),
        };
        let intent: PaymentIntent =
            serde_json::from_value(event.data.object.clone()).map_err(|error| unreadable(place(&error)))?;
        Ok(vec![Notice::Evidence(Box::new(evidence(kind, &event, &intent)?))])
    }
}

#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    created: i64,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: serde_json::Value,
}

#[derive(Deserialize)]
struct PaymentIntent {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_received: i64,
    #[serde(default)]
    amount_capturable: i64,
    currency: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    invoice_id: Option<String>,
    invoice_number: Option<String>,
    payment_id: Option<String>,
}

fn evidence(kind: FactKind, event: &Event, intent: &PaymentIntent) -> Result<Evidence, Unreadable> {
    let provider = NAME.parse().map_err(unreadable)?;
    let transaction_id = TransactionId::namespaced(&provider, &intent.id).map_err(unreadable)?;
    let units = match kind {
        FactKind::Capture => intent.amount_received,
        FactKind::Authorisation => intent.amount_capturable,
        _ => intent.amount,
    };
    let currency: Currency = intent.currency.to_uppercase().parse().map_err(unreadable)?;
    let amount = Money::scaled(units, decimals(currency), currency).and_then(Money::positive).map_err(unreadable)?;
    Ok(Evidence {
        kind,
        amount,
        door: Door::Gateway,
        event_id: format!("{NAME}:{}", event.id),
        // A payment intent is captured once; a second message about it tells of the same money.
        movement: intent.id.clone(),
        invoice: invoice_hint(&intent.metadata),
        further_invoices: Vec::new(),
        // Text that is no id of ours names nothing: the money is real all the same.
        payment_id: intent.metadata.payment_id.as_deref().and_then(|id| id.parse().ok()),
        references: Vec::new(),
        client_id: None,
        actor: format!("gateway:{NAME}"),
        occurred_at: DateTime::from_timestamp(event.created, 0).ok_or_else(|| unreadable("created is no time"))?,
        provider,
        transaction_id,
    })
}

/// The decimals of Stripe's amounts, which differ from ISO 4217 for a few currencies (Stripe, "Supported currencies",
/// special cases and zero-decimal currencies).
fn decimals(currency: Currency) -> u32 {
    match currency.code() {
        "ISK" | "UGX" => 2,
        "MGA" => 0,
        _ => currency.minor_digits(),
    }
}

/// The invoice that we, or whoever made the payment intent, put into its metadata. Text that is no id names nothing:
/// the money is real all the same.
fn invoice_hint(metadata: &Metadata) -> Option<InvoiceHint> {
    let by_id = metadata.invoice_id.as_deref().and_then(|id| id.parse().ok()).map(InvoiceHint::Id);
    let is_number = |text: &&String| (1..=50).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    by_id.or_else(|| metadata.invoice_number.as_ref().filter(is_number).cloned().map(InvoiceHint::Number))
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`; other schemes are passed over.
fn parse_signature(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let timestamp = pairs().find(|(name, _)| *name == "t")?.1;
    let signatures: Vec<Vec<u8>> = pairs()
        .filter(|(name, _)| *name == "v1")
        .take(SIGNATURES_MAX)
        .filter_map(|(_, value)| hex::decode(value).ok())
        .collect();
    (!signatures.is_empty()).then_some((timestamp, signatures))
}

fn unreadable(reason: impl ToString) -> Unreadable {
    Unreadable { provider: NAME, reason: reason.to_string() }
}

fn place(error: &serde_json::Error) -> String {
    format!("a member is missing or unfit at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SIGNED_AT: i64 = 1_700_000_000;

    fn sign(secret: &str, timestamp: i64, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        hex::encode(mac.chain_update(format!("{timestamp}.{body}")).finalize().into_bytes())
    }

    fn verify(header: &str, body: &str, age: i64) -> Result<(), Forged> {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(header).unwrap());
        let secrets = ["whsec_old".to_owned(), "whsec_new".to_owned()];
        Stripe.verify(&headers, body.as_bytes(), &secrets, DateTime::from_timestamp(SIGNED_AT + age, 0).unwrap())
    }

    #[test]
    fn a_signature_by_any_secret_in_rotation_is_ours_among_several() {
        for secret in ["whsec_old", "whsec_new"] {
            let header = format!("t={SIGNED_AT},v1={},v0=ab,v1={}", "00".repeat(32), sign(secret, SIGNED_AT, "{}"));
            assert_eq!(verify(&header, "{}", 0), Ok(()));
        }
    }

    #[test]
    fn a_changed_byte_another_secret_or_a_moved_time_is_forged() {
        let signature = sign("whsec_new", SIGNED_AT, "{}");
        assert_eq!(verify(&format!("t={SIGNED_AT},v1={signature}"), "{} ", 0), Err(Forged::WrongSignature));
        assert_eq!(verify(&format!("t={},v1={signature}", SIGNED_AT + 1), "{}", 0), Err(Forged::WrongSignature));
        let foreign = sign("whsec_other", SIGNED_AT, "{}");
        assert_eq!(verify(&format!("t={SIGNED_AT},v1={foreign}"), "{}", 0), Err(Forged::WrongSignature));
    }

    #[test]
    fn a_signature_counts_for_three_hundred_seconds_either_way() {
        let header = format!("t={SIGNED_AT},v1={}", sign("whsec_new", SIGNED_AT, "{}"));
        for (age, verdict) in
            [(299, Ok(())), (300, Ok(())), (301, Err(Forged::Stale)), (-300, Ok(())), (-301, Err(Forged::Stale))]
        {
            assert_eq!(verify(&header, "{}", age), verdict, "{age}");
        }
    }

    #[test]
    fn a_header_without_time_or_signature_is_no_signature() {
        for header in ["", "v1=00", "t=1", "t=1,v1=zz", "t=1,v0=00", "nonsense"] {
            assert_eq!(verify(header, "{}", 0), Err(Forged::NoSignature), "{header}");
        }
        assert_eq!(Stripe.verify(&HeaderMap::new(), b"{}", &[], DateTime::UNIX_EPOCH), Err(Forged::NoSignature));
    }

    fn event(event_type: &str, currency: &str) -> String {
        serde_json::json!({
            "id": "evt_1", "type": event_type, "created": SIGNED_AT,
            "data": {"object": {
                "id": "pi_1", "amount": 12_000, "amount_received": 11_900, "currency": currency,
                "metadata": {"invoice_id": "inv_00000000000000000000000000000007"},
            }},
        })
        .to_string()
    }

    #[test]
    fn a_succeeded_intent_is_a_capture_of_what_was_received() {
        let notices = Stripe.read(event("payment_intent.succeeded", "eur").as_bytes()).unwrap();
        let [Notice::Evidence(evidence)] = notices.as_slice() else { panic!("one piece of evidence") };
        assert_eq!(evidence.kind, FactKind::Capture);
        assert_eq!(*evidence.amount, Money::parse("119.00", "EUR").unwrap());
        assert_eq!(evidence.transaction_id.as_str(), "stripe:pi_1");
        assert_eq!(evidence.event_id, "stripe:evt_1");
        assert!(evidence.invoice.is_some());
    }

    #[test]
    fn minor_units_follow_the_currency() {
        let notices = Stripe.read(event("payment_intent.succeeded", "jpy").as_bytes()).unwrap();
        let [Notice::Evidence(evidence)] = notices.as_slice() else { panic!("one piece of evidence") };
        assert_eq!(*evidence.amount, Money::parse("11900", "JPY").unwrap());
    }

    #[test]
    fn currencies_that_stripe_scales_otherwise_than_iso_keep_their_value() {
        for (currency, value) in [("isk", "119"), ("ugx", "119"), ("mga", "11900")] {
            let notices = Stripe.read(event("payment_intent.succeeded", currency).as_bytes()).unwrap();
            let [Notice::Evidence(evidence)] = notices.as_slice() else { panic!("one piece of evidence") };
            assert_eq!(*evidence.amount, Money::parse(value, &currency.to_uppercase()).unwrap());
        }
    }

    #[test]
    fn other_events_are_ignored_by_name_and_broken_ones_are_unreadable() {
        let notices = Stripe.read(event("payout.paid", "eur").as_bytes()).unwrap();
        assert_eq!(notices, [Notice::Ignored { event_type: "payout.paid".to_owned() }]);
        assert!(Stripe.read(event("payment_intent.succeeded", "xxx").as_bytes()).is_err());
        assert!(Stripe.read(b"{}").is_err());
    }
}
