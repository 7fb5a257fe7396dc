//! `GET /v1/cases` and `GET /v1/cases/{id}`: the cases for staff to resolve.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use deserr::Deserr;
use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::id::{CaseId, ClientId, InvoiceId, TransactionId, UploadId};
use quittance_domain::money::Money;
use quittance_lambda::body::Faults;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::CasePath;
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, PageParameters};
use quittance_store::cases::{self, CaseFilter, CaseView};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::uploads::shapes::CandidateInvoice;
use crate::{Billing, uploads};

/// The status of a case that awaits a decision.
const OPEN: &str = "open";

/// The filters of cases.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CaseParameters {
    /// Only cases with this status.
    #[deserr(default)]
    #[param(inline, required = false)]
    status: StatusFilter,
    /// Only cases of this kind.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    kind: Option<CaseKind>,
}

/// Open cases, closed ones, or both.
#[derive(Debug, Clone, Copy, Default, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = lowercase)]
#[schema(rename_all = "lowercase", default = "open")]
enum StatusFilter {
    #[default]
    Open,
    Closed,
    All,
}

impl StatusFilter {
    fn status(self) -> Option<String> {
        match self {
            Self::Open => Some(OPEN.to_owned()),
            Self::Closed => Some("closed".to_owned()),
            Self::All => None,
        }
    }
}

/// An exception about a payment that staff resolve, and its resolution.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": CaseId::EXAMPLE, "kind": "surplus", "status": OPEN, "transaction_id": TransactionId::EXAMPLE,
    "twin": null, "client_id": ClientId::EXAMPLE, "invoice_id": InvoiceId::EXAMPLE,
    "amount": examples::money(), "reason": "the invoice is paid already", "resolution": null,
    "decided_by": null, "decision_reason": null, "refusal": null, "candidates": [], "attachment_upload_id": null,
    "attachment_url": null, "opened_at": examples::TIME, "closed_at": null,
})))]
pub(crate) struct Case {
    id: CaseId,
    /// The kind of case.
    #[schema(value_type = CaseKind)]
    kind: String,
    /// `open` or `closed`.
    status: String,
    #[schema(value_type = TransactionId)]
    transaction_id: String,
    /// The other payment of a possible duplicate.
    #[schema(required, value_type = Option<TransactionId>)]
    twin: Option<String>,
    #[schema(required)]
    client_id: Option<ClientId>,
    #[schema(required)]
    invoice_id: Option<InvoiceId>,
    /// The amount concerned; negative for money that left.
    #[schema(required)]
    amount: Option<Money>,
    /// Why the case was opened.
    reason: String,
    /// The resolution; null while the case is open.
    #[schema(required, value_type = Option<Resolution>)]
    resolution: Option<String>,
    /// Who decided; null if it is open or was closed automatically.
    #[schema(required)]
    decided_by: Option<String>,
    /// The reason of the decision.
    #[schema(required)]
    decision_reason: Option<String>,
    /// Why the last decision was refused.
    #[schema(required)]
    refusal: Option<String>,
    /// Candidate invoices for money from a bank statement, best first.
    #[schema(value_type = Vec<CandidateInvoice>)]
    candidates: Value,
    /// The upload whose image shows the payment.
    #[schema(required)]
    attachment_upload_id: Option<UploadId>,
    /// The URL of the image, valid for some minutes; only when the case is read by its id.
    #[schema(required)]
    attachment_url: Option<String>,
    /// When it was opened.
    opened_at: DateTime<Utc>,
    /// When it was closed.
    #[schema(required)]
    closed_at: Option<DateTime<Utc>>,
}

impl From<CaseView> for Case {
    fn from(case: CaseView) -> Self {
        Self {
            id: case.id,
            kind: case.kind,
            status: case.status,
            transaction_id: case.transaction_id,
            twin: case.twin,
            client_id: case.client_id,
            invoice_id: case.invoice_id,
            amount: case.amount,
            reason: case.reason,
            resolution: case.resolution,
            decided_by: case.decided_by,
            decision_reason: case.decision_reason,
            refusal: case.refusal,
            candidates: case.candidates.unwrap_or_else(|| json!([])),
            attachment_upload_id: case.attachment,
            attachment_url: None,
            opened_at: case.opened_at,
            closed_at: case.closed_at,
        }
    }
}

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cases {
    /// Oldest first.
    cases: Vec<Case>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
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
    ListRequest { filters, page }: ListRequest<CaseParameters, CaseId>,
) -> Result<Json<Cases>, Problem> {
    let CaseParameters { status, kind } = filters;
    let filter = CaseFilter { status: status.status(), kind, after: page.after, ..CaseFilter::default() };
    let found = cases::list(&billing.database, &filter, page.to_read()).await?;
    let (found, next_cursor) = page.cut(found, |case| case.id.to_string());
    Ok(Json(Cases { cases: found.into_iter().map(Case::from).collect(), next_cursor }))
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
    PathId(id): PathId<CaseId>,
) -> Result<Json<Case>, Problem> {
    let filter = CaseFilter { id: Some(id), ..CaseFilter::default() };
    let found = cases::list(&billing.database, &filter, 1).await?;
    let mut case = found.into_iter().next().map(Case::from).ok_or_else(|| Problem::not_found("case", id))?;
    if let Some(upload) = case.attachment_upload_id {
        case.attachment_url = Some(uploads::picture_url(&billing, upload).await?);
    }
    Ok(Json(case))
}
