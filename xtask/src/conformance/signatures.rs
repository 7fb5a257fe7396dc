//! Published signatures: each must verify, and must not verify once any byte is changed.

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use quittance_providers::{adyen, by_name};
use serde_json::Value;
use sha2::Sha256;

use super::Verdict;

/// The samples of a list whose entries name their `scheme`.
pub(super) fn samples(json: &Value) -> Vec<(&'static str, Verdict)> {
    let items = json.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(sample).collect()
}

fn sample(item: &Value) -> Option<(&'static str, Verdict)> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let (scheme, secret) = (text("scheme")?, text("secret")?);
    let name = text("name").unwrap_or(scheme);
    let (format, verdict) = match scheme {
        "standard-webhooks-v1" => {
            let header = |name: &str| item.pointer(&format!("/headers/{name}")).and_then(Value::as_str);
            let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
            let signature = header("webhook-signature")?.strip_prefix("v1,")?;
            let signed = format!("{id}.{time}.{}", text("body")?);
            let check = |signed: &str| standard_webhooks_fits(secret, signed, signature);
            ("Standard Webhooks signature", every_change_is_noticed(&signed, check))
        }
        "adyen-item" => {
            let (signed, signature) = (text("signing_string")?, text("signature")?);
            let check = |signed: &str| adyen::signature_fits(secret, signed, signature);
            ("Adyen signature", every_change_is_noticed(signed, check))
        }
        other => {
            let webhooks = by_name(other)?.webhooks()?;
            let headers = headers(item.get("headers")?)?;
            let secrets = [secret.to_owned()];
            let now = signed_at(&headers);
            let check = |body: &str| webhooks.verify(&headers, body.as_bytes(), &secrets, now).is_ok();
            let format = if other == "gocardless" { "GoCardless signature" } else { "webhook signature" };
            (format, every_change_is_noticed(text("body")?, check))
        }
    };
    Some((format, verdict.map(|what| format!("{name}: {what}"))))
}

/// The time in a Stripe signature; other schemes sign none.
fn signed_at(headers: &HeaderMap) -> DateTime<Utc> {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seconds = header.split(',').find_map(|part| part.trim().strip_prefix("t=")?.parse().ok());
    seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_else(Utc::now)
}

fn headers(members: &Value) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in members.as_object()? {
        let name = name.to_lowercase().parse::<HeaderName>().ok()?;
        headers.insert(name, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some(headers)
}

fn every_change_is_noticed(signed: &str, is_ours: impl Fn(&str) -> bool) -> Verdict {
    if !is_ours(signed) {
        return Err(anyhow!("it does not verify"));
    }
    let letters: Vec<char> = signed.chars().collect();
    for place in 0..letters.len() {
        let change = |(at, letter): (usize, &char)| match letter {
            letter if at != place => *letter,
            '~' => '!',
            _ => '~',
        };
        let changed: String = letters.iter().enumerate().map(change).collect();
        if is_ours(&changed) {
            return Err(anyhow!("it verifies although character {place} was changed"));
        }
    }
    Ok(format!("verifies, and none of its {} changes does", letters.len()))
}

/// Standard Webhooks 1.0: HMAC-SHA256 under the decoded secret of id, time and body.
fn standard_webhooks_fits(secret: &str, signed: &str, signature: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret));
    let (Ok(key), Ok(signature)) = (key, STANDARD.decode(signature)) else { return false };
    Hmac::<Sha256>::new_from_slice(&key).is_ok_and(|mac| mac.chain_update(signed).verify_slice(&signature).is_ok())
}
