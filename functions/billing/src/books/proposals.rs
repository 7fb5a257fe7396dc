//! `/v1/ledger/corrections`: corrections above the limit, which need a second person's approval.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use quittance_domain::id::{CorrectionId, LedgerTransactionId};
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::Conflict;
use quittance_lambda::openapi::schema::{object, or_null, refer, refer_as, text, time, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{described, parameters};
use quittance_store::proposed_corrections::{self, CorrectionDecision};
use serde_json::{Value, json};
use uuid::Uuid;

use super::REASON_LENGTH_MAX;
use super::corrections::{Correction, correct, parse, replacement_shape};
use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::page::{PageParameters, PageQuery};
use crate::{Billing, path_id, unavailable};

parameters! {
    pub(crate) CorrectionPath => [in_path("id", refer("CorrectionId"), "The correction.")]
}

described! {
    /// A correction that waits for a second person's approval.
    pub(crate) ProposedCorrection => object("A correction above the amount that one person may approve alone.")
        .with("id", refer("CorrectionId"))
        .with("reverses", refer_as("LedgerTransactionId", "The transaction that it reverses."))
        .with("reason", words("The reason."))
        .with("replacement", or_null(replacement_shape().open()))
        .with("proposed_by", words("Who proposed it; this person cannot approve it."))
        .with("proposed_at", time("When it was proposed."))
        .open()
}

described! {
    /// A page of corrections.
    pub(crate) ProposedCorrections =>
        crate::page::shape("corrections", "ProposedCorrection").open(), holding [ProposedCorrection]
}

described! {
    /// The reason of a decision about a correction.
    pub(crate) CorrectionDecided => object("The reason of the decision.")
        .with("reason", text(1, REASON_LENGTH_MAX, "The reason, for the audit record."))
        .closed_like(json!({"reason": "checked against the contract"}))
}

described! {
    pub(crate) DismissedCorrection => object("A correction that was dismissed.")
        .with("id", refer("CorrectionId"))
        .with("reverses", refer_as("LedgerTransactionId", "The transaction that it would have reversed."))
        .with("status", words("`dismissed`."))
        .open_like(json!({
            "id": examples::CORRECTION_ID, "reverses": examples::LEDGER_TRANSACTION_ID, "status": "dismissed",
        }))
}

fn to_json(proposed: &proposed_corrections::ProposedCorrection) -> Value {
    json!({
        "id": proposed.id, "reverses": proposed.transaction_id, "reason": proposed.reason,
        "replacement": proposed.replacement, "proposed_by": proposed.proposed_by, "proposed_at": proposed.proposed_at,
    })
}

/// Stores a correction for a second person's approval. `body` is the request's body, which was parsed without errors.
pub(super) async fn propose(
    mut work: IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    reason: String,
    body: &[u8],
) -> Result<Response, Problem> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| Problem::invalid(Vec::new()))?;
    let proposed = proposed_corrections::ProposedCorrection {
        id: CorrectionId::from_uuid(Uuid::now_v7()),
        transaction_id: reversed,
        reason,
        replacement: asked.get("replacement").cloned(),
        proposed_by: work.actor().to_owned(),
        proposed_at: Utc::now(),
    };
    if !proposed_corrections::insert(&mut work.transaction, &proposed).await.map_err(unavailable)? {
        let detail =
            format!("another correction of ledger transaction {reversed} awaits approval; approve or dismiss it first");
        return Err(Problem::conflict(detail));
    }
    let body = to_json(&proposed);
    work.audit("ledger.correction_proposed", reversed.to_string(), Value::Null, body.clone()).await?;
    work.commit(StatusCode::ACCEPTED, &body).await?;
    Ok(answer(StatusCode::ACCEPTED, body))
}

/// Lists corrections that await a second person's approval, oldest first.
#[utoipa::path(
    get,
    path = "/v1/ledger/corrections",
    operation_id = "listCorrections",
    tag = "ledger",
    params(PageParameters),
    responses((status = 200, description = "A page of corrections.", body = ProposedCorrections))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::ReadBooks)?;
    let page = query.page::<CorrectionId>()?;
    let found = proposed_corrections::list(&billing.database, page.after, page.to_read()).await.map_err(unavailable)?;
    let rows = found.iter().map(|proposed| (proposed.id.to_string(), to_json(proposed))).collect();
    Ok(Json(page.answer("corrections", rows)))
}

/// Approves and posts a correction that somebody else proposed.
#[utoipa::path(
    post,
    path = "/v1/ledger/corrections/{id}/approve",
    operation_id = "approveCorrection",
    tag = "ledger",
    params(CorrectionPath, ChangeHeaders),
    request_body = CorrectionDecided,
    responses((status = 201, description = "The reversing transaction.", body = Correction), Conflict)
)]
pub(crate) async fn approve(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let decision = CorrectionDecision::Approved;
    let (mut work, proposed) = match begin(&billing, &caller, &id, &headers, &body, decision).await? {
        DecisionStart::New(work, proposed) => (work, proposed),
        DecisionStart::Answered(answer) => return Ok(answer),
    };
    let asked = match &proposed.replacement {
        Some(replacement) => json!({"reason": proposed.reason, "replacement": replacement}),
        None => json!({"reason": proposed.reason}),
    };
    let (reason, replacement) = parse(asked.to_string().as_bytes())?;
    let body = correct(&mut work, proposed.transaction_id, &reason, replacement.as_ref()).await?;
    work.commit(StatusCode::CREATED, &body).await?;
    Ok(answer(StatusCode::CREATED, body))
}

/// Dismisses a proposed correction; its proposer may do so, too.
#[utoipa::path(
    post,
    path = "/v1/ledger/corrections/{id}/dismiss",
    operation_id = "dismissCorrection",
    tag = "ledger",
    params(CorrectionPath, ChangeHeaders),
    request_body = CorrectionDecided,
    responses((status = 200, description = "The dismissed correction.", body = DismissedCorrection), Conflict)
)]
pub(crate) async fn dismiss(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let decision = CorrectionDecision::Dismissed;
    let (work, proposed) = match begin(&billing, &caller, &id, &headers, &body, decision).await? {
        DecisionStart::New(work, proposed) => (work, proposed),
        DecisionStart::Answered(answer) => return Ok(answer),
    };
    let body = json!({"id": proposed.id, "reverses": proposed.transaction_id, "status": decision.as_str()});
    work.commit(StatusCode::OK, &body).await?;
    Ok(answer(StatusCode::OK, body))
}

/// A decision about a correction: new, or already answered.
enum DecisionStart<'a> {
    New(IdempotentChange<'a>, proposed_corrections::ProposedCorrection),
    Answered(Response),
}

/// Locks an open correction, and records and audits the decision.
async fn begin<'a>(
    billing: &'a Billing,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    body: &[u8],
    decision: CorrectionDecision,
) -> Result<DecisionStart<'a>, Problem> {
    caller.may(Permission::CorrectBooks)?;
    let id: CorrectionId = path_id("correction", id)?;
    let mut fields = Fields::parse(body)?;
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    fields.finish()?;
    let name = id.to_string();
    let content: [&[u8]; 4] = [b"POST correction", decision.as_str().as_bytes(), name.as_bytes(), body];
    let mut work = match IdempotentChange::begin(billing, caller, headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(DecisionStart::Answered(answer(status, body))),
    };
    let found = proposed_corrections::lock(&mut work.transaction, id).await.map_err(unavailable)?;
    let (proposed, decided) = found.ok_or_else(|| Problem::not_found("correction", id))?;
    if let Some(decided) = decided {
        return Err(Problem::conflict(format!("correction {id} is {decided} already")));
    }
    if decision == CorrectionDecision::Approved && proposed.proposed_by == caller.name {
        let detail = format!("correction {id}: the person who proposed it cannot approve it; another person has to");
        return Err(Problem::conflict(detail));
    }
    proposed_corrections::decide(&mut work.transaction, id, decision, &caller.name).await.map_err(unavailable)?;
    let after = json!({"status": decision.as_str(), "reason": reason, "proposed_by": proposed.proposed_by});
    work.audit("ledger.correction_decided", name, to_json(&proposed), after).await?;
    Ok(DecisionStart::New(work, proposed))
}
