//! What was refused at a door: a small record, never the body.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Long enough to look into an attack or a wrong secret.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// The table of refusals.
#[derive(Debug, Clone)]
pub struct Rejections {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Rejections {
    /// The table.
    #[must_use]
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(aws), table }
    }

    /// Notes a refusal: reason, source, time, and a digest by which the sender's own log can be compared. A failure
    /// is logged only; the refusal stands.
    pub async fn note(&self, reason: &str, source: &str, body: &[u8]) {
        let now = Utc::now();
        // `DoorRefusalsMetric` in the template counts `refused` by its value.
        tracing::warn!(refused = reason, rejection.source = source, "refused at the door");
        let text = |value: String| AttributeValue::S(value);
        let item = HashMap::from([
            ("id".to_owned(), text(Uuid::now_v7().to_string())),
            ("reason".to_owned(), text(reason.to_owned())),
            ("source".to_owned(), text(source.chars().take(100).collect())),
            ("digest".to_owned(), text(hex::encode(Sha256::digest(body)))),
            ("rejected_at".to_owned(), text(now.to_rfc3339())),
            ("expires_at".to_owned(), AttributeValue::N((now + KEPT_FOR).timestamp().to_string())),
        ]);
        if let Err(error) = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await {
            tracing::error!(error = %error.into_service_error(), "a rejection was not recorded");
        }
    }
}
