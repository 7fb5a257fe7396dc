//! `/v1/payments`: reading what became of payments.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::Utc;
use quittance_domain::id::{PaymentId, TransactionId};
use quittance_lambda::accepted;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_store::payments::{PaymentFilter, PaymentView};
use quittance_store::refunds::RefundView;
use quittance_store::{payments, refunds};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::PageQuery;
use crate::{Billing, unavailable};

/// Shows a payment; a client sees those of its own invoices only.
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(transaction_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let not_found = || Problem::not_found("payment", transaction_id.chars().take(100).collect::<String>());
    let (_, name) = TransactionId::with_provider(&transaction_id).map_err(|_| not_found())?;
    let found = payments::find(&billing.database, &name, reach.client_id()).await.map_err(unavailable)?;
    let Some(payment) = found else {
        return accepted_only(&billing, &name, reach).await?.map(Json).ok_or_else(not_found);
    };
    let refunds = refunds::views(&billing.database, payment.id).await.map_err(unavailable)?;
    let mut shown = shown(&payment, reach);
    if let Some(members) = shown.as_object_mut() {
        members.insert("refunds".to_owned(), refunds.iter().map(|view| refund(view, reach)).collect());
    }
    Ok(Json(shown))
}

/// A payment that the validator has accepted and the processor has not recorded yet.
async fn accepted_only(billing: &Billing, name: &TransactionId, reach: Reach) -> Result<Option<Value>, Problem> {
    let key = accepted::key(name, reach.client_id());
    let accepted_at = billing.accepted.answer_of(&key, Utc::now()).await.map_err(|error| {
        tracing::error!(error = %error, "what was accepted cannot be read");
        Problem::unavailable(2)
    })?;
    let shown = |at: String| json!({"transaction_id": name, "provider": name.provider(), "status": "accepted", "created_at": at});
    Ok(accepted_at.map(shown))
}

/// The query of a list, as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentQuery {
    status: Option<String>,
    invoice_id: Option<String>,
}

/// Lists payments, oldest first; a client sees those of its own invoices only.
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Query(query): Query<PaymentQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let page = page.page::<PaymentId>()?;
    let filter = PaymentFilter {
        status: query_value("status", query.status.as_deref())?,
        invoice_id: query_value("invoice_id", query.invoice_id.as_deref())?,
        client_id: reach.client_id(),
        after: page.after,
    };
    let found = payments::list(&billing.database, &filter, page.to_read()).await.map_err(unavailable)?;
    let entries = found.into_iter().map(|payment| (payment.id.to_string(), shown(&payment, reach))).collect();
    Ok(Json(page.answer("payments", entries)))
}

fn query_value<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let refuse =
        |error: T::Err| Problem::invalid(vec![FieldProblem { pointer: name.to_owned(), detail: error.to_string() }]);
    text.map(str::parse).transpose().map_err(refuse)
}

/// A payment, as far as the caller may see it.
fn shown(payment: &PaymentView, reach: Reach) -> Value {
    json!({
        "id": payment.id, "transaction_id": payment.transaction_id, "provider": payment.provider,
        "status": payment.status, "amount": payment.amount, "returned": payment.returned,
        "invoice_id": payment.invoices.first(),
        // A payment may pay invoices of several clients: each sees the first, by which it is found.
        "invoice_ids": (reach == Reach::All).then_some(&payment.invoices),
        "allocated": payment.allocated, "surplus": payment.surplus,
        "created_at": payment.created_at, "updated_at": payment.updated_at,
    })
}

/// A refund; the reason that our staff wrote is for us.
fn refund(refund: &RefundView, reach: Reach) -> Value {
    let internal = |text: Option<&String>| text.filter(|_| reach == Reach::All).cloned();
    json!({
        "id": refund.id, "amount": refund.amount, "status": refund.status, "reason": internal(Some(&refund.reason)),
        "refusal": internal(refund.refusal.as_ref()), "requested_at": refund.requested_at,
    })
}
