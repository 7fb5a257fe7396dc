//! Signatures of outgoing webhooks: Standard Webhooks 1.0, symmetric (`v1`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use quittance_deliveries::secrets::PREFIX;
use sha2::Sha256;

/// A signing secret of another form than `whsec_` plus base64.
#[derive(Debug, thiserror::Error)]
pub enum SecretFormError {
    /// It does not begin with `whsec_`.
    #[error("the signing secret has no prefix")]
    NoPrefix,
    /// The rest is not base64.
    #[error("the signing secret is not base64")]
    NotBase64,
    /// HMAC refuses the key.
    #[error("the signing secret is not a valid key")]
    NoKey,
}

/// Signs messages with one secret.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// Parses a secret in the form `whsec_` plus base64.
    ///
    /// # Errors
    /// [`SecretFormError`], which does not repeat the secret.
    pub fn new(secret: &str) -> Result<Self, SecretFormError> {
        let encoded = secret.strip_prefix(PREFIX).ok_or(SecretFormError::NoPrefix)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretFormError::NotBase64)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| SecretFormError::NoKey)
    }

    fn sign(&self, content: &str) -> String {
        let signature = self.0.clone().chain_update(content).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(signature))
    }
}

/// The value of `webhook-signature` for a message: one signature for each secret in use, so that a receiver with either
/// secret can verify it.
#[must_use]
pub fn signatures(signers: &[Signer], id: &str, timestamp_seconds: i64, body: &str) -> String {
    let content = format!("{id}.{timestamp_seconds}.{body}");
    signers.iter().map(|signer| signer.sign(&content)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python: `hmac.new(b"0123456789abcdefghijklmn", b"msg_1.1700000000.{}", "sha256")`.
    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        let signer = Signer::new("whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u").unwrap();
        let made = "v1,/K1l9UQlQFiC9vWSzcBzVntnxjzzMzUqATYiwF20DiY=";
        assert_eq!(signatures(std::slice::from_ref(&signer), "msg_1", 1_700_000_000, "{}"), made);
        let both = signatures(&[Signer::new("whsec_AAAA").unwrap(), signer], "msg_1", 1_700_000_000, "{}");
        assert!(both.starts_with("v1,") && both.ends_with(&format!(" {made}")), "{both}");
    }

    #[test]
    fn the_error_of_a_broken_secret_does_not_repeat_it() {
        for secret in ["whsec_not base64!", "not base64!"] {
            let error = Signer::new(secret).err().unwrap().to_string();
            assert!(!error.contains("not base64!"), "{error}");
        }
    }
}
