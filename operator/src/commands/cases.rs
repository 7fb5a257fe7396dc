//! `quittance cases`.

use anyhow::Result;
use chrono::Utc;
use quittance_domain::case::CaseKind;
use quittance_store::cases::{self, CaseFilter, CaseView};
use serde_json::{Value, json};

use crate::age::age;
use crate::deployment::Deployment;
use crate::report::{Report, cut_off, table};

/// The maximum number of cases shown.
const SHOWN_MAX: i64 = 1_000;

pub(super) async fn cases(deployment: &Deployment, kind: Option<CaseKind>, is_closed_too: bool) -> Result<Report> {
    let status = (!is_closed_too).then(|| "open".to_owned());
    let filter = CaseFilter { status, kind, ..CaseFilter::default() };
    let found = cases::list(&deployment.database, &filter, SHOWN_MAX).await?;
    let now = Utc::now();
    let row = |case: &CaseView| {
        let amount = case.amount.map(|amount| amount.to_string()).unwrap_or_default();
        let refusal = case.refusal.clone().unwrap_or_default();
        let (id, name) = (case.id.to_string(), case.transaction_id.clone());
        [
            id,
            case.kind.clone(),
            case.status.clone(),
            name,
            amount,
            age(Some(case.opened_at), now),
            case.reason.clone(),
            refusal,
        ]
    };
    let head = ["case", "kind", "status", "payment", "amount", "age", "reason", "last refusal"];
    let text = table(head, found.iter().map(row).collect(), "No case is open.") + &cut_off(found.len(), SHOWN_MAX);
    Ok(Report::new(text, json!({"cases": found.iter().map(to_json).collect::<Vec<Value>>()})))
}

fn to_json(case: &CaseView) -> Value {
    json!({
        "id": case.id, "kind": case.kind, "status": case.status, "transaction_id": case.transaction_id,
        "invoice_id": case.invoice_id, "amount": case.amount, "reason": case.reason, "resolution": case.resolution,
        "decided_by": case.decided_by, "refusal": case.refusal, "opened_at": case.opened_at, "closed_at": case.closed_at,
    })
}
