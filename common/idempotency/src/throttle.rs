//! How often a caller asks: counted beside its keys, in the same table, for as long as a minute lasts.

use aws_sdk_dynamodb::types::ReturnValue;
use chrono::{DateTime, TimeDelta, Utc};

use crate::item::{number, text};
use crate::{IdempotencyError, IdempotencyTable, table_error};

/// A count is of no use after its minute; DynamoDB may delete it then.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(5);

impl IdempotencyTable {
    /// Counts one more request of a caller in the minute of `now`, and answers whether it is one of the first
    /// `requests_max`.
    ///
    /// # Errors
    /// [`IdempotencyError::Table`] if DynamoDB does not answer.
    pub async fn admit(&self, caller: &str, now: DateTime<Utc>, requests_max: u32) -> Result<bool, IdempotencyError> {
        let minute = now.timestamp().div_euclid(60);
        let key = format!("throttle:{caller}:{minute}");
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("key", text(&key))
            .update_expression("ADD requests :one SET expires_at = :expires_at")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires_at", number((now + KEPT_FOR).timestamp()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| table_error(&key, &error.into_service_error()))?;
        let counted = answer.attributes().and_then(|item| item.get("requests")?.as_n().ok()?.parse::<u32>().ok());
        Ok(counted.is_none_or(|counted| counted <= requests_max))
    }
}
