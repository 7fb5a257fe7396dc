//! `/v1/payments`: reads payments and their status.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use quittance_domain::id::{InvoiceId, PaymentId, Provider, RefundId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use quittance_domain::refund::RefundStatus;
use quittance_domain::refund_reason::{RefundEffect, RefundReason};
use quittance_lambda::accepted;
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::caller::Reach;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::PaymentPath;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, PageParameters};
use quittance_store::payments::{self, PaymentFilter, PaymentView};
use quittance_store::refunds::{self, RefundView};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::Billing;
use crate::invoices::filtered_invoice;

/// The status of a payment that the processor has not recorded yet.
const ACCEPTED: &str = "accepted";

/// The filters of payments.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PaymentParameters {
    /// Only payments with this status.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    status: Option<PaymentStatus>,
    /// Only payments that name this invoice.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    invoice_id: Option<InvoiceIdOrNumber>,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": PaymentId::EXAMPLE, "transaction_id": TransactionId::EXAMPLE, "provider": Provider::EXAMPLE,
    "status": "confirmed", "amount": examples::money(), "returned": {"value": "0.00", "currency": "EUR"},
    "invoice_id": InvoiceId::EXAMPLE, "invoice_ids": [InvoiceId::EXAMPLE], "allocated": examples::money(),
    "surplus": {"value": "0.00", "currency": "EUR"}, "reason": null, "return_reason": null, "refusal": null,
    "created_at": examples::TIME, "updated_at": examples::TIME,
})))]
pub(crate) struct Payment {
    id: PaymentId,
    #[schema(value_type = TransactionId)]
    transaction_id: String,
    #[schema(value_type = Provider)]
    provider: String,
    #[schema(value_type = PaymentStatus)]
    status: String,
    /// The amount captured, otherwise the amount claimed.
    #[schema(required)]
    amount: Option<Money>,
    /// The amount sent back.
    #[schema(required)]
    returned: Option<Money>,
    /// The first invoice that it names.
    #[schema(required)]
    invoice_id: Option<InvoiceId>,
    /// All invoices that it names; null for a client's own users.
    #[schema(required)]
    invoice_ids: Option<Vec<InvoiceId>>,
    /// The amount allocated to invoices.
    #[schema(required)]
    allocated: Option<Money>,
    /// Unapplied cash: the client's credit, or in suspense.
    #[schema(required)]
    surplus: Option<Money>,
    /// Why it failed, as the gateway reports it; null unless it failed.
    #[schema(required)]
    reason: Option<String>,
    /// Why the payer's bank returned money: the bank's code or text, and ours; null for a client's own users.
    #[schema(required)]
    return_reason: Option<String>,
    /// Why the last charge was refused; null if it was not.
    #[schema(required)]
    refusal: Option<String>,
    /// When it was first recorded.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
    /// In order of request; only when the payment is read by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refunds: Option<Vec<Refund>>,
}

/// A refund that staff requested.
#[derive(Debug, Serialize, ToSchema)]
struct Refund {
    id: RefundId,
    amount: Money,
    #[schema(value_type = RefundStatus)]
    status: String,
    /// The kind of reason, as classified last.
    reason_kind: RefundReason,
    /// Whether it makes the invoice owed again.
    reopens: bool,
    /// The reason that staff gave; null for a client's own users.
    #[schema(required)]
    reason: Option<String>,
    /// Why it was refused; null for a client's own users.
    #[schema(required)]
    refusal: Option<String>,
    /// When it was requested.
    requested_at: DateTime<Utc>,
}

/// A payment that was accepted and is not recorded yet; repeat the request shortly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedPayment {
    transaction_id: TransactionId,
    provider: Provider,
    /// `accepted`.
    status: &'static str,
    /// When it was accepted.
    created_at: String,
}

/// A payment, recorded or only accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ShownPayment {
    Recorded(Box<Payment>),
    Accepted(AcceptedPayment),
}

/// A page of payments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Payments {
    /// Oldest first.
    payments: Vec<Payment>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Returns a payment; clients see those of their own invoices only.
#[utoipa::path(
    get,
    path = "/v1/payments/{transaction_id}",
    operation_id = "readPayment",
    tag = "payments",
    params(PaymentPath),
    responses((status = 200, description = "The payment.", body = ShownPayment))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    Path(transaction_id): Path<String>,
) -> Result<Json<ShownPayment>, Problem> {
    let not_found = || Problem::not_found("payment", transaction_id.chars().take(100).collect::<String>());
    let (_, name) = TransactionId::with_provider(&transaction_id).map_err(|_| not_found())?;
    let Some(payment) = payments::find(&billing.database, &name, reach.client_id()).await? else {
        let accepted = accepted_only(&billing, name.clone(), reach).await?;
        return accepted.map(ShownPayment::Accepted).map(Json).ok_or_else(not_found);
    };
    let refunds = refunds::views(&billing.database, payment.id).await?;
    let refunds = refunds.into_iter().map(|view| refund(view, reach)).collect();
    let payment = Payment { refunds: Some(refunds), ..shown(payment, reach) };
    Ok(Json(ShownPayment::Recorded(Box::new(payment))))
}

/// A payment that the validator has accepted and the processor has not recorded yet.
async fn accepted_only(
    billing: &Billing,
    name: TransactionId,
    reach: Reach,
) -> Result<Option<AcceptedPayment>, Problem> {
    let accepted_at = billing.accepted.answer_of(&accepted::key(&name, reach.client_id()), Utc::now()).await;
    let accepted_at = accepted_at.map_err(|error| Problem::dependency_failed(&error))?;
    let provider = name.provider();
    Ok(accepted_at.map(|created_at| AcceptedPayment { transaction_id: name, provider, status: ACCEPTED, created_at }))
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
    Permit { reach, .. }: Permit,
    ListRequest { filters, page }: ListRequest<PaymentParameters, PaymentId>,
) -> Result<Json<Payments>, Problem> {
    let PaymentParameters { status, invoice_id } = filters;
    let invoice_id = filtered_invoice(&billing, invoice_id, reach).await?;
    let filter = PaymentFilter { status, invoice_id, client_id: reach.client_id(), after: page.after };
    let found = payments::list(&billing.database, &filter, page.to_read()).await?;
    let (found, next_cursor) = page.cut(found, |payment| payment.id.to_string());
    Ok(Json(Payments { payments: found.into_iter().map(|payment| shown(payment, reach)).collect(), next_cursor }))
}

/// A payment, with the data that the caller may see.
fn shown(payment: PaymentView, reach: Reach) -> Payment {
    let is_staff = reach == Reach::All;
    Payment {
        id: payment.id,
        transaction_id: payment.transaction_id,
        provider: payment.provider,
        status: payment.status,
        amount: payment.amount,
        returned: payment.returned,
        invoice_id: payment.invoices.first().copied(),
        // A payment may pay invoices of several clients: each of them sees only the first invoice, by which the payment
        // is found.
        invoice_ids: is_staff.then_some(payment.invoices),
        allocated: payment.allocated,
        surplus: payment.surplus,
        reason: payment.reason,
        // It may name payments of other clients.
        return_reason: payment.return_reason.filter(|_| is_staff),
        refusal: payment.refusal,
        created_at: payment.created_at,
        updated_at: payment.updated_at,
        refunds: None,
    }
}

/// A refund; only staff see the reason that staff wrote.
fn refund(refund: RefundView, reach: Reach) -> Refund {
    let is_staff = reach == Reach::All;
    Refund {
        id: refund.id,
        amount: refund.amount,
        status: refund.status,
        reason_kind: refund.terms.reason,
        reopens: refund.terms.effect() == RefundEffect::Reopens,
        reason: is_staff.then_some(refund.reason),
        refusal: refund.refusal.filter(|_| is_staff),
        requested_at: refund.requested_at,
    }
}
