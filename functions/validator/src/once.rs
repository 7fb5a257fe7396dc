//! Carries out a request once per idempotency key.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_domain::id::{RefundId, TransactionId};
use quittance_idempotency::{IdempotencyClaim, IdempotencyLease};
use quittance_lambda::change::{ChangeHead, Changes, PartsBefore, Reply};
use quittance_lambda::problem::Problem;
use quittance_lambda::{accepted, idempotency_key};
use sha2::{Digest, Sha256};

use crate::Validator;
use crate::bodies::Accepted;
use crate::commands::envelope;

/// How long a key is leased while its request runs: longer than the function's timeout.
const LEASE: TimeDelta = TimeDelta::seconds(40);

/// A request about a payment that has begun.
#[derive(Debug)]
pub struct PaymentChange<'a> {
    validator: &'a Validator,
    /// The right to carry it out; none if the same request was accepted before.
    lease: Option<IdempotencyLease>,
    correlation_id: String,
    now: DateTime<Utc>,
}

impl Changes for Validator {
    type Work<'a> = PaymentChange<'a>;

    const PARTS_BEFORE: PartsBefore = parts_before;

    async fn begin(&self, head: ChangeHead) -> Result<PaymentChange<'_>, Reply> {
        head.if_match.refuse()?;
        let now = Utc::now();
        let before = Sha256::new().chain_update(&head.fingerprint.content_before).chain_update(b"\n").finalize();
        let (digest, before) = (head.fingerprint.text(), hex::encode(before));
        let claimed = self.idempotency.claim_known_as(&head.request_id(), &[&digest, &before], now, now + LEASE).await;
        let lease = match claimed.map_err(|error| Problem::dependency_failed(&error))? {
            IdempotencyClaim::Won(lease) => Some(lease),
            IdempotencyClaim::Completed(_) => None,
            IdempotencyClaim::InProgress | IdempotencyClaim::Unknown | IdempotencyClaim::FailedForGood(_) => {
                return Err(idempotency_key::still_running(&head.key).into());
            }
            IdempotencyClaim::OtherPayload => return Err(idempotency_key::used_otherwise(&head.key).into()),
        };
        Ok(PaymentChange { validator: self, lease, correlation_id: head.correlation_id, now })
    }
}

impl PaymentChange<'_> {
    /// Sends the command to the processor, and responds with 202.
    ///
    /// # Errors
    /// 503 if SQS or DynamoDB is unavailable.
    pub(crate) async fn send(self, command: PaymentCommand) -> Result<Response, Reply> {
        self.send_unless(command, async || Ok(())).await
    }

    /// The same, unless `check` refuses what is known to be impossible. It is called for new requests only, so that a
    /// repeated one has the response of the first, whatever that led to.
    ///
    /// # Errors
    /// Those of `check`; 503 if SQS or DynamoDB is unavailable.
    pub(crate) async fn send_unless(
        self,
        command: PaymentCommand,
        check: impl AsyncFnOnce() -> Result<(), Reply>,
    ) -> Result<Response, Reply> {
        let Self { validator, lease, correlation_id, now } = self;
        let transaction_id = command.transaction_id().clone();
        let refund_id = match &command {
            PaymentCommand::RequestRefund(command) => Some(command.refund_id),
            _ => None,
        };
        let names = accepted_names(&command);
        let Some(lease) = lease else { return Ok(accepted_response(transaction_id, refund_id)) };
        let checked_and_sent = async {
            check().await?;
            let sent = validator.payments_queue.send(&[envelope(command, correlation_id, now)]).await;
            sent.map_err(|error| {
                tracing::error!(payment.transaction_id = %transaction_id, "command was not sent");
                Reply::from(Problem::dependency_failed(&error))
            })
        };
        if let Err(reply) = checked_and_sent.await {
            if let Err(error) = validator.idempotency.release(&lease).await {
                tracing::warn!(error = %Chain(&error), "idempotency key stays held until its lease expires");
            }
            return Err(reply);
        }
        let (completed, ()) =
            tokio::join!(validator.idempotency.complete(&lease, None), record_accepted(validator, &names, now));
        if let Err(error) = completed {
            // The command is durable and the processor carries it out once; a retry sends it again, which is harmless.
            tracing::warn!(error = %Chain(&error), "accepted request was not recorded as completed");
        }
        Ok(accepted_response(transaction_id, refund_id))
    }
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

fn accepted_response(transaction_id: TransactionId, refund_id: Option<RefundId>) -> Response {
    // A transaction id only has characters that are valid in headers and paths.
    let location = HeaderValue::from_str(&format!("/v1/payments/{transaction_id}"));
    let body = Json(Accepted { transaction_id, refund_id, status: "accepted" });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The parts that identified a request under its key before fingerprints were of method, path and canonical body. Keys
/// are kept for 30 days: this can go 30 days after the version that brought scheme 2 was deployed everywhere.
fn parts_before(method: &Method, route: &str, parameters: &[(String, String)], body: &[u8]) -> Vec<Vec<u8>> {
    let id = parameters.first().map(|(_, value)| value.as_bytes().to_vec());
    let action = route.rsplit('/').next().unwrap_or_default();
    let label = if id.is_some() { format!("{method} {action}") } else { format!("{method} {route}") };
    [Some(label.into_bytes()), id, Some(body.to_vec())].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_scheme_before_are_compared_by_the_parts_that_each_route_had() {
        let parts = |route: &str, parameters: &[(String, String)]| {
            parts_before(&Method::POST, route, parameters, b"{}").join(&b'|')
        };
        let payment = [("transaction_id".to_owned(), "stripe:pi_1".to_owned())];
        let case = [("id".to_owned(), "cas_1".to_owned())];
        for (route, parameters, expected) in [
            ("/v1/payments", &[] as &[_], "POST /v1/payments|{}"),
            ("/v1/payments/{transaction_id}/confirmation", &payment, "POST confirmation|stripe:pi_1|{}"),
            ("/v1/payments/{transaction_id}/refunds", &payment, "POST refunds|stripe:pi_1|{}"),
            ("/v1/cases/{id}/classify", &case, "POST classify|cas_1|{}"),
        ] {
            assert_eq!(parts(route, parameters), expected.as_bytes(), "{route}");
        }
    }
}
