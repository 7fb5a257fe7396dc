//! `GET /v1/invoices/{id}/timeline`: the history of an invoice, with times, reasons and actors.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use quittance_domain::id::{AuditId, InvoiceId};
use quittance_domain::invoice::InvoiceStatus;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::described;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::schema::{number, object, one_of, refer, refer_as, time, words};
use quittance_lambda::problem::Problem;
use quittance_store::audit::{self, TimelineEntry};
use quittance_store::invoices;
use serde_json::{Value, json};

use crate::invoices::InvoicePath;
use crate::page::{self, PageParameters, PageQuery};
use crate::{Billing, path_id, unavailable};

/// The members of an invoice's state that are shown, if a record has them.
const STATE: [&str; 3] = ["status", "paid", "version"];

/// Changes with internal reasons, written by staff for staff.
const INTERNAL: [&str; 4] = ["case.decided", "payment.merged", "payment.refund_requested", "payment.refund_changed"];

described! {
    /// An entry of the timeline.
    pub(crate) Happening => object("A timeline entry: a change of the invoice or of a payment that concerns it.")
        .with("id", refer_as("AuditId", "The audit record."))
        .with("at", time("The time of the change."))
        .with("what", words("What changed, in the past tense: `invoice.issued`."))
        .with_or_null("why", words("The reason; null for a client's own users if staff wrote it for internal use."))
        .with("by", words("Who changed it; for a client's own users only the kind of caller."))
        .with("subject", words("The id of what was changed."))
        .with_or_null("invoice", object("The invoice after the change; null if it did not change.")
            .perhaps("status", one_of(InvoiceStatus::ALL.map(InvoiceStatus::as_str), "Status."))
            .perhaps("paid", refer("Money"))
            .perhaps("version", number("The version."))
            .open())
        .open_like(json!({
            "id": examples::AUDIT_ID, "at": examples::TIME, "what": "invoice.issued",
            "why": "requested through the API", "by": "user", "subject": examples::INVOICE_ID,
            "invoice": {"status": "open", "paid": {"value": "0.00", "currency": "EUR"}, "version": 2},
        }))
}

described! {
    /// A page of a timeline.
    pub(crate) Timeline => page::shape("timeline", "Happening").open(), holding [Happening]
}

/// Returns the timeline of an invoice; clients see their own only, without the names and reasons of staff.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}/timeline",
    operation_id = "readTimeline",
    tag = "invoices",
    params(InvoicePath, PageParameters),
    responses((status = 200, description = "A page of the timeline.", body = Timeline))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let id: InvoiceId = path_id("invoice", &id)?;
    let page = page.page::<AuditId>()?;
    let found = invoices::find(&billing.database, id, reach.client_id()).await.map_err(unavailable)?;
    if found.is_none() {
        return Err(Problem::not_found("invoice", id));
    }
    let entries = audit::timeline(&billing.database, id, page.after, page.to_read()).await.map_err(unavailable)?;
    let entries = entries.into_iter().map(|entry| (entry.id.to_string(), to_json(&entry, reach))).collect();
    Ok(Json(page.answer("timeline", entries)))
}

fn to_json(entry: &TimelineEntry, reach: Reach) -> Value {
    let (by, why) = match reach {
        Reach::All => (entry.actor.as_str(), Some(entry.reason.as_str())),
        Reach::Own(_) => {
            let is_internal = INTERNAL.contains(&entry.action.as_str());
            let kind = entry.actor.split_once(':').map_or(entry.actor.as_str(), |(kind, _)| kind);
            (kind, (!is_internal).then_some(entry.reason.as_str()))
        }
    };
    let state = entry.invoice.as_ref().map(|invoice| {
        let members = STATE.iter().filter_map(|name| Some(((*name).to_owned(), invoice.get(name)?.clone())));
        Value::Object(members.collect())
    });
    json!({
        "id": entry.id, "at": entry.at, "what": entry.action, "why": why, "by": by,
        "subject": entry.subject, "invoice": state,
    })
}
