//! `/v1/payments/{transaction_id}/receipt`: the receipts of a payment.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use axum::Json;
use axum::extract::{Path, State};
use quittance_domain::error::Chain;
use quittance_domain::id::{InvoiceId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use quittance_domain::receipt::{document_key, receipt_number, refund_folder};
use quittance_lambda::openapi::parameters::PaymentPath;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_store::allocations::{self, PaidInvoice};
use quittance_store::{StoreError, payments};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Billing;

/// The lifetime of a receipt's URL: long enough to follow it, too short to pass it on.
const URL_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The receipts of a payment, one for each invoice that it paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipts {
    transaction_id: TransactionId,
    /// In the order in which the invoices were paid.
    receipts: Vec<InvoiceReceipt>,
    /// In order of number, which begins with the date; at most 1,000.
    refund_receipts: Vec<RefundReceipt>,
    /// Whether `receipts` is complete; a receipt is issued seconds after the payment.
    is_complete: bool,
}

/// A receipt.
#[derive(Debug, Serialize, ToSchema)]
struct InvoiceReceipt {
    /// Unique, never reused, with gaps.
    number: String,
    /// The paid invoice.
    invoice_id: InvoiceId,
    /// The amount that settled it.
    amount: Money,
    /// The URL of the PDF, created per request. It contains a signature: keep it out of logs.
    url: String,
    /// How long the URL is valid.
    #[schema(minimum = 1)]
    expires_in_seconds: u64,
}

/// A receipt for a refund.
#[derive(Debug, Serialize, ToSchema)]
struct RefundReceipt {
    /// Unique, never reused, with gaps.
    number: String,
    /// The URL of the PDF, created per request. It contains a signature: keep it out of logs.
    url: String,
    /// How long the URL is valid.
    #[schema(minimum = 1)]
    expires_in_seconds: u64,
}

/// Returns the receipts of a payment; clients see those of their own invoices only.
#[utoipa::path(
    get,
    path = "/v1/payments/{transaction_id}/receipt",
    operation_id = "readReceipt",
    tag = "payments",
    params(PaymentPath),
    responses((status = 200, description = "The receipts.", body = Receipts))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    Path(transaction_id): Path<String>,
) -> Result<Json<Receipts>, Problem> {
    let not_found = || Problem::not_found("payment", transaction_id.chars().take(100).collect::<String>());
    let (_, name) = TransactionId::with_provider(&transaction_id).map_err(|_| not_found())?;
    let found = payments::find(&billing.database, &name, reach.client_id()).await?;
    let payment = found.ok_or_else(not_found)?;
    let paid = allocations::paid_invoices(&billing.database, payment.id, reach.client_id()).await?;
    let mut receipts = Vec::with_capacity(paid.len());
    for invoice in &paid {
        receipts.extend(receipt(&billing, invoice).await?);
    }
    let status: PaymentStatus =
        payment.status.parse().map_err(|error| StoreError::corrupt("payments.payments", error))?;
    let is_complete = status.is_proven() && receipts.len() == paid.len();
    let refund_receipts = refund_receipts(&billing, &refund_folder(payment.id, reach.client_id())).await?;
    Ok(Json(Receipts { transaction_id: name, receipts, refund_receipts, is_complete }))
}

/// The refund receipts under a prefix, each with its URL.
async fn refund_receipts(billing: &Billing, folder: &str) -> Result<Vec<RefundReceipt>, Problem> {
    let listing = billing.s3.list_objects_v2().bucket(&billing.documents_bucket).prefix(folder).send().await;
    let listing = listing.map_err(|error| away(folder, &error.into_service_error()))?;
    let mut receipts = Vec::new();
    let number = |key: &'_ str| Some(key.strip_suffix(".pdf")?.rsplit_once('/')?.1.to_owned());
    let mut keys: Vec<(String, &str)> =
        listing.contents().iter().filter_map(|object| Some((number(object.key()?)?, object.key()?))).collect();
    keys.sort();
    for (number, key) in keys {
        let url = signed_url(billing, key, &number).await?;
        receipts.push(RefundReceipt { number, url, expires_in_seconds: URL_LIFETIME.as_secs() });
    }
    Ok(receipts)
}

/// A receipt with its URL; none until it is generated.
async fn receipt(billing: &Billing, paid: &PaidInvoice) -> Result<Option<InvoiceReceipt>, Problem> {
    let number = receipt_number(&paid.number, paid.version);
    let key = document_key(paid.invoice_id, &number);
    let bucket = &billing.documents_bucket;
    if let Err(error) = billing.s3.head_object().bucket(bucket).key(&key).send().await {
        let error = error.into_service_error();
        if error.is_not_found() {
            return Ok(None);
        }
        return Err(away(&number, &error));
    }
    let url = signed_url(billing, &key, &number).await?;
    let (invoice_id, amount) = (paid.invoice_id, paid.amount);
    Ok(Some(InvoiceReceipt { number, invoice_id, amount, url, expires_in_seconds: URL_LIFETIME.as_secs() }))
}

/// A presigned URL for a receipt.
async fn signed_url(billing: &Billing, key: &str, number: &str) -> Result<String, Problem> {
    let lifetime = PresigningConfig::expires_in(URL_LIFETIME).map_err(|error| away(number, &error))?;
    let request = billing.s3.get_object().bucket(&billing.documents_bucket).key(key);
    let name = format!("attachment; filename=\"{number}.pdf\"");
    let signed = request.response_content_disposition(name).presigned(lifetime).await;
    Ok(signed.map_err(|error| away(number, &error))?.uri().to_owned())
}

fn away(number: &str, error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %Chain(&error), receipt.number = number, "receipt could not be read");
    Problem::unavailable(2)
}
