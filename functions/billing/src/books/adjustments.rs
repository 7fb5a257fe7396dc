//! `POST /v1/ledger/adjustments`: fees and rounding differences that only appear on the provider's bill.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use chrono::{NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use quittance_domain::adjustment::{AdjustmentKind, ROUNDING_UNITS_MAX};
use quittance_domain::event::{AdjustmentRecorded, AdjustmentSummary, InvoiceEvent};
use quittance_domain::id::{AdjustmentId, Provider};
use quittance_domain::ledger::Account;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::described;
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::openapi::schema::{Members, day, object, one_of, refer, refer_as, text};
use quittance_lambda::problem::Problem;
use quittance_store::{adjustments, books};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{REASON_LENGTH_MAX, accounting_date};
use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::{Billing, unavailable};

/// The longest reference, in characters.
const REFERENCE_LENGTH_MAX: usize = 100;

fn members() -> Members {
    object("A provider's fee, or a rounding difference.")
        .with("kind", one_of(AdjustmentKind::ALL.iter().map(|kind| kind.as_str()), "The kind of adjustment."))
        .with("provider", refer("Provider"))
        .with(
            "amount",
            refer_as("PositiveMoney", "The amount; for rounding, at most a hundred of the currency's smallest units."),
        )
        .with(
            "reference",
            text(1, REFERENCE_LENGTH_MAX, "The line of the provider's bill or report; each is recorded once."),
        )
        .with("reason", text(1, REASON_LENGTH_MAX, "The reason, for the audit record."))
        .optional("accounting_date", day("The accounting date, from ten years ago until tomorrow; by default today."))
}

const EXAMPLE_REFERENCE: &str = "2026-10 card processing";
const EXAMPLE_REASON: &str = "bill of October";

described! {
    /// The body of an adjustment.
    pub(crate) NewAdjustment => members().closed_like(json!({
        "kind": "fee", "provider": examples::PROVIDER, "amount": {"value": "17.55", "currency": "EUR"},
        "reference": EXAMPLE_REFERENCE, "reason": EXAMPLE_REASON,
    }))
}

described! {
    pub(crate) Adjustment => members().with("id", refer("AdjustmentId")).open_like(json!({
        "id": examples::ADJUSTMENT_ID, "kind": "fee", "provider": examples::PROVIDER,
        "amount": {"value": "17.55", "currency": "EUR"}, "reference": EXAMPLE_REFERENCE, "reason": EXAMPLE_REASON,
    }))
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
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::CorrectBooks)?;
    let (adjustment, reason, accounting_date) = parse(&body)?;
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST adjustment", &body]).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    let clearing = Account::Clearing(adjustment.provider.clone());
    if !books::is_open(&mut work.transaction, &clearing).await.map_err(unavailable)? {
        return Err(Problem::not_found("provider with payments of ours", &adjustment.provider));
    }
    let is_new = adjustments::insert(&mut work.transaction, &adjustment, &reason, Utc::now()).await;
    if !is_new.map_err(unavailable)? {
        let AdjustmentSummary { kind, provider, reference, .. } = &adjustment;
        return Err(Problem::conflict(format!("`{reference}` of {provider} is recorded as {kind} already")));
    }
    let accounting_date = accounting_date.unwrap_or(work.today);
    let shown = json!({
        "id": adjustment.id, "accounting_date": accounting_date, "kind": adjustment.kind, "provider": adjustment.provider, "amount": adjustment.amount,
        "reference": adjustment.reference, "reason": reason,
    });
    work.audit("adjustment.recorded", adjustment.id.to_string(), Value::Null, shown.clone()).await?;
    work.emit_on(InvoiceEvent::AdjustmentRecorded(AdjustmentRecorded { adjustment }), accounting_date).await?;
    work.commit(StatusCode::CREATED, &shown).await?;
    Ok(answer(StatusCode::CREATED, shown))
}

fn parse(body: &[u8]) -> Result<(AdjustmentSummary, String, Option<NaiveDate>), Problem> {
    let mut fields = Fields::parse(body)?;
    let kind = fields.required::<AdjustmentKind>("kind");
    let provider = fields.required::<Provider>("provider");
    let amount = fields.money("amount");
    let reference = fields.text("reference", 1, REFERENCE_LENGTH_MAX);
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    if kind.zip(amount).is_some_and(|(kind, amount)| !kind.allows(amount)) {
        let detail = format!("rounding is at most {ROUNDING_UNITS_MAX} of the currency's smallest units");
        fields.problem("amount", detail);
    }
    let accounting_date = accounting_date(&mut fields);
    fields.finish()?;
    let adjustment = kind.zip(provider).zip(amount).zip(reference).map(|(((kind, provider), amount), reference)| {
        let id = AdjustmentId::from_uuid(Uuid::now_v7());
        AdjustmentSummary { id, kind, provider, amount: amount.into(), reference }
    });
    // A member that is `None` has recorded a problem, so `finish` has failed already.
    let read = adjustment.zip(reason).map(|(adjustment, reason)| (adjustment, reason, accounting_date));
    read.ok_or_else(|| Problem::invalid(Vec::new()))
}
