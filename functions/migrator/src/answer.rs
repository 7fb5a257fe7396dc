//! Answering CloudFormation: a PUT to the URL that the request brought.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const TIMEOUT: Duration = Duration::from_secs(20);

/// CloudFormation cuts reasons off beyond this.
const REASON_LENGTH_MAX: usize = 1_000;

/// What every request has, whatever it asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CustomResourceRequest {
    /// `Create`, `Update` or `Delete`.
    pub request_type: String,
    /// Where the answer goes.
    #[serde(rename = "ResponseURL")]
    pub response_url: String,
    /// Echoed.
    pub stack_id: String,
    /// Echoed.
    pub request_id: String,
    /// Echoed.
    pub logical_resource_id: String,
    /// The id that an earlier answer gave.
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

/// Tells CloudFormation how it went.
///
/// # Errors
/// A sentence, if the answer was not taken; the stack then waits until it times out.
pub async fn answer(request: &CustomResourceRequest, outcome: &Result<(), String>) -> Result<(), String> {
    let reason = outcome.as_ref().err().map_or("migrated", String::as_str);
    let answer = CustomResourceResponse {
        status: if outcome.is_ok() { "SUCCESS" } else { "FAILED" },
        reason: reason.chars().take(REASON_LENGTH_MAX).collect(),
        // A new id would make CloudFormation delete the old resource.
        physical_resource_id: request.physical_resource_id.as_deref().unwrap_or("migrations"),
        stack_id: &request.stack_id,
        request_id: &request.request_id,
        logical_resource_id: &request.logical_resource_id,
    };
    let body = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| error.to_string())?;
    // The presigned URL is signed without a content type.
    let answered = client.put(&request.response_url).header("content-type", "").body(body).send().await;
    let status = answered.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("CloudFormation answered {status}")) }
}
