//! `POST /v1/ledger/adjustments`: fees and rounding differences that only appear on the provider's bill.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{NaiveDate, Utc};
use deserr::{Deserr, ValuePointerRef};
use http::StatusCode;
use quittance_domain::adjustment::{AdjustmentKind, ROUNDING_UNITS_MAX};
use quittance_domain::event::{AdjustmentRecorded, AdjustmentSummary, InvoiceEvent};
use quittance_domain::id::{AdjustmentId, Provider};
use quittance_domain::ledger::Account;
use quittance_domain::money::{Money, PositiveMoney};
use quittance_lambda::body::Faults;
use quittance_lambda::body::times::RecentDay;
use quittance_lambda::body::values::Text;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::problem::Problem;
use quittance_store::{adjustments, books};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Reason;
use crate::Billing;

/// The line of a provider's bill or report.
type Reference = Text<1, 100>;

/// A provider's fee, or a rounding difference.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = allowed -> Faults)]
#[schema(examples(json!({
    "kind": "fee", "provider": Provider::EXAMPLE, "amount": {"value": "17.55", "currency": "EUR"},
    "reference": "2026-10 card processing", "reason": "bill of October",
})))]
pub(crate) struct NewAdjustment {
    /// The kind of adjustment.
    kind: AdjustmentKind,
    provider: Provider,
    /// The amount; for rounding, at most a hundred of the currency's smallest units.
    amount: PositiveMoney,
    /// The line of the provider's bill or report; each is recorded once.
    reference: Reference,
    /// The reason, for the audit record.
    reason: Reason,
    /// The accounting date, from ten years ago until tomorrow; by default today.
    #[deserr(default)]
    accounting_date: Option<RecentDay>,
}

fn allowed(adjustment: NewAdjustment, location: ValuePointerRef<'_>) -> Result<NewAdjustment, Faults> {
    if adjustment.kind.allows(adjustment.amount) {
        return Ok(adjustment);
    }
    let detail = format!("rounding is at most {ROUNDING_UNITS_MAX} of the currency's smallest units");
    Err(Faults::at(location.push_key("amount"), detail))
}

/// A recorded adjustment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": AdjustmentId::EXAMPLE, "accounting_date": "2026-11-02", "kind": "fee", "provider": Provider::EXAMPLE,
    "amount": {"value": "17.55", "currency": "EUR"}, "reference": "2026-10 card processing", "reason": "bill of October",
})))]
pub(crate) struct Adjustment {
    id: AdjustmentId,
    /// The accounting date.
    accounting_date: NaiveDate,
    /// The kind of adjustment.
    kind: AdjustmentKind,
    provider: Provider,
    /// The amount.
    amount: Money,
    /// The line of the provider's bill or report.
    reference: String,
    /// The reason.
    reason: String,
}

/// Records a provider's fee or a rounding difference. It is posted within seconds.
#[utoipa::path(
    post,
    path = "/v1/ledger/adjustments",
    operation_id = "recordAdjustment",
    tag = "ledger",
    params(ChangeHeaders),
    request_body = NewAdjustment,
    responses((status = 201, description = "The adjustment.", body = Adjustment), Conflict, UnknownInBody)
)]
pub(crate) async fn record(
    State(billing): State<Arc<Billing>>,
    ChangeRequest { head, body }: ChangeRequest<NewAdjustment>,
) -> Result<Response, Reply> {
    let NewAdjustment { kind, provider, amount, reference, reason, accounting_date } = body;
    let (id, reference, reason) = (AdjustmentId::from_uuid(Uuid::now_v7()), reference.into(), String::from(reason));
    let adjustment = AdjustmentSummary { id, kind, provider: provider.clone(), amount: amount.into(), reference };
    let mut work = billing.begin(head).await?;
    let clearing = Account::Clearing(provider.clone());
    if !books::is_open(&mut work.transaction, &clearing).await? {
        return Err(Problem::not_found("provider with payments of ours", provider).into());
    }
    if !adjustments::insert(&mut work.transaction, &adjustment, &reason, Utc::now()).await? {
        let detail = format!("`{}` of {provider} is recorded as {kind} already", adjustment.reference);
        return Err(Problem::conflict(detail).into());
    }
    let accounting_date = accounting_date.map_or(work.today, RecentDay::get);
    let AdjustmentSummary { amount, reference, .. } = adjustment.clone();
    let shown = Adjustment { id, accounting_date, kind, provider, amount, reference, reason };
    work.audit("adjustment.recorded", id.to_string(), Value::Null, json!(shown)).await?;
    work.emit_on(InvoiceEvent::AdjustmentRecorded(AdjustmentRecorded { adjustment }), accounting_date).await?;
    work.finish(StatusCode::CREATED, &shown).await
}
