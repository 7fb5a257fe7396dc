//! `GET /v1/cases` and `GET /v1/cases/{id}`: the cases for staff to resolve.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::id::CaseId;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{CasePath, in_query};
use quittance_lambda::openapi::schema::{list_of, object, one_of, refer, refer_as, time, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{described, parameters};
use quittance_store::cases::{self, CaseFilter, CaseView};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::{self, PageParameters, PageQuery, query_value, refused};
use crate::uploads;
use crate::uploads::shapes::candidate_shape;
use crate::{Billing, path_id, unavailable};

/// The values of `?status=`, and its default.
const STATUSES: [&str; 3] = [OPEN, "closed", ALL];
const OPEN: &str = "open";
const ALL: &str = "all";

parameters! {
    /// The filters of cases.
    pub(crate) CaseParameters => [
        in_query("status", one_of(STATUSES, "The status.").default(Some(json!(OPEN))), "Only cases with this status."),
        in_query("kind", one_of(CaseKind::ALL.iter().map(|kind| kind.as_str()), "The kind."), "Only cases of this kind."),
    ]
}

described! {
    pub(crate) Case => object("An exception about a payment that staff resolve, and its resolution.")
        .with("id", refer("CaseId"))
        .with("kind", one_of(CaseKind::ALL.iter().map(|kind| kind.as_str()), "The kind of case."))
        .with("status", one_of([OPEN, "closed"], "Status."))
        .with("transaction_id", refer("TransactionId"))
        .with_or_null("twin", refer_as("TransactionId", "The other payment of a possible duplicate."))
        .with_or_null("client_id", refer("ClientId"))
        .with_or_null("invoice_id", refer("InvoiceId"))
        .with_or_null("amount", refer_as("Money", "The amount concerned; negative for money that left."))
        .with("reason", words("Why the case was opened."))
        .with_or_null("resolution", one_of(Resolution::ALL.iter().map(|how| how.as_str()), "The resolution; null while the case is open."))
        .with_or_null("decided_by", words("Who decided; null if it is open or was closed automatically."))
        .with_or_null("decision_reason", words("The reason of the decision."))
        .with_or_null("refusal", words("Why the last decision was refused."))
        .with("candidates", list_of(candidate_shape(), "Candidate invoices for money from a bank statement, best first."))
        .with_or_null("attachment_upload_id", refer_as("UploadId", "The upload whose image shows the payment."))
        .with_or_null("attachment_url", words("The URL of the image, valid for some minutes; only when the case is read by its id."))
        .with("opened_at", time("When it was opened."))
        .with_or_null("closed_at", time("When it was closed."))
        .open_like(json!({
            "id": examples::CASE_ID, "kind": "surplus", "status": OPEN, "transaction_id": examples::TRANSACTION_ID,
            "twin": null, "client_id": examples::CLIENT_ID, "invoice_id": examples::INVOICE_ID,
            "amount": examples::money(), "reason": "the invoice is paid already", "resolution": null,
            "decided_by": null, "decision_reason": null, "refusal": null, "candidates": [], "attachment_upload_id": null,
            "attachment_url": null, "opened_at": examples::TIME, "closed_at": null,
        }))
}

described! {
    /// A page of cases.
    pub(crate) Cases => page::shape("cases", "Case").open(), holding [Case]
}

#[derive(Debug, Deserialize)]
pub(crate) struct CaseQuery {
    status: Option<String>,
    kind: Option<String>,
}

/// Lists cases, oldest first; open ones by default.
#[utoipa::path(
    get,
    path = "/v1/cases",
    operation_id = "listCases",
    tag = "cases",
    params(CaseParameters, PageParameters),
    responses((status = 200, description = "A page of cases.", body = Cases))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Query(query): Query<CaseQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::ReadCases)?;
    let page = page.page::<CaseId>()?;
    let filter = CaseFilter { after: page.after, ..query.filter()? };
    let found = cases::list(&billing.database, &filter, page.to_read()).await.map_err(unavailable)?;
    let entries = found.into_iter().map(|case| (case.id.to_string(), to_json(&case, None))).collect();
    Ok(Json(page.answer("cases", entries)))
}

/// Returns a case.
#[utoipa::path(
    get,
    path = "/v1/cases/{id}",
    operation_id = "readCase",
    tag = "cases",
    params(CasePath),
    responses((status = 200, description = "The case.", body = Case))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::ReadCases)?;
    let id: CaseId = path_id("case", &id)?;
    let filter = CaseFilter { id: Some(id), ..CaseFilter::default() };
    let found = cases::list(&billing.database, &filter, 1).await.map_err(unavailable)?;
    let case = found.first().ok_or_else(|| Problem::not_found("case", id))?;
    let picture = match case.attachment {
        Some(upload) => Some(uploads::picture_url(&billing, upload).await?),
        None => None,
    };
    Ok(Json(to_json(case, picture)))
}

impl CaseQuery {
    fn filter(&self) -> Result<CaseFilter, Problem> {
        let status = match self.status.as_deref().unwrap_or(OPEN) {
            ALL => None,
            known if STATUSES.contains(&known) => Some(known.to_owned()),
            _ => return Err(refused("status", format!("must be one of {}", STATUSES.join(", ")))),
        };
        let kind = query_value::<CaseKind>("kind", self.kind.as_deref())?;
        Ok(CaseFilter { status, kind, ..CaseFilter::default() })
    }
}

fn to_json(case: &CaseView, picture: Option<String>) -> Value {
    json!({
        "id": case.id, "kind": case.kind, "status": case.status, "transaction_id": case.transaction_id,
        "twin": case.twin, "client_id": case.client_id, "invoice_id": case.invoice_id, "amount": case.amount, "reason": case.reason,
        "resolution": case.resolution, "decided_by": case.decided_by, "decision_reason": case.decision_reason,
        "refusal": case.refusal, "candidates": case.candidates.clone().unwrap_or_else(|| json!([])),
        "attachment_upload_id": case.attachment, "attachment_url": picture, "opened_at": case.opened_at, "closed_at": case.closed_at,
    })
}
