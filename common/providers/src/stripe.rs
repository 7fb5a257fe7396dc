//! Stripe: webhooks signed with `Stripe-Signature`; payments are payment intents, or charges without one.

mod api;
mod charges;
mod events;
mod objects;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_domain::money::Currency;

use crate::signature::is_made_by;
use crate::{Forged, ProviderModule, Unreadable, WebhookNotice, WebhookParser};

const NAME: &str = "stripe";
const SIGNATURE_HEADER: &str = "stripe-signature";

/// The maximum age of signatures that Stripe's own libraries accept.
const TOLERANCE_SECONDS: i64 = 300;

/// More `v1` values than secrets in rotation are useless; each costs a comparison.
const SIGNATURES_MAX: usize = 20;

pub(crate) const PROVIDER: ProviderModule = ProviderModule { name: NAME, webhooks: Some(&Stripe), api: Some(&Stripe) };

#[derive(Debug)]
struct Stripe;

impl WebhookParser for Stripe {
    fn verify(&self, headers: &HeaderMap, body: &[u8], secrets: &[String], now: DateTime<Utc>) -> Result<(), Forged> {
        let header = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).ok_or(Forged::NoSignature)?;
        let (timestamp, signatures) = parse_signature(header).ok_or(Forged::NoSignature)?;
        let parts = [timestamp.as_bytes(), b".", body];
        let is_ours = secrets
            .iter()
            .any(|secret| signatures.iter().any(|signature| is_made_by(secret.as_bytes(), &parts, signature)));
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

    fn read(&self, body: &[u8], account: Option<&str>) -> Result<Vec<WebhookNotice>, Unreadable> {
        events::read(body, account)
    }
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

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`; other schemes are ignored.
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

fn unreadable(reason: impl std::fmt::Display) -> Unreadable {
    Unreadable::new(NAME, reason)
}

#[cfg(test)]
mod tests;
