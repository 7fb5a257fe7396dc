//! `POST /v1/payments/{transaction_id}/evidence`: evidence that finance enters by hand.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use http::HeaderMap;
use quittance_domain::command::{Evidence, PaymentCommand};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::TransactionId;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::{ChangeHeaders, PaymentPath};
use quittance_lambda::problem::Problem;
use quittance_store::{cases, refunds};

use crate::Validator;
use crate::bodies::{AcceptedOnce, EvidenceByHand};
use crate::commands::ConfirmRequest;
use crate::decisions::{REASON_LENGTH_MAX, StaffRequest, unavailable, unless_decided};

/// The kinds of evidence that staff may enter; the first is the default.
pub(crate) const ENTERABLE: [FactKind; 4] =
    [FactKind::Capture, FactKind::Refund, FactKind::RefundFailure, FactKind::Reversal];

/// Enters evidence of a payment, refund or reversal by hand. Payment and invoice may be unknown; a capture is accepted
/// only for a payment that is not proven yet.
///
/// Above 10,000 for one payer on one day, summed over everything that single persons entered or approved, the entry
/// waits in a case of kind `entered_by_hand` until somebody else approves it; until then a capture counts as a claim.
/// The person who enters a capture cannot apply or refund its unapplied cash.
#[utoipa::path(
    post,
    path = "/v1/payments/{transaction_id}/evidence",
    operation_id = "enterEvidence",
    tag = "payments",
    params(PaymentPath, ChangeHeaders),
    request_body = EvidenceByHand,
    responses(AcceptedOnce)
)]
pub(crate) async fn enter(
    State(validator): State<Arc<Validator>>,
    caller: Caller,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content: [&[u8]; 3] = [b"POST evidence", transaction_id.as_bytes(), &body];
    let request = StaffRequest::read(caller, Permission::DecideCases, headers, content)?;
    let (known, reason) = parse(&transaction_id, &body)?;
    let name = request.name();
    let evidence = Evidence {
        channel: EvidenceChannel::Staff,
        event_id: name.clone(),
        reason: Some(reason),
        ..known.evidence(&request.caller.name, &request.key, Utc::now())
    };
    let (payment, kind) = (evidence.transaction_id.clone(), evidence.kind);
    let check = async || match refusal(&validator, &payment, kind).await? {
        Some(refusal) => unless_decided(&validator, &name, format!("payment {payment}: {refusal}")).await,
        None => Ok(()),
    };
    request.send_checked(&validator, PaymentCommand::EnterEvidence(evidence), check).await
}

/// Why the evidence is certain to be refused.
async fn refusal(
    validator: &Validator,
    payment: &TransactionId,
    kind: FactKind,
) -> Result<Option<&'static str>, Problem> {
    let is_waiting = cases::is_entry_waiting(&validator.database, payment).await;
    if is_waiting.map_err(|error| unavailable(&error))? {
        return Ok(Some("another entry awaits a second person's approval; approve or dismiss its case first"));
    }
    let proven = refunds::refundable(&validator.database, payment).await.map_err(|error| unavailable(&error))?;
    let is_proven = kind == FactKind::Capture && proven.is_some();
    Ok(is_proven.then_some("it is proven already; enter further money as a separate payment, under another name"))
}

fn parse(transaction_id: &str, body: &[u8]) -> Result<(ConfirmRequest, String), Problem> {
    let mut fields = Fields::parse(body)?;
    let known = ConfirmRequest::read(&mut fields, transaction_id, &ENTERABLE);
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    if known.as_ref().is_some_and(|known| known.kind != FactKind::Capture && !known.invoices.is_empty()) {
        fields.problem("invoice_id", "only received money (`capture`) can name invoices");
    }
    fields.finish()?;
    // If members are missing, `finish` has failed already.
    known.zip(reason).ok_or_else(|| Problem::invalid(Vec::new()))
}
