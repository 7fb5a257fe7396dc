//! `GET /v1/payments/{transaction_id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use quittance_domain::id::TransactionId;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::problem::Problem;
use quittance_store::refunds::RefundView;
use quittance_store::{payments, refunds};
use serde_json::{Value, json};

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
    let payment = found.ok_or_else(not_found)?;
    let refunds = refunds::views(&billing.database, payment.id).await.map_err(unavailable)?;
    Ok(Json(json!({
        "id": payment.id, "transaction_id": payment.transaction_id, "provider": payment.provider,
        "status": payment.status, "amount": payment.amount, "returned": payment.returned,
        "invoice_id": payment.invoices.first(),
        // A payment may pay invoices of several clients: each sees the first, by which it is found.
        "invoice_ids": (reach == Reach::All).then_some(&payment.invoices),
        "allocated": payment.allocated, "surplus": payment.surplus,
        "refunds": refunds.iter().map(|view| refund(view, reach)).collect::<Vec<_>>(),
        "created_at": payment.created_at, "updated_at": payment.updated_at,
    })))
}

/// A refund; the reason that our staff wrote is for us.
fn refund(refund: &RefundView, reach: Reach) -> Value {
    let internal = |text: Option<&String>| text.filter(|_| reach == Reach::All).cloned();
    json!({
        "id": refund.id, "amount": refund.amount, "status": refund.status, "reason": internal(Some(&refund.reason)),
        "refusal": internal(refund.refusal.as_ref()), "requested_at": refund.requested_at,
    })
}
