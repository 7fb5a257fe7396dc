//! `/v1/payments`: reads payments and their status.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::Utc;
use quittance_domain::error::Chain;
use quittance_domain::id::{PaymentId, TransactionId};
use quittance_domain::payment::PaymentStatus;
use quittance_domain::refund::RefundStatus;
use quittance_domain::refund_reason::{RefundEffect, RefundReason};
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{PaymentPath, in_query};
use quittance_lambda::openapi::schema::{Members, flag, list_of, object, one_of, refer, refer_as, time, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{accepted, described, parameters};
use quittance_store::payments::{PaymentFilter, PaymentView};
use quittance_store::refunds::RefundView;
use quittance_store::{payments, refunds};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::{self, PageParameters, PageQuery, query_value};
use crate::{Billing, unavailable};

/// The status of a payment that the processor has not recorded yet.
const ACCEPTED: &str = "accepted";

parameters! {
    /// The filters of payments.
    pub(crate) PaymentParameters => [
        in_query("status", one_of(statuses(), "The status."), "Only payments with this status."),
        in_query("invoice_id", refer("InvoiceId"), "Only payments that name this invoice."),
    ]
}

fn statuses() -> impl Iterator<Item = &'static str> {
    PaymentStatus::ALL.iter().map(|status| status.as_str())
}

fn shape(description: &str) -> Members {
    object(description)
        .with("id", refer("PaymentId"))
        .with("transaction_id", refer("TransactionId"))
        .with("provider", refer("Provider"))
        .with("status", one_of(statuses(), "Status."))
        .with_or_null("amount", refer_as("Money", "The amount captured, otherwise the amount claimed."))
        .with_or_null("returned", refer_as("Money", "The amount sent back."))
        .with_or_null("invoice_id", refer_as("InvoiceId", "The first invoice that it names."))
        .with_or_null("invoice_ids", list_of(refer("InvoiceId"), "All invoices that it names; null for a client's own users."))
        .with_or_null("allocated", refer_as("Money", "The amount allocated to invoices."))
        .with_or_null("surplus", refer_as("Money", "Unapplied cash: the client's credit, or in suspense."))
        .with_or_null("reason", words("Why it failed, as the gateway reports it; null unless it failed."))
        .with_or_null("return_reason", words("Why the payer's bank returned money: the bank's code or text, and ours; null for a client's own users."))
        .with_or_null("refusal", words("Why the last charge was refused; null if it was not."))
        .with("created_at", time("When it was first recorded."))
        .with("updated_at", time("When it last changed."))
}

fn example() -> Value {
    json!({
        "id": examples::PAYMENT_ID, "transaction_id": examples::TRANSACTION_ID, "provider": examples::PROVIDER,
        "status": "confirmed", "amount": examples::money(), "returned": {"value": "0.00", "currency": "EUR"},
        "invoice_id": examples::INVOICE_ID, "invoice_ids": [examples::INVOICE_ID], "allocated": examples::money(),
        "surplus": {"value": "0.00", "currency": "EUR"}, "reason": null, "return_reason": null, "refusal": null,
        "created_at": examples::TIME, "updated_at": examples::TIME,
    })
}

described! {
    /// A payment in a list.
    pub(crate) Payment => shape("A payment.").open_like(example())
}

described! {
    pub(crate) PaymentWithRefunds => shape("A payment with its refunds.")
        .with("refunds", list_of(
            object("A refund that staff requested.")
                .with("id", refer("RefundId"))
                .with("amount", refer("Money"))
                .with("status", one_of(RefundStatus::ALL.iter().map(|status| status.as_str()), "Refund status."))
                .with("reason_kind", one_of(
                    RefundReason::ALL.iter().map(|reason| reason.as_str()),
                    "The kind of reason, as classified last.",
                ))
                .with("reopens", flag("Whether it makes the invoice owed again."))
                .with_or_null("reason", words("The reason that staff gave; null for a client's own users."))
                .with_or_null("refusal", words("Why it was refused; null for a client's own users."))
                .with("requested_at", time("When it was requested."))
                .open(),
            "In order of request.",
        ))
        .open()
}

described! {
    /// A payment that was accepted and is not recorded yet.
    pub(crate) AcceptedPayment => object("A payment that was accepted and is not recorded yet; repeat the request shortly.")
        .with("transaction_id", refer("TransactionId"))
        .with("provider", refer("Provider"))
        .with("status", one_of([ACCEPTED], "The payment was accepted."))
        .with("created_at", time("When it was accepted."))
        .open()
}

described! {
    /// A payment, recorded or only accepted.
    pub(crate) PaymentState => utoipa::openapi::schema::AnyOfBuilder::new()
        .item(refer("PaymentWithRefunds"))
        .item(refer("AcceptedPayment")), holding [PaymentWithRefunds, AcceptedPayment]
}

described! {
    /// A page of payments.
    pub(crate) Payments => page::shape("payments", "Payment").open(), holding [Payment]
}

/// Returns a payment; clients see those of their own invoices only.
#[utoipa::path(
    get,
    path = "/v1/payments/{transaction_id}",
    operation_id = "readPayment",
    tag = "payments",
    params(PaymentPath),
    responses((status = 200, description = "The payment.", body = PaymentState))
)]
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
    let mut shown = to_json(&payment, reach);
    if let Some(members) = shown.as_object_mut() {
        members.insert("refunds".to_owned(), refunds.iter().map(|view| refund(view, reach)).collect());
    }
    Ok(Json(shown))
}

/// A payment that the validator has accepted and the processor has not recorded yet.
async fn accepted_only(billing: &Billing, name: &TransactionId, reach: Reach) -> Result<Option<Value>, Problem> {
    let key = accepted::key(name, reach.client_id());
    let accepted_at = billing.accepted.answer_of(&key, Utc::now()).await.map_err(|error| {
        tracing::error!(error = %Chain(&error), "accepted requests could not be read");
        Problem::unavailable(2)
    })?;
    let shown =
        |at: String| json!({"transaction_id": name, "provider": name.provider(), "status": ACCEPTED, "created_at": at});
    Ok(accepted_at.map(shown))
}

/// The query of a list, unparsed.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentQuery {
    status: Option<String>,
    invoice_id: Option<String>,
}

/// Lists payments, oldest first; clients see those of their own invoices only.
#[utoipa::path(
    get,
    path = "/v1/payments",
    operation_id = "listPayments",
    tag = "payments",
    params(PaymentParameters, PageParameters),
    responses((status = 200, description = "A page of payments.", body = Payments))
)]
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
    let entries = found.into_iter().map(|payment| (payment.id.to_string(), to_json(&payment, reach))).collect();
    Ok(Json(page.answer("payments", entries)))
}

/// A payment as JSON, with the data that the caller may see.
fn to_json(payment: &PaymentView, reach: Reach) -> Value {
    json!({
        "id": payment.id, "transaction_id": payment.transaction_id, "provider": payment.provider,
        "status": payment.status, "amount": payment.amount, "returned": payment.returned,
        "invoice_id": payment.invoices.first(),
        // A payment may pay invoices of several clients: each of them sees only the first invoice, by which the payment
        // is found.
        "invoice_ids": (reach == Reach::All).then_some(&payment.invoices),
        "allocated": payment.allocated, "surplus": payment.surplus, "reason": payment.reason,
        // It may name payments of other clients.
        "return_reason": payment.return_reason.as_ref().filter(|_| reach == Reach::All), "refusal": payment.refusal,
        "created_at": payment.created_at, "updated_at": payment.updated_at,
    })
}

/// A refund; only staff see the reason that staff wrote.
fn refund(refund: &RefundView, reach: Reach) -> Value {
    let internal = |text: Option<&String>| text.filter(|_| reach == Reach::All).cloned();
    json!({
        "id": refund.id, "amount": refund.amount, "status": refund.status, "reason": internal(Some(&refund.reason)),
        "refusal": internal(refund.refusal.as_ref()), "requested_at": refund.requested_at,
        "reason_kind": refund.terms.reason, "reopens": refund.terms.effect() == RefundEffect::Reopens,
    })
}
