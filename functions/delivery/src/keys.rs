//! The signing secrets in use, read once by each instance: a secret never changes under its name.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_deliveries::secrets::SigningSecrets;
use quittance_store::webhook_endpoints::WebhookEndpoint;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::signature::Signer;

/// More than all endpoints' secrets; an instance that has seen more forgets them.
const KNOWN_MAX: usize = 200;

/// The secrets of endpoints, as signers.
pub struct EndpointSigners {
    secrets: SigningSecrets,
    known: Mutex<HashMap<Uuid, Signer>>,
}

impl EndpointSigners {
    /// Keys from these secrets.
    #[must_use]
    pub fn new(secrets: SigningSecrets) -> Self {
        Self { secrets, known: Mutex::default() }
    }

    /// The signers of an endpoint at a time, the newest first.
    ///
    /// # Errors
    /// A sentence without any secret, if one cannot be read.
    pub async fn signers_for(&self, endpoint: &WebhookEndpoint, now: DateTime<Utc>) -> Result<Vec<Signer>, String> {
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

    async fn read(&self, endpoint: &WebhookEndpoint, id: Uuid) -> Result<Signer, String> {
        let secret = self.secrets.read(endpoint.id, id).await?;
        let secret = secret.ok_or_else(|| format!("endpoint {} has no secret {}", endpoint.id, id.simple()))?;
        let signer = Signer::new(&secret).map_err(|error| format!("endpoint {}: {error}", endpoint.id))?;
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
