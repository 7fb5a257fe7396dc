//! Signatures of outgoing webhooks: Standard Webhooks 1.0, symmetric (`v1`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Prefix of secrets as people see them.
const SECRET_PREFIX: &str = "whsec_";

/// Signs messages for one receiver.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// Takes a secret as `whsec_` and base64, with or without the prefix.
    ///
    /// # Errors
    /// A sentence that does not repeat the secret.
    pub fn new(secret: &str) -> Result<Self, String> {
        let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
        let key = STANDARD.decode(encoded).map_err(|_| "the signing secret is not base64".to_owned())?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| "the signing secret makes no key".to_owned())
    }

    /// The value of `webhook-signature` for a message.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_seconds: i64, body: &str) -> String {
        let content = format!("{id}.{timestamp_seconds}.{body}");
        let signature = self.0.clone().chain_update(content).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python: `hmac.new(b"0123456789abcdefghijklmn", b"msg_1.1700000000.{}", "sha256")`.
    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        let signer = Signer::new("whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u").unwrap();
        assert_eq!(signer.sign("msg_1", 1_700_000_000, "{}"), "v1,/K1l9UQlQFiC9vWSzcBzVntnxjzzMzUqATYiwF20DiY=");
    }

    #[test]
    fn the_error_of_a_broken_secret_does_not_repeat_it() {
        let error = Signer::new("whsec_not base64!").err().unwrap();
        assert!(!error.contains("not base64!"), "{error}");
    }
}
