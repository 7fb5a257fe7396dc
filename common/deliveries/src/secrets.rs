//! Signing secrets of webhooks, each stored separately in Secrets Manager under the endpoint's id and its own name.

use std::error::Error;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quittance_domain::error::DependencyFailure;
use quittance_domain::id::WebhookEndpointId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The prefix of a secret's base64, by which people and secret scanners recognise it (Standard Webhooks 1.0).
pub const PREFIX: &str = "whsec_";

/// The number of days in which a deleted secret can be restored.
const RECOVERY_DAYS: i64 = 7;

/// The secrets of all endpoints.
#[derive(Debug, Clone)]
pub struct SigningSecrets {
    client: Client,
    folder: String,
}

/// A failed call to Secrets Manager. Never contains the secret.
#[derive(Debug, thiserror::Error)]
#[error("secret {name} cannot be {action}")]
pub struct SigningSecretError {
    name: String,
    action: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl DependencyFailure for SigningSecretError {}

impl SigningSecretError {
    fn new(name: String, action: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        Self { name, action, source: Box::new(error) }
    }
}

impl SigningSecrets {
    /// Secrets whose names begin with `folder`.
    #[must_use]
    pub fn new(aws: &SdkConfig, folder: String) -> Self {
        Self { client: Client::new(aws), folder }
    }

    /// Creates a secret and returns it for its owner. It is used once the endpoint's row names it.
    ///
    /// # Errors
    /// [`SigningSecretError`] if Secrets Manager refuses or does not answer.
    pub async fn make(&self, endpoint: WebhookEndpointId, secret_id: Uuid) -> Result<String, SigningSecretError> {
        let secret = new_secret();
        let name = self.name(endpoint, secret_id);
        let request = self.client.create_secret().name(&name).secret_string(&secret);
        let done = request.description("Signs webhooks (Standard Webhooks).").send().await;
        done.map(|_| secret).map_err(|error| SigningSecretError::new(name, "created", error.into_service_error()))
    }

    /// Reads a secret; none if it was deleted.
    ///
    /// # Errors
    /// [`SigningSecretError`] if Secrets Manager refuses or does not answer.
    pub async fn read(
        &self,
        endpoint: WebhookEndpointId,
        secret_id: Uuid,
    ) -> Result<Option<String>, SigningSecretError> {
        let name = self.name(endpoint, secret_id);
        match self.client.get_secret_value().secret_id(&name).send().await {
            Ok(answer) => Ok(answer.secret_string().map(ToOwned::to_owned)),
            Err(error) => {
                let error = error.into_service_error();
                // For a deleted secret that can still be restored, the error is an invalid request.
                if error.is_resource_not_found_exception() || error.is_invalid_request_exception() {
                    return Ok(None);
                }
                Err(SigningSecretError::new(name, "read", error))
            }
        }
    }

    /// Deletes a secret that no row names any more.
    ///
    /// # Errors
    /// [`SigningSecretError`] if Secrets Manager refuses or does not answer: the secret stays, and signs nothing.
    pub async fn delete(&self, endpoint: WebhookEndpointId, secret_id: Uuid) -> Result<(), SigningSecretError> {
        let name = self.name(endpoint, secret_id);
        let request = self.client.delete_secret().secret_id(&name).recovery_window_in_days(RECOVERY_DAYS);
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| SigningSecretError::new(name, "deleted", error.into_service_error()))
    }

    fn name(&self, endpoint: WebhookEndpointId, secret_id: Uuid) -> String {
        format!("{}/{endpoint}/{}", self.folder, secret_id.simple())
    }
}

/// 32 unpredictable bytes: three random UUIDs have 366 random bits.
fn new_secret() -> String {
    let chance = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let key = chance.iter().fold(Sha256::new(), |digest, uuid| digest.chain_update(uuid.as_bytes())).finalize();
    format!("{PREFIX}{}", STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_32_bytes_and_no_two_are_alike() {
        let (first, second) = (new_secret(), new_secret());
        assert_ne!(first, second);
        assert_eq!(STANDARD.decode(first.strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
    }
}
