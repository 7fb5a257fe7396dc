//! `POST /v1/payments` and `POST /v1/payments/{transaction_id}/confirmation`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use http::HeaderMap;
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::correlation;
use quittance_lambda::idempotency_key;
use quittance_lambda::openapi::parameters::{ChangeHeaders, PaymentPath};
use quittance_lambda::openapi::responses::UnknownInBody;
use quittance_lambda::problem::Problem;
use quittance_store::invoices;

use crate::Validator;
use crate::bodies::{AcceptedOnce, Confirmation, NewPayment};
use crate::commands::{ClaimRequest, ConfirmRequest};
use crate::once::send_once;

/// Claims that an invoice was paid or, with a payment method, charges the payment through its gateway.
#[utoipa::path(
    post,
    path = "/v1/payments",
    operation_id = "claimPayment",
    tag = "payments",
    params(ChangeHeaders),
    request_body = NewPayment,
    responses(AcceptedOnce, UnknownInBody)
)]
pub(crate) async fn claim(
    State(validator): State<Arc<Validator>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let reach = caller.may(Permission::ClaimPayments)?;
    let key = idempotency_key::read(&headers)?;
    let request = ClaimRequest::parse(&body)?;
    if request.payment_method.is_some() && reach.client_id().is_some() {
        // Nothing ties a gateway's card or mandate to a client, so knowing its reference is not sufficient.
        return Err(Problem::forbidden("only the platform's machine clients and staff may have payments collected"));
    }
    let owner = invoices::owner(&validator.database, request.invoice_id).await.map_err(|error| {
        tracing::error!(invoice.id = %request.invoice_id, error = %Chain(&error), "owner of the invoice could not be read");
        Problem::unavailable(2)
    })?;
    let client_id =
        owner.map(|(client_id, _)| client_id).filter(|owner| reach.client_id().is_none_or(|own| own == *owner));
    let Some(client_id) = client_id else { return Err(Problem::not_found("invoice", request.invoice_id)) };
    let evidence = request.evidence(&caller.name, Some(client_id), &key, Utc::now());
    let record_key = evidence.event_id.clone();
    let command = match request.charge(&caller.name, client_id, &key, Utc::now()) {
        Some(command) => PaymentCommand::ChargePayment(command),
        None => PaymentCommand::from_evidence(evidence),
    };
    let content: [&[u8]; 2] = [b"POST /v1/payments", &body];
    send_once(&validator, &key, &record_key, &content, command, correlation::correlation_id(&headers), async || Ok(()))
        .await
}

/// Confirms a payment, refund or reversal on behalf of a trusted machine. Payment and invoice may be unknown: money is
/// never refused.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/confirmation",
    operation_id = "confirmPayment",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = Confirmation,
    responses(AcceptedOnce)
)]
pub(crate) async fn confirm(
    State(validator): State<Arc<Validator>>,
    caller: Caller,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::ConfirmPayments)?;
    let key = idempotency_key::read(&headers)?;
    let request = ConfirmRequest::parse(&transaction_id, &body)?;
    let evidence = request.evidence(&caller.name, &key, Utc::now());
    let content: [&[u8]; 3] = [b"POST confirmation", transaction_id.as_bytes(), &body];
    let record_key = evidence.event_id.clone();
    let command = PaymentCommand::from_evidence(evidence);
    send_once(&validator, &key, &record_key, &content, command, correlation::correlation_id(&headers), async || Ok(()))
        .await
}
