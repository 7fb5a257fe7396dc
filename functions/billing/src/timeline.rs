//! `GET /v1/invoices/{id}/timeline`: the history of an invoice, with times, reasons and actors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_domain::id::{AuditId, InvoiceId};
use quittance_domain::money::Money;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::caller::Reach;
use quittance_lambda::openapi::examples;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, NoFilters, PageParameters};
use quittance_store::audit::{self, TimelineEntry};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Billing;
use crate::invoices::{InvoicePath, visible};

/// The members of an invoice's state that are shown, if a record has them.
const STATE: [&str; 3] = ["status", "paid", "version"];

/// Changes with internal reasons, written by staff for staff.
const INTERNAL: [&str; 4] = ["case.decided", "payment.merged", "payment.refund_requested", "payment.refund_changed"];

/// A timeline entry: a change of the invoice or of a payment that concerns it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": AuditId::EXAMPLE, "at": examples::TIME, "what": "invoice.issued", "why": "requested through the API",
    "by": "user", "subject": InvoiceId::EXAMPLE,
    "invoice": {"status": "open", "paid": {"value": "0.00", "currency": "EUR"}, "version": 2},
})))]
pub(crate) struct Happening {
    /// The audit record.
    id: AuditId,
    /// The time of the change.
    at: DateTime<Utc>,
    /// What changed, in the past tense: `invoice.issued`.
    what: String,
    /// The reason; null for a client's own users if staff wrote it for internal use.
    #[schema(required)]
    why: Option<String>,
    /// Who changed it; for a client's own users only the kind of caller.
    by: String,
    /// The id of what was changed.
    subject: String,
    /// The invoice after the change; null if it did not change.
    #[schema(required, value_type = Option<InvoiceState>)]
    invoice: Option<Value>,
}

/// The state of an invoice after a change.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes stored JSON")]
struct InvoiceState {
    /// The status.
    #[schema(nullable = false)]
    status: Option<String>,
    #[schema(nullable = false)]
    paid: Option<Money>,
    #[schema(nullable = false)]
    version: Option<i64>,
}

/// A page of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// Oldest first.
    timeline: Vec<Happening>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Returns the timeline of an invoice; clients see their own only, without the names and reasons of staff.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}/timeline",
    operation_id = "readTimeline",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number."), PageParameters),
    responses((status = 200, description = "A page of the timeline.", body = Timeline))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    InvoicePath(id): InvoicePath,
    ListRequest { page, .. }: ListRequest<NoFilters, AuditId>,
) -> Result<Json<Timeline>, Problem> {
    visible(&billing, reach, id).await?;
    let entries = audit::timeline(&billing.database, id, page.after, page.to_read()).await?;
    let (entries, next_cursor) = page.cut(entries, |entry| entry.id.to_string());
    Ok(Json(Timeline { timeline: entries.into_iter().map(|entry| shown(entry, reach)).collect(), next_cursor }))
}

/// The data of an entry that the caller may see.
fn shown(entry: TimelineEntry, reach: Reach) -> Happening {
    let (by, why) = match reach {
        Reach::All => (entry.actor, Some(entry.reason)),
        Reach::Own(_) => {
            let is_internal = INTERNAL.contains(&entry.action.as_str());
            let kind = entry.actor.split_once(':').map_or(entry.actor.as_str(), |(kind, _)| kind);
            (kind.to_owned(), (!is_internal).then_some(entry.reason))
        }
    };
    let invoice = entry.invoice.as_ref().map(|invoice| {
        let members = STATE.iter().filter_map(|name| Some(((*name).to_owned(), invoice.get(name)?.clone())));
        Value::Object(members.collect())
    });
    Happening { id: entry.id, at: entry.at, what: entry.action, why, by, subject: entry.subject, invoice }
}
