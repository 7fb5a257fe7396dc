//! `POST /v1/payments/{transaction_id}/evidence`: evidence that finance enters by hand.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use quittance_domain::command::{Evidence, PaymentCommand};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::TransactionId;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::{ChangeHeaders, PaymentPath};
use quittance_store::{StoreError, cases, refunds};

use crate::Validator;
use crate::bodies::AcceptedOnce;
use crate::commands::EvidenceByHand;
use crate::decisions::unless_decided;

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
    Path(transaction_id): Path<String>,
    ChangeRequest { head, body }: ChangeRequest<EvidenceByHand>,
) -> Result<Response, Reply> {
    let (movement, reason) = body.into_movement(&transaction_id)?;
    let request = head.request_id();
    let evidence = Evidence {
        channel: EvidenceChannel::Staff,
        event_id: request.clone(),
        reason: Some(reason),
        ..movement.evidence(&head.caller.name, &head.key, Utc::now())
    };
    let (payment, kind) = (evidence.transaction_id.clone(), evidence.kind);
    let check = async || match refusal(&validator, &payment, kind).await? {
        Some(refusal) => unless_decided(&validator, &request, format!("payment {payment}: {refusal}")).await,
        None => Ok(()),
    };
    validator.begin(head).await?.send_unless(PaymentCommand::EnterEvidence(evidence), check).await
}

/// Why the evidence is certain to be refused.
async fn refusal(
    validator: &Validator,
    payment: &TransactionId,
    kind: FactKind,
) -> Result<Option<&'static str>, StoreError> {
    if cases::is_entry_waiting(&validator.database, payment).await? {
        return Ok(Some("another entry awaits a second person's approval; approve or dismiss its case first"));
    }
    let proven = refunds::refundable(&validator.database, payment).await?;
    let is_proven = kind == FactKind::Capture && proven.is_some();
    Ok(is_proven.then_some("it is proven already; enter further money as a separate payment, under another name"))
}
