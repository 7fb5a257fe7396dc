//! `POST /v1/payments` and `POST /v1/payments/{transaction_id}/confirmation`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use quittance_domain::command::PaymentCommand;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::{ChangeHeaders, PaymentPath};
use quittance_lambda::openapi::responses::UnknownInBody;
use quittance_lambda::problem::Problem;
use quittance_store::invoices;

use crate::Validator;
use crate::bodies::AcceptedOnce;
use crate::commands::{Confirmation, NewPayment};

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
    ChangeRequest { head, body }: ChangeRequest<NewPayment>,
) -> Result<Response, Reply> {
    let reach = head.reach.client_id();
    if body.payment_method.is_some() && reach.is_some() {
        // Nothing ties a gateway's card or mandate to a client, so knowing its reference is not sufficient.
        let detail = "only the platform's machine clients and staff may have payments collected";
        return Err(Problem::forbidden(detail).into());
    }
    let owner = invoices::owner(&validator.database, body.invoice_id).await?;
    let owner = owner.map(|(client_id, _)| client_id).filter(|owner| reach.is_none_or(|own| own == *owner));
    let client_id = owner.ok_or_else(|| Problem::not_found("invoice", body.invoice_id))?;
    let (caller, now) = (head.caller.name.as_str(), Utc::now());
    let command = match body.charge(caller, client_id, &head.key, now) {
        Some(command) => PaymentCommand::ChargePayment(command),
        None => PaymentCommand::from_evidence(body.evidence(caller, Some(client_id), &head.key, now)),
    };
    validator.begin(head).await?.send(command).await
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
    Path(transaction_id): Path<String>,
    ChangeRequest { head, body }: ChangeRequest<Confirmation>,
) -> Result<Response, Reply> {
    let movement = body.into_movement(&transaction_id)?;
    let evidence = movement.evidence(&head.caller.name, &head.key, Utc::now());
    validator.begin(head).await?.send(PaymentCommand::from_evidence(evidence)).await
}
