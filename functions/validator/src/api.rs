//! `POST /v1/payments` and `POST /v1/payments/{transaction_id}/confirmation`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use quittance_domain::command::PaymentCommand;
use quittance_domain::id::InvoiceId;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::caller::Reach;
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
    let invoice_id = named_invoice(&validator, &body.invoice_id, head.reach).await?;
    let owner = invoices::owner(&validator.database, invoice_id).await?;
    let owner = owner.map(|(client_id, _)| client_id).filter(|owner| reach.is_none_or(|own| own == *owner));
    let is_hidden = reach.is_some() && invoices::is_draft(&validator.database, invoice_id).await?;
    let owner = owner.filter(|_| !is_hidden);
    let client_id = owner.ok_or_else(|| Problem::not_found("invoice", &body.invoice_id))?;
    let (caller, named, now) = (head.caller.name.as_str(), (invoice_id, client_id), Utc::now());
    let command = match body.charge(caller, named, &head.key, now) {
        Some(command) => PaymentCommand::ChargePayment(command),
        None => PaymentCommand::from_evidence(body.evidence(caller, named, &head.key, now)),
    };
    validator.begin(head).await?.send(command).await
}

/// The id of an invoice that a request names.
pub(crate) async fn named_invoice(
    validator: &Validator,
    named: &InvoiceIdOrNumber,
    reach: Reach,
) -> Result<InvoiceId, Problem> {
    let found = invoices::resolve(&validator.database, &named.0, reach.client_id()).await?;
    found.ok_or_else(|| Problem::not_found("invoice", named))
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
