//! `/v1/ledger/corrections`: corrections above the limit, which need a second person's approval.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use deserr::Deserr;
use http::StatusCode;
use quittance_domain::id::{CorrectionId, LedgerTransactionId};
use quittance_lambda::body::{self, Faults};
use quittance_lambda::change::{ChangeHead, ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::Conflict;
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, NoFilters, PageParameters};
use quittance_store::proposed_corrections::{self, CorrectionDecision};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Reason;
use super::corrections::{Correction, Replacement, correct};
use crate::Billing;
use crate::idempotent_change::IdempotentChange;

/// A correction above the amount that one person may approve alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CorrectionProposal {
    id: CorrectionId,
    /// The transaction that it reverses.
    reverses: LedgerTransactionId,
    /// The reason.
    reason: String,
    /// The correct posting.
    #[schema(required, value_type = Option<Replacement>)]
    replacement: Option<Value>,
    /// Who proposed it; this person cannot approve it.
    proposed_by: String,
    /// When it was proposed.
    proposed_at: DateTime<Utc>,
}

impl From<proposed_corrections::ProposedCorrection> for CorrectionProposal {
    fn from(proposed: proposed_corrections::ProposedCorrection) -> Self {
        Self {
            id: proposed.id,
            reverses: proposed.transaction_id,
            reason: proposed.reason,
            replacement: proposed.replacement,
            proposed_by: proposed.proposed_by,
            proposed_at: proposed.proposed_at,
        }
    }
}

/// A page of corrections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CorrectionProposals {
    /// Oldest first.
    corrections: Vec<CorrectionProposal>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The reason of the decision.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"reason": "checked against the contract"})))]
pub(crate) struct CorrectionDecided {
    /// The reason, for the audit record.
    reason: Reason,
}

/// A correction that was dismissed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": CorrectionId::EXAMPLE, "reverses": LedgerTransactionId::EXAMPLE, "status": "dismissed",
})))]
pub(crate) struct DismissedCorrection {
    id: CorrectionId,
    /// The transaction that it would have reversed.
    reverses: LedgerTransactionId,
    /// `dismissed`.
    status: &'static str,
}

/// Stores a correction for a second person's approval.
pub(super) async fn propose(
    mut work: IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    reason: String,
    replacement: Option<Replacement>,
) -> Result<Response, Reply> {
    let proposed = proposed_corrections::ProposedCorrection {
        id: CorrectionId::from_uuid(Uuid::now_v7()),
        transaction_id: reversed,
        reason,
        replacement: replacement.map(|replacement| json!(replacement)),
        proposed_by: work.actor().to_owned(),
        proposed_at: Utc::now(),
    };
    if !proposed_corrections::insert(&mut work.transaction, &proposed).await? {
        let detail =
            format!("another correction of ledger transaction {reversed} awaits approval; approve or dismiss it first");
        return Err(Problem::conflict(detail).into());
    }
    let shown = CorrectionProposal::from(proposed);
    work.audit("ledger.correction_proposed", reversed.to_string(), Value::Null, json!(shown)).await?;
    work.finish(StatusCode::ACCEPTED, &shown).await
}

/// Lists corrections that await a second person's approval, oldest first.
#[utoipa::path(
    get,
    path = "/v1/ledger/corrections",
    operation_id = "listCorrections",
    tag = "ledger",
    params(PageParameters),
    responses((status = 200, description = "A page of corrections.", body = CorrectionProposals))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    ListRequest { page, .. }: ListRequest<NoFilters, CorrectionId>,
) -> Result<Json<CorrectionProposals>, Reply> {
    let found = proposed_corrections::list(&billing.database, page.after, page.to_read()).await?;
    let found = found.into_iter().map(CorrectionProposal::from).collect();
    let (corrections, next_cursor) = page.cut(found, |correction| correction.id.to_string());
    Ok(Json(CorrectionProposals { corrections, next_cursor }))
}

/// Approves and posts a correction that somebody else proposed.
#[utoipa::path(
    post,
    path = "/v1/ledger/corrections/{id}/approve",
    operation_id = "approveCorrection",
    tag = "ledger",
    params(("id" = CorrectionId, Path, description = "The correction."), ChangeHeaders),
    request_body = CorrectionDecided,
    responses((status = 201, description = "The reversing transaction.", body = Correction), Conflict)
)]
pub(crate) async fn approve(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<CorrectionId>,
    ChangeRequest { head, body }: ChangeRequest<CorrectionDecided>,
) -> Result<Response, Reply> {
    let (mut work, proposed) = decide(&billing, id, head, body, CorrectionDecision::Approved).await?;
    let replacement = proposed.replacement.filter(|replacement| !replacement.is_null());
    let replacement = replacement.map(body::from_value::<Replacement>).transpose()?;
    let correction = correct(&mut work, proposed.transaction_id, &proposed.reason, replacement.as_ref()).await?;
    work.finish(StatusCode::CREATED, &correction).await
}

/// Dismisses a proposed correction; its proposer may do so, too.
#[utoipa::path(
    post,
    path = "/v1/ledger/corrections/{id}/dismiss",
    operation_id = "dismissCorrection",
    tag = "ledger",
    params(("id" = CorrectionId, Path, description = "The correction."), ChangeHeaders),
    request_body = CorrectionDecided,
    responses((status = 200, description = "The dismissed correction.", body = DismissedCorrection), Conflict)
)]
pub(crate) async fn dismiss(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<CorrectionId>,
    ChangeRequest { head, body }: ChangeRequest<CorrectionDecided>,
) -> Result<Response, Reply> {
    let decision = CorrectionDecision::Dismissed;
    let (work, proposed) = decide(&billing, id, head, body, decision).await?;
    let shown = DismissedCorrection { id: proposed.id, reverses: proposed.transaction_id, status: decision.as_str() };
    work.finish(StatusCode::OK, &shown).await
}

/// Locks an open correction, and records and audits the decision.
async fn decide(
    billing: &Billing,
    id: CorrectionId,
    head: ChangeHead,
    body: CorrectionDecided,
    decision: CorrectionDecision,
) -> Result<(IdempotentChange<'_>, proposed_corrections::ProposedCorrection), Reply> {
    let mut work = billing.begin(head).await?;
    let found = proposed_corrections::lock(&mut work.transaction, id).await?;
    let (proposed, decided) = found.ok_or_else(|| Problem::not_found("correction", id))?;
    if let Some(decided) = decided {
        return Err(Problem::conflict(format!("correction {id} is {decided} already")).into());
    }
    if decision == CorrectionDecision::Approved && proposed.proposed_by == work.actor() {
        let detail = format!("correction {id}: the person who proposed it cannot approve it; another person has to");
        return Err(Problem::conflict(detail).into());
    }
    let actor = work.actor().to_owned();
    proposed_corrections::decide(&mut work.transaction, id, decision, &actor).await?;
    let before = json!(CorrectionProposal::from(proposed.clone()));
    let after = json!({"status": decision.as_str(), "reason": body.reason, "proposed_by": proposed.proposed_by});
    work.audit("ledger.correction_decided", id.to_string(), before, after).await?;
    Ok((work, proposed))
}
