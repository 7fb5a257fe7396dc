//! The AWS SDK, set up once per function instance.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// Time to reach an endpoint inside the VPC; far more than it takes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for one call with its retries; a queue's visibility is much longer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Who tries again when a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// The queue redelivers the message: a second layer would only multiply the attempts.
    Queue,
    /// Nobody else does, as at an HTTP door: the SDK tries up to three times.
    Sdk,
}

/// Region, credentials and endpoints from the environment, with limits on every call.
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

/// An S3 client. With an endpoint of one's own (the local stack) buckets stand in the path, because their names do
/// not resolve as hosts there.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let settings = aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(settings.build())
}
