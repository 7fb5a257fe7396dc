//! The gateways' signing secrets: read when first needed, and again when a signature does not fit, so that a secret
//! that rotates is believed without a new start.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use quittance_lambda::secret;
use tokio::sync::Mutex;

/// Forged messages cause no more calls than one in this time, for each provider.
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

impl GatewaySecrets {
    /// Takes the id of each provider's secret in Secrets Manager. Its text is one or more secrets, separated by white
    /// space while they rotate.
    #[must_use]
    pub fn new(aws: &SdkConfig, ids: HashMap<&'static str, String>) -> Self {
        Self { aws: aws.clone(), ids, known: Mutex::default() }
    }

    /// Reads all of them, so that the first messages do not wait. What cannot be read now is read when it is needed.
    pub async fn warm_up(&self) {
        for provider in self.ids.keys() {
            if let Err(error) = self.load(provider).await {
                tracing::warn!(provider = provider, error, "signing secret is not ready yet");
            }
        }
    }

    /// Whether messages of a provider are expected at all.
    #[must_use]
    pub fn expects(&self, provider: &str) -> bool {
        self.ids.contains_key(provider)
    }

    /// The secrets of a provider.
    ///
    /// # Errors
    /// A sentence, if they cannot be read.
    pub async fn load(&self, provider: &'static str) -> Result<Vec<String>, String> {
        let mut known = self.known.lock().await;
        match known.get(provider) {
            Some(entry) => Ok(entry.secrets.clone()),
            None => self.read(&mut known, provider).await,
        }
    }

    /// The secrets of a provider as they are now; none if they were read a moment ago, or cannot be read.
    pub async fn read_again(&self, provider: &'static str) -> Option<Vec<String>> {
        let mut known = self.known.lock().await;
        let entry = known.get_mut(provider).filter(|entry| entry.read_at.elapsed() >= READ_AGAIN_AFTER)?;
        // Noted before it is tried, so that a service that is away is not asked for each message.
        entry.read_at = Instant::now();
        match self.read(&mut known, provider).await {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                tracing::warn!(provider = provider, error, "signing secret could not be reread");
                None
            }
        }
    }

    async fn read(
        &self,
        known: &mut HashMap<&'static str, Known>,
        provider: &'static str,
    ) -> Result<Vec<String>, String> {
        let id = self.ids.get(provider).ok_or_else(|| format!("no signing secret of {provider} is set"))?;
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
