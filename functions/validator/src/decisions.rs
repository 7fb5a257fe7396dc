//! Staff decisions: refunds, cases, and merging duplicates.
//!
//! The API refuses unknown ids and what is known to be impossible: a decision about a closed case, a refund of more
//! than is left. Whether a decision can be carried out is decided by the processor, under its locks: a refusal is
//! recorded with the refund or the case.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use quittance_domain::case::{CaseDecision, CaseRefusal};
use quittance_domain::command::{DecideCase, MergePayments, PaymentCommand, RequestRefund, UnmatchPayment};
use quittance_domain::id::{CaseId, RefundId, TransactionId};
use quittance_domain::money::PositiveMoney;
use quittance_domain::refund;
use quittance_lambda::change::{ChangeHead, ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::{CasePath, ChangeHeaders, PaymentPath};
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_store::{cases, decisions, references, refunds};
use uuid::Uuid;

use crate::Validator;
use crate::api::named_invoice;
use crate::bodies::{
    AcceptedOnce, Application, Classification, Decision, DecisionGrounds, Merge, NewRefundRequest, Unmatch,
};

/// Derives refund ids from the request, so that a repeated request asks for the same refund.
const REFUND_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_2c1e_7a54_4c1b_9b0e_5d6a_7c3f_1e42);

/// Requests a refund.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/refunds",
    operation_id = "requestRefund",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = NewRefundRequest,
    responses(AcceptedOnce)
)]
pub(crate) async fn refund(
    State(validator): State<Arc<Validator>>,
    Path(transaction_id): Path<String>,
    ChangeRequest { head, body }: ChangeRequest<NewRefundRequest>,
) -> Result<Response, Reply> {
    let transaction_id = known_payment(&validator, &transaction_id).await?;
    let (amount, terms) = (body.amount, body.terms());
    let refund_id = RefundId::from_uuid(Uuid::new_v5(&REFUND_NAMESPACE, head.request_id().as_bytes()));
    let check = async || refundable(&validator, &transaction_id, amount, refund_id).await;
    let command = PaymentCommand::RequestRefund(RequestRefund {
        transaction_id: transaction_id.clone(),
        refund_id,
        amount,
        terms,
        reason: body.reason.into(),
        actor: head.caller.name.clone(),
    });
    validator.begin(head).await?.send_unless(command, check).await
}

/// 409 for a refund that is known to be too high, or in a currency other than its payment's, unless it was decided
/// before.
async fn refundable(
    validator: &Validator,
    name: &TransactionId,
    asked: PositiveMoney,
    refund_id: RefundId,
) -> Result<(), Reply> {
    let left = refunds::refundable(&validator.database, name).await?;
    let Some(refusal) = left.and_then(|left| refund::refuse(asked.into(), left)) else { return Ok(()) };
    unless_decided(validator, &refund_id.to_string(), format!("payment {name}: {refusal}")).await
}

/// 409, unless the request was decided before: then the first response is repeated.
pub(crate) async fn unless_decided(validator: &Validator, request: &str, refusal: String) -> Result<(), Reply> {
    let is_decided = decisions::is_recorded(&validator.database, request).await?;
    if is_decided { Ok(()) } else { Err(Problem::conflict(refusal).into()) }
}

/// Merges a duplicate into this payment.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/merge",
    operation_id = "mergePayments",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = Merge,
    responses(AcceptedOnce)
)]
pub(crate) async fn merge(
    State(validator): State<Arc<Validator>>,
    Path(transaction_id): Path<String>,
    ChangeRequest { head, body }: ChangeRequest<Merge>,
) -> Result<Response, Reply> {
    let command = PaymentCommand::MergePayments(MergePayments {
        transaction_id: known_payment(&validator, &transaction_id).await?,
        duplicate: known_payment(&validator, body.twin.as_str()).await?,
        reason: body.reason.into(),
        actor: head.caller.name.clone(),
        request: head.request_id(),
    });
    validator.begin(head).await?.send(command).await
}

/// Releases a payment from an invoice for good: the invoice is owed again, and the money waits in a case.
///
/// Unapplied cash of other payments that name the invoice may pay it then. Nothing else of other payments changes.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/unmatch",
    operation_id = "unmatchPayment",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = Unmatch,
    responses(AcceptedOnce)
)]
pub(crate) async fn unmatch(
    State(validator): State<Arc<Validator>>,
    Path(transaction_id): Path<String>,
    ChangeRequest { head, body }: ChangeRequest<Unmatch>,
) -> Result<Response, Reply> {
    let command = PaymentCommand::UnmatchPayment(UnmatchPayment {
        transaction_id: known_payment(&validator, &transaction_id).await?,
        invoice_id: named_invoice(&validator, &body.invoice_id, head.reach).await?,
        reason: body.reason.into(),
        actor: head.caller.name.clone(),
        request: head.request_id(),
    });
    validator.begin(head).await?.send(command).await
}

/// Approves a claimed payment, or one that was entered by hand; above a limit a second person has to approve.
#[utoipa::path(
    post,
    path = "/v1/cases/{id}/approve",
    operation_id = "approveCase",
    tag = "cases",
    params(CasePath, ChangeHeaders),
    request_body = Decision,
    responses(AcceptedOnce)
)]
pub(crate) async fn approve(
    State(validator): State<Arc<Validator>>,
    PathId(id): PathId<CaseId>,
    ChangeRequest { head, body }: ChangeRequest<Decision>,
) -> Result<Response, Reply> {
    decide(&validator, head, id, CaseDecision::Approve, body.into()).await
}

/// Applies the unapplied cash of a case to another invoice of the client.
#[utoipa::path(
    post,
    path = "/v1/cases/{id}/apply",
    operation_id = "applyCase",
    tag = "cases",
    params(CasePath, ChangeHeaders),
    request_body = Application,
    responses(AcceptedOnce)
)]
pub(crate) async fn apply(
    State(validator): State<Arc<Validator>>,
    PathId(id): PathId<CaseId>,
    ChangeRequest { head, body }: ChangeRequest<Application>,
) -> Result<Response, Reply> {
    let invoice_id = named_invoice(&validator, &body.invoice_id, head.reach).await?;
    let decision = CaseDecision::Apply { invoice_id };
    decide(&validator, head, id, decision, body.into()).await
}

/// Classifies an unexplained refund.
#[utoipa::path(
    post,
    path = "/v1/cases/{id}/classify",
    operation_id = "classifyCase",
    tag = "cases",
    params(CasePath, ChangeHeaders),
    request_body = Classification,
    responses(AcceptedOnce)
)]
pub(crate) async fn classify(
    State(validator): State<Arc<Validator>>,
    PathId(id): PathId<CaseId>,
    ChangeRequest { head, body }: ChangeRequest<Classification>,
) -> Result<Response, Reply> {
    let decision = CaseDecision::Classify { terms: body.terms() };
    decide(&validator, head, id, decision, body.into()).await
}

/// Refunds the unapplied cash of a case.
#[utoipa::path(
    post,
    path = "/v1/cases/{id}/refund",
    operation_id = "refundCase",
    tag = "cases",
    params(CasePath, ChangeHeaders),
    request_body = Decision,
    responses(AcceptedOnce)
)]
pub(crate) async fn refund_case(
    State(validator): State<Arc<Validator>>,
    PathId(id): PathId<CaseId>,
    ChangeRequest { head, body }: ChangeRequest<Decision>,
) -> Result<Response, Reply> {
    decide(&validator, head, id, CaseDecision::Refund, body.into()).await
}

/// Dismisses a case without changing anything.
#[utoipa::path(
    post,
    path = "/v1/cases/{id}/dismiss",
    operation_id = "dismissCase",
    tag = "cases",
    params(CasePath, ChangeHeaders),
    request_body = Decision,
    responses(AcceptedOnce)
)]
pub(crate) async fn dismiss(
    State(validator): State<Arc<Validator>>,
    PathId(id): PathId<CaseId>,
    ChangeRequest { head, body }: ChangeRequest<Decision>,
) -> Result<Response, Reply> {
    decide(&validator, head, id, CaseDecision::Dismiss, body.into()).await
}

async fn decide(
    validator: &Validator,
    head: ChangeHead,
    case_id: CaseId,
    decision: CaseDecision,
    grounds: DecisionGrounds,
) -> Result<Response, Reply> {
    let found = cases::find(&validator.database, case_id).await?;
    let case = found.ok_or_else(|| Problem::not_found("case", case_id))?;
    let request = head.request_id();
    let check = async || match case.resolution {
        Some(how) => unless_decided(validator, &request, format!("case {case_id}: {}", CaseRefusal::Closed(how))).await,
        None => Ok(()),
    };
    let command = PaymentCommand::DecideCase(DecideCase {
        transaction_id: case.transaction_id,
        case_id,
        decision,
        amount: grounds.amount,
        reason: grounds.reason,
        actor: head.caller.name.clone(),
        request: request.clone(),
    });
    validator.begin(head).await?.send_unless(command, check).await
}

/// The main transaction id of a payment, given any of its ids.
async fn known_payment(validator: &Validator, reference: &str) -> Result<TransactionId, Reply> {
    let not_found = || Problem::not_found("payment", reference.chars().take(100).collect::<String>());
    let (_, name) = TransactionId::with_provider(reference).map_err(|_| not_found())?;
    let found = references::payment_named(&validator.database, &name).await?;
    Ok(found.ok_or_else(not_found)?)
}
