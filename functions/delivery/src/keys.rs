//! Signing secrets in use, each read once per instance: the content of a named secret never changes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_deliveries::secrets::{SigningSecretError, SigningSecrets};
use quittance_domain::id::WebhookEndpointId;
use quittance_store::webhook_endpoints::WebhookEndpoint;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::signature::{SecretFormError, Signer};

/// More than the secrets of all endpoints; an instance that has seen more clears its cache.
const KNOWN_MAX: usize = 200;

/// Why an endpoint has no signer. Never contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Secrets Manager refused the call or did not answer.
    #[error(transparent)]
    Secret(#[from] SigningSecretError),
    /// The secret was deleted.
    #[error("endpoint {endpoint} has no secret {}", .secret.simple())]
    Missing {
        endpoint: WebhookEndpointId,
        /// The secret's id.
        secret: Uuid,
    },
    /// The secret has another form.
    #[error("the secret of endpoint {endpoint} cannot be used")]
    Malformed {
        endpoint: WebhookEndpointId,
        /// The reason.
        source: SecretFormError,
    },
}

/// The endpoints' secrets, as signers.
pub struct EndpointSigners {
    secrets: SigningSecrets,
    known: Mutex<HashMap<Uuid, Signer>>,
}

impl EndpointSigners {
    /// Creates signers from these secrets.
    #[must_use]
    pub fn new(secrets: SigningSecrets) -> Self {
        Self { secrets, known: Mutex::default() }
    }

    /// The signers of an endpoint at a point in time, the newest first.
    ///
    /// # Errors
    /// [`SignerError`] if a secret cannot be read.
    pub async fn signers_for(
        &self,
        endpoint: &WebhookEndpoint,
        now: DateTime<Utc>,
    ) -> Result<Vec<Signer>, SignerError> {
        let mut signers = Vec::new();
        for id in endpoint.secret_ids(now) {
            let known = self.known.lock().await.get(&id).cloned();
            let signer = match known {
                Some(signer) => signer,
                None => self.read(endpoint, id).await?,
            };
            signers.push(signer);
        }
        Ok(signers)
    }

    async fn read(&self, endpoint: &WebhookEndpoint, id: Uuid) -> Result<Signer, SignerError> {
        let secret = self.secrets.read(endpoint.id, id).await?;
        let secret = secret.ok_or(SignerError::Missing { endpoint: endpoint.id, secret: id })?;
        let signer = Signer::new(&secret).map_err(|source| SignerError::Malformed { endpoint: endpoint.id, source })?;
        let mut known = self.known.lock().await;
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(id, signer.clone());
        Ok(signer)
    }
}

impl std::fmt::Debug for EndpointSigners {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys")
    }
}
