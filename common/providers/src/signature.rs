//! What all gateways' signature schemes share: HMAC-SHA256, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `signature` is the HMAC-SHA256 of the parts under `key`. The comparison takes the same time wherever the
/// first difference is.
pub(crate) fn is_made_by(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    // HMAC accepts any key (RFC 2104); an empty one would be known to everybody.
    let Some(mac) = Hmac::<Sha256>::new_from_slice(key).ok().filter(|_| !key.is_empty()) else { return false };
    parts.iter().fold(mac, |mac, part| mac.chain_update(part)).verify_slice(signature).is_ok()
}

#[cfg(test)]
pub(crate) fn sign(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}
