//! The AWS SDK, set up once per function instance.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// Connect timeout to an endpoint inside the VPC; far more than a connection takes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of one call including its retries; a queue's visibility timeout is much longer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Who retries a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// The queue redelivers the message: a second layer would only multiply the attempts.
    Queue,
    /// Nobody else does, for instance in an HTTP function: the SDK tries up to three times.
    Sdk,
}

/// The region, credentials and endpoints from the environment, with timeouts on every call.
pub async fn config(retries: Retries) -> SdkConfig {
    let retry_config = match retries {
        Retries::Queue => RetryConfig::disabled(),
        Retries::Sdk => RetryConfig::standard(),
    };
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retry_config)
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build(),
        )
        .load()
        .await
}

/// An S3 client. With a custom endpoint (the local stack) it uses path-style addressing, because bucket names do not
/// resolve as hosts there.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let settings = aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(settings.build())
}
