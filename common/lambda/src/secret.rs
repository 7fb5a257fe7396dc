//! Reading secrets from Secrets Manager.

use aws_config::SdkConfig;

use crate::aws_error::AwsError;

/// Why a secret cannot be used. Never contains the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager refused the call or did not answer.
    #[error("secret {secret_id} cannot be read")]
    Unreadable {
        /// Name or ARN.
        secret_id: String,
        /// The failed call.
        source: AwsError,
    },
    /// The secret is binary.
    #[error("secret {secret_id} holds no text")]
    NoText {
        /// Name or ARN.
        secret_id: String,
    },
}

/// Reads a secret's text. Cache it: each call is a round trip. Errors never contain the secret.
///
/// # Errors
/// [`SecretError`] if the secret cannot be read or is not text.
pub async fn read(aws: &SdkConfig, secret_id: &str) -> Result<String, SecretError> {
    let answer =
        aws_sdk_secretsmanager::Client::new(aws).get_secret_value().secret_id(secret_id).send().await.map_err(
            |error| SecretError::Unreadable {
                secret_id: secret_id.to_owned(),
                source: AwsError::new("GetSecretValue", error.into_service_error()),
            },
        )?;
    answer.secret_string().map(ToOwned::to_owned).ok_or_else(|| SecretError::NoText { secret_id: secret_id.to_owned() })
}
