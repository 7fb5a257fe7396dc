//! Responds to CloudFormation with a PUT to the URL of the request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const TIMEOUT: Duration = Duration::from_secs(20);

/// CloudFormation truncates longer reasons.
const REASON_LENGTH_MAX: usize = 1_000;

/// The fields of every request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CustomResourceRequest {
    /// `Create`, `Update` or `Delete`.
    pub request_type: String,
    #[serde(rename = "ResponseURL")]
    pub response_url: String,
    /// Echoed.
    pub stack_id: String,
    /// Echoed.
    pub request_id: String,
    /// Echoed.
    pub logical_resource_id: String,
    /// The id of an earlier response.
    pub physical_resource_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomResourceResponse<'a> {
    status: &'static str,
    reason: String,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
}

/// Why CloudFormation did not accept the response.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The response cannot be serialised.
    #[error("the response cannot be serialised")]
    Json(#[from] serde_json::Error),
    /// No client, a timeout or a broken connection.
    #[error("CloudFormation did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// Another status than success.
    #[error("CloudFormation answered {0}")]
    Rejected(reqwest::StatusCode),
}

/// Reports the outcome to CloudFormation.
///
/// # Errors
/// [`AnswerError`] if the response was not accepted; the stack then waits until it times out.
pub async fn answer(request: &CustomResourceRequest, failure: Option<&str>) -> Result<(), AnswerError> {
    let reason = failure.unwrap_or("migrated");
    let answer = CustomResourceResponse {
        status: if failure.is_none() { "SUCCESS" } else { "FAILED" },
        reason: reason.chars().take(REASON_LENGTH_MAX).collect(),
        // With a new id CloudFormation would delete the old resource.
        physical_resource_id: request.physical_resource_id.as_deref().unwrap_or("migrations"),
        stack_id: &request.stack_id,
        request_id: &request.request_id,
        logical_resource_id: &request.logical_resource_id,
    };
    let body = serde_json::to_vec(&answer)?;
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(AnswerError::NoAnswer)?;
    // The presigned URL is signed without a content type.
    let answered = client.put(&request.response_url).header("content-type", "").body(body).send().await;
    let status = answered.map_err(|error| AnswerError::NoAnswer(error.without_url()))?.status();
    if status.is_success() { Ok(()) } else { Err(AnswerError::Rejected(status)) }
}
