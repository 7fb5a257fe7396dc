//! Reading secrets from Secrets Manager.

use aws_config::SdkConfig;

/// Reads a secret's text. Keep it: each call is a round trip. Errors never hold the secret.
///
/// # Errors
/// A sentence, if the secret cannot be read or is not text.
pub async fn read(aws: &SdkConfig, secret_id: &str) -> Result<String, String> {
    let answer = aws_sdk_secretsmanager::Client::new(aws)
        .get_secret_value()
        .secret_id(secret_id)
        .send()
        .await
        .map_err(|error| format!("secret {secret_id} cannot be read: {}", error.into_service_error()))?;
    answer.secret_string().map(ToOwned::to_owned).ok_or_else(|| format!("secret {secret_id} holds no text"))
}
