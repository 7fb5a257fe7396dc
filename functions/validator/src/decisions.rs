//! Staff decisions: refunds, cases, and merging duplicates.
//!
//! The API refuses unknown ids and what is known to be impossible: a decision about a closed case, a refund of more
//! than is left. Whether a decision can be carried out is decided by the processor, under its locks: a refusal is
//! recorded with the refund or the case.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use quittance_domain::case::{CaseDecision, CaseRefusal};
use quittance_domain::command::{DecideCase, MergePayments, PaymentCommand, RequestRefund, UnmatchPayment};
use quittance_domain::error::Chain;
use quittance_domain::id::{CaseId, InvoiceId, RefundId, TransactionId};
use quittance_domain::money::PositiveMoney;
use quittance_domain::refund;
use quittance_domain::refund_reason::{RefundReason, RefundTerms};
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::correlation;
use quittance_lambda::fields::Fields;
use quittance_lambda::idempotency_key;
use quittance_lambda::openapi::parameters::{CasePath, ChangeHeaders, PaymentPath};
use quittance_lambda::problem::Problem;
use quittance_store::{StoreError, cases, decisions, references, refunds};
use uuid::Uuid;

use crate::Validator;
use crate::bodies::{AcceptedOnce, Application, Classification, Decision, Merge, NewRefund, Unmatch};
use crate::once::send_once;

/// The longest reason, in characters.
pub(crate) const REASON_LENGTH_MAX: usize = 500;

/// Derives refund ids from the request, so that a repeated request asks for the same refund.
const REFUND_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_2c1e_7a54_4c1b_9b0e_5d6a_7c3f_1e42);

/// A staff request: the caller, the key, and its content.
pub(crate) struct StaffRequest<'a> {
    pub(crate) caller: Caller,
    pub(crate) key: String,
    headers: HeaderMap,
    content: [&'a [u8]; 3],
}

impl<'a> StaffRequest<'a> {
    pub(crate) fn read(
        caller: Caller,
        permission: Permission,
        headers: HeaderMap,
        content: [&'a [u8]; 3],
    ) -> Result<Self, Problem> {
        caller.may(permission)?;
        let key = idempotency_key::read(&headers)?;
        Ok(Self { caller, key, headers, content })
    }

    /// The request's id, made of the caller and their key.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.caller.name, self.key)
    }

    async fn send(&self, validator: &Validator, command: PaymentCommand) -> Result<Response, Problem> {
        self.send_checked(validator, command, async || Ok(())).await
    }

    /// Sends the command unless `check` refuses it as impossible.
    pub(crate) async fn send_checked(
        &self,
        validator: &Validator,
        command: PaymentCommand,
        check: impl AsyncFnOnce() -> Result<(), Problem>,
    ) -> Result<Response, Problem> {
        let (name, correlation_id) = (self.name(), correlation::correlation_id(&self.headers));
        send_once(validator, self.key.as_str(), &name, &self.content, command, correlation_id, check).await
    }
}

/// Requests a refund.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/refunds",
    operation_id = "requestRefund",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = NewRefund,
    responses(AcceptedOnce)
)]
pub(crate) async fn refund(
    State(validator): State<Arc<Validator>>,
    caller: Caller,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST refunds", transaction_id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::RefundPayments, headers, content)?;
    let mut fields = Fields::parse(&body)?;
    let (amount, reason) = (fields.money("amount"), fields.text("reason", 1, REASON_LENGTH_MAX));
    let reason_kind = fields.optional::<RefundReason>("reason_kind");
    let terms = RefundTerms {
        reason: reason_kind.unwrap_or_default(),
        reopens: fields.has("reopen") && fields.flag("reopen").unwrap_or_default(),
    };
    fields.finish()?;
    let (Some(amount), Some(reason)) = (amount, reason) else { return Err(Problem::invalid(Vec::new())) };
    let transaction_id = known_payment(&validator, &transaction_id).await?;
    let refund_id = RefundId::from_uuid(Uuid::new_v5(&REFUND_NAMESPACE, request.name().as_bytes()));
    let actor = request.caller.name.clone();
    let check = async || refundable(&validator, &transaction_id, amount, refund_id).await;
    let command = RequestRefund { transaction_id: transaction_id.clone(), refund_id, amount, terms, reason, actor };
    request.send_checked(&validator, PaymentCommand::RequestRefund(command), check).await
}

/// 409 for a refund that is known to be too high, or in a currency other than its payment's, unless it was decided
/// before.
async fn refundable(
    validator: &Validator,
    name: &TransactionId,
    asked: PositiveMoney,
    refund_id: RefundId,
) -> Result<(), Problem> {
    let left = refunds::refundable(&validator.database, name).await.map_err(|error| unavailable(&error))?;
    let Some(refusal) = left.and_then(|left| refund::refuse(asked.into(), left)) else { return Ok(()) };
    unless_decided(validator, &refund_id.to_string(), format!("payment {name}: {refusal}")).await
}

/// 409, unless the request was decided before: then the first response is repeated.
pub(crate) async fn unless_decided(validator: &Validator, request: &str, refusal: String) -> Result<(), Problem> {
    let is_decided = decisions::is_recorded(&validator.database, request).await.map_err(|error| unavailable(&error))?;
    if is_decided { Ok(()) } else { Err(Problem::conflict(refusal)) }
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
    caller: Caller,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST merge", transaction_id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    let mut fields = Fields::parse(&body)?;
    let (duplicate, reason) =
        (fields.text("twin", 1, TransactionId::LENGTH_MAX), fields.text("reason", 1, REASON_LENGTH_MAX));
    fields.finish()?;
    let (Some(duplicate), Some(reason)) = (duplicate, reason) else { return Err(Problem::invalid(Vec::new())) };
    let command = PaymentCommand::MergePayments(MergePayments {
        transaction_id: known_payment(&validator, &transaction_id).await?,
        duplicate: known_payment(&validator, &duplicate).await?,
        reason,
        actor: request.caller.name.clone(),
        request: request.name(),
    });
    request.send(&validator, command).await
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
    caller: Caller,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST unmatch", transaction_id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    let mut fields = Fields::parse(&body)?;
    let invoice_id = fields.required::<InvoiceId>("invoice_id");
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    fields.finish()?;
    let (Some(invoice_id), Some(reason)) = (invoice_id, reason) else { return Err(Problem::invalid(Vec::new())) };
    let command = PaymentCommand::UnmatchPayment(UnmatchPayment {
        transaction_id: known_payment(&validator, &transaction_id).await?,
        invoice_id,
        reason,
        actor: request.caller.name.clone(),
        request: request.name(),
    });
    request.send(&validator, command).await
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
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST approve", id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    decide(&validator, &request, &id, CaseDecision::Approve, DecisionGrounds::read(Fields::parse(&body)?)?).await
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
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST apply", id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    let mut fields = Fields::parse(&body)?;
    let invoice_id = fields.required::<InvoiceId>("invoice_id");
    let grounds = DecisionGrounds::read(fields)?;
    let Some(invoice_id) = invoice_id else { return Err(Problem::invalid(Vec::new())) };
    decide(&validator, &request, &id, CaseDecision::Apply { invoice_id }, grounds).await
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
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST classify", id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    let mut fields = Fields::parse(&body)?;
    let reason_kind = fields.required::<RefundReason>("reason_kind");
    let reopens = fields.has("reopen") && fields.flag("reopen").unwrap_or_default();
    if reason_kind == Some(RefundReason::Unspecified) && !reopens {
        fields.problem("reason_kind", "must state the reason of the refund");
    }
    let grounds = DecisionGrounds::read(fields)?;
    let Some(reason) = reason_kind else { return Err(Problem::invalid(Vec::new())) };
    let terms = RefundTerms { reason, reopens };
    decide(&validator, &request, &id, CaseDecision::Classify { terms }, grounds).await
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
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST refund", id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    decide(&validator, &request, &id, CaseDecision::Refund, DecisionGrounds::read(Fields::parse(&body)?)?).await
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
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST dismiss", id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    decide(&validator, &request, &id, CaseDecision::Dismiss, DecisionGrounds::read(Fields::parse(&body)?)?).await
}

/// The reason of a decision about a case, and the amount that the caller saw: a case that has changed since must be
/// reviewed again.
struct DecisionGrounds {
    reason: String,
    amount: Option<PositiveMoney>,
}

impl DecisionGrounds {
    /// Reads the rest of a body, and refuses the body if it has problems.
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let (reason, amount) = (fields.text("reason", 1, REASON_LENGTH_MAX), fields.optional_money("amount"));
        fields.finish()?;
        reason.map(|reason| Self { reason, amount }).ok_or_else(|| Problem::invalid(Vec::new()))
    }
}

async fn decide(
    validator: &Validator,
    request: &StaffRequest<'_>,
    id: &str,
    decision: CaseDecision,
    grounds: DecisionGrounds,
) -> Result<Response, Problem> {
    let not_found = || Problem::not_found("case", id.chars().take(60).collect::<String>());
    let case_id: CaseId = id.parse().map_err(|_| not_found())?;
    let found = cases::find(&validator.database, case_id).await.map_err(|error| unavailable(&error))?;
    let case = found.ok_or_else(not_found)?;
    let name = request.name();
    let check = async || match case.resolution {
        Some(how) => unless_decided(validator, &name, format!("case {case_id}: {}", CaseRefusal::Closed(how))).await,
        None => Ok(()),
    };
    let command = PaymentCommand::DecideCase(DecideCase {
        transaction_id: case.transaction_id,
        case_id,
        decision,
        amount: grounds.amount,
        reason: grounds.reason,
        actor: request.caller.name.clone(),
        request: name.clone(),
    });
    request.send_checked(validator, command, check).await
}

/// The main transaction id of a payment, given any of its ids.
async fn known_payment(validator: &Validator, reference: &str) -> Result<TransactionId, Problem> {
    let not_found = || Problem::not_found("payment", reference.chars().take(100).collect::<String>());
    let (_, name) = TransactionId::with_provider(reference).map_err(|_| not_found())?;
    let found = references::payment_named(&validator.database, &name).await.map_err(|error| unavailable(&error))?;
    found.ok_or_else(not_found)
}

pub(crate) fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(error = %Chain(&error), "the database failed");
    Problem::unavailable(2)
}
