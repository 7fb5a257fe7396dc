//! The gateways' signing secrets: read on first use, and again when a signature does not match, so that a rotated
//! secret is accepted without a restart.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use quittance_domain::error::Chain;
use quittance_lambda::secret::{self, SecretError};
use tokio::sync::Mutex;

/// The minimum interval between reads for each provider, so that forged messages do not cause more calls.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The secrets, by provider.
pub struct GatewaySecrets {
    aws: SdkConfig,
    ids: HashMap<&'static str, String>,
    known: Mutex<HashMap<&'static str, Known>>,
}

struct Known {
    secrets: Vec<String>,
    read_at: Instant,
}

/// Why a gateway's signing secrets are not known.
#[derive(Debug, thiserror::Error)]
pub enum GatewaySecretError {
    /// No secret is configured.
    #[error("no signing secret of {0} is set")]
    NotSet(&'static str),
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl GatewaySecrets {
    /// Takes the id of each provider's secret in Secrets Manager. Its text has one or more secrets, separated by white
    /// space during a rotation.
    #[must_use]
    pub fn new(aws: &SdkConfig, ids: HashMap<&'static str, String>) -> Self {
        Self { aws: aws.clone(), ids, known: Mutex::default() }
    }

    /// Reads all of them, so that the first messages do not wait. A secret that cannot be read now is read when it is
    /// needed.
    pub async fn warm_up(&self) {
        for provider in self.ids.keys() {
            if let Err(error) = self.load(provider).await {
                tracing::warn!(provider = provider, error = %Chain(&error), "signing secret is not ready yet");
            }
        }
    }

    /// Whether messages of a provider are accepted at all.
    #[must_use]
    pub fn expects(&self, provider: &str) -> bool {
        self.ids.contains_key(provider)
    }

    /// The secrets of a provider.
    ///
    /// # Errors
    /// [`GatewaySecretError`] if they cannot be read.
    pub async fn load(&self, provider: &'static str) -> Result<Vec<String>, GatewaySecretError> {
        let mut known = self.known.lock().await;
        match known.get(provider) {
            Some(entry) => Ok(entry.secrets.clone()),
            None => self.read(&mut known, provider).await,
        }
    }

    /// The current secrets of a provider; none if they were read a moment ago, or cannot be read.
    pub async fn read_again(&self, provider: &'static str) -> Option<Vec<String>> {
        let mut known = self.known.lock().await;
        let entry = known.get_mut(provider).filter(|entry| entry.read_at.elapsed() >= READ_AGAIN_AFTER)?;
        // Set before the attempt, so that an unavailable service is not called for each message.
        entry.read_at = Instant::now();
        match self.read(&mut known, provider).await {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                tracing::warn!(provider = provider, error = %Chain(&error), "signing secret could not be reread");
                None
            }
        }
    }

    async fn read(
        &self,
        known: &mut HashMap<&'static str, Known>,
        provider: &'static str,
    ) -> Result<Vec<String>, GatewaySecretError> {
        let id = self.ids.get(provider).ok_or(GatewaySecretError::NotSet(provider))?;
        let secrets: Vec<String> =
            secret::read(&self.aws, id).await?.split_whitespace().map(ToOwned::to_owned).collect();
        known.insert(provider, Known { secrets: secrets.clone(), read_at: Instant::now() });
        Ok(secrets)
    }
}

impl std::fmt::Debug for GatewaySecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.ids.keys()).finish()
    }
}
