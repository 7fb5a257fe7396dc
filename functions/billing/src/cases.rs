//! `GET /v1/cases` and `GET /v1/cases/{id}`: what there is to decide about payments.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use quittance_domain::case::CaseKind;
use quittance_domain::id::CaseId;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_store::cases::{self, CaseFilter, CaseView};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::PageQuery;
use crate::{Billing, path_id, unavailable};

/// Which cases are wanted, as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct CaseQuery {
    status: Option<String>,
    kind: Option<String>,
}

/// Lists cases, oldest first; the open ones if the caller does not say.
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
    let entries = found.into_iter().map(|case| (case.id.to_string(), shown(&case))).collect();
    Ok(Json(page.answer("cases", entries)))
}

/// Shows one case.
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    caller.may(Permission::ReadCases)?;
    let id: CaseId = path_id("case", &id)?;
    let filter = CaseFilter { id: Some(id), ..CaseFilter::default() };
    let found = cases::list(&billing.database, &filter, 1).await.map_err(unavailable)?;
    found.first().map(|case| Json(shown(case))).ok_or_else(|| Problem::not_found("case", id))
}

impl CaseQuery {
    fn filter(&self) -> Result<CaseFilter, Problem> {
        let refuse = |pointer: &str, detail: String| {
            Problem::invalid(vec![FieldProblem { pointer: pointer.to_owned(), detail }])
        };
        let status = match self.status.as_deref() {
            None | Some("open") => Some("open".to_owned()),
            Some("closed") => Some("closed".to_owned()),
            Some("all") => None,
            Some(_) => return Err(refuse("status", "must be open, closed or all".to_owned())),
        };
        let kind = match self.kind.as_deref().map(str::parse::<CaseKind>) {
            None => None,
            Some(Ok(kind)) => Some(kind),
            Some(Err(error)) => return Err(refuse("kind", error.to_string())),
        };
        Ok(CaseFilter { status, kind, ..CaseFilter::default() })
    }
}

fn shown(case: &CaseView) -> Value {
    json!({
        "id": case.id, "kind": case.kind, "status": case.status, "transaction_id": case.transaction_id,
        "twin": case.twin, "client_id": case.client_id, "invoice_id": case.invoice_id, "amount": case.amount, "reason": case.reason,
        "resolution": case.resolution, "decided_by": case.decided_by, "decision_reason": case.decision_reason,
        "refusal": case.refusal, "opened_at": case.opened_at, "closed_at": case.closed_at,
    })
}
