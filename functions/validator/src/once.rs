//! Carries out a request once per idempotency key.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_domain::id::RefundId;
use quittance_idempotency::{IdempotencyClaim, IdempotencyError};
use quittance_lambda::problem::Problem;
use quittance_lambda::{accepted, idempotency_key};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Validator;
use crate::commands::envelope;

/// How long a key is leased while its request runs: longer than the function's timeout.
const LEASE: TimeDelta = TimeDelta::seconds(40);

/// Seconds after which a caller may retry when a dependency is unavailable.
const RETRY_AFTER_SECONDS: u32 = 2;

/// The status of an accepted request.
pub(crate) const ACCEPTED: &str = "accepted";

/// The response to an accepted request: the payment, and the requested refund.
#[derive(Debug, Serialize)]
struct Accepted<'a> {
    transaction_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    status: &'static str,
}

/// Sends a command to the processor unless this caller's key has done so, and responds with 202.
///
/// `content` identifies the request: its path and body. `record_key` is made of the caller's name and key, because keys
/// belong to their caller. `check` refuses what is known to be impossible; it is called for new requests only, so that
/// a repeated one has the response of the first, whatever that led to.
///
/// # Errors
/// Those of `check`; 409 while the first request is running, 422 if the key belongs to another request, 503 if SQS or
/// DynamoDB is unavailable.
pub(crate) async fn send_once(
    validator: &Validator,
    key: &str,
    record_key: &str,
    content: &[&[u8]],
    command: PaymentCommand,
    correlation_id: String,
    check: impl AsyncFnOnce() -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let now = Utc::now();
    let fingerprint = content.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update(b"\n"));
    let fingerprint = hex::encode(fingerprint.finalize());
    let transaction_id = command.transaction_id().to_string();
    let refund_id = match &command {
        PaymentCommand::RequestRefund(command) => Some(command.refund_id),
        _ => None,
    };
    let names = accepted_names(&command);
    let accepted = || accepted_response(&transaction_id, refund_id);
    let claimed = validator.idempotency.claim(record_key, &fingerprint, now, now + LEASE).await;
    let lease = match claimed.map_err(|error| unavailable(&error))? {
        IdempotencyClaim::Won(lease) => lease,
        IdempotencyClaim::Completed(_) => return Ok(accepted()),
        IdempotencyClaim::InProgress | IdempotencyClaim::Unknown | IdempotencyClaim::FailedForGood(_) => {
            return Err(idempotency_key::still_running(key));
        }
        IdempotencyClaim::OtherPayload => return Err(idempotency_key::used_otherwise(key)),
    };
    let checked_and_sent = async {
        check().await?;
        let sent = validator.payments_queue.send(&[envelope(command, correlation_id, now)]).await;
        sent.map_err(|error| {
            tracing::error!(payment.transaction_id = transaction_id, error = %Chain(&error), "command was not sent");
            Problem::unavailable(RETRY_AFTER_SECONDS)
        })
    };
    if let Err(problem) = checked_and_sent.await {
        if let Err(error) = validator.idempotency.release(&lease).await {
            tracing::warn!(error = %Chain(&error), "idempotency key stays held until its lease expires");
        }
        return Err(problem);
    }
    let (completed, ()) =
        tokio::join!(validator.idempotency.complete(&lease, None), record_accepted(validator, &names, now));
    if let Err(error) = completed {
        // The command is durable and the processor carries it out once; a retry sends it again, which is harmless.
        tracing::warn!(error = %Chain(&error), "accepted request was not recorded as completed");
    }
    Ok(accepted())
}

/// Records an accepted payment for callers who read it before the processor has recorded it. If this fails, the payment
/// is not found until then.
async fn record_accepted(validator: &Validator, names: &[String], now: DateTime<Utc>) {
    let accepted_at = now.to_rfc3339();
    let notes = names.iter().map(|name| validator.idempotency.record_answer(name, &accepted_at, now));
    for error in join_all(notes).await.into_iter().filter_map(Result::err) {
        tracing::warn!(error = %Chain(&error), "accepted payment was not recorded");
    }
}

/// The keys under which an accepted payment is recorded: for staff, and for the client on whose behalf it was reported.
fn accepted_names(command: &PaymentCommand) -> Vec<String> {
    match command {
        PaymentCommand::ClaimPayment(evidence)
        | PaymentCommand::ConfirmPayment(evidence)
        | PaymentCommand::EnterEvidence(evidence) => {
            let for_client = evidence.client_id.map(|client| accepted::key(&evidence.transaction_id, Some(client)));
            for_client.into_iter().chain([accepted::key(&evidence.transaction_id, None)]).collect()
        }
        PaymentCommand::ChargePayment(command) => {
            [Some(command.client_id), None].map(|client| accepted::key(&command.transaction_id, client)).into()
        }
        _ => Vec::new(),
    }
}

pub(crate) fn unavailable(error: &IdempotencyError) -> Problem {
    tracing::error!(error = %Chain(&error), "idempotency table is unavailable");
    Problem::unavailable(RETRY_AFTER_SECONDS)
}

fn accepted_response(transaction_id: &str, refund_id: Option<RefundId>) -> Response {
    let body = Json(Accepted { transaction_id, refund_id, status: ACCEPTED });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    // A transaction id only has characters that are valid in headers and paths.
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/payments/{transaction_id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
