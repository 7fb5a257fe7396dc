//! One settlement, one receipt.

use aws_sdk_s3::primitives::ByteStream;
use chrono::{DateTime, Utc};
use quittance_domain::event::{InvoiceEvent, InvoiceSettled, ReceiptIssued};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::publisher::Publisher;
use uuid::Uuid;

use crate::render::{Renderer, Seller};

/// The name in the envelopes' `source`.
const FUNCTION: &str = "receipt";

/// What receipts are made with.
#[derive(Clone)]
pub struct Issuer {
    /// Fonts and template.
    pub renderer: Renderer,
    /// Who was paid.
    pub seller: Seller,
    /// Where PDFs are stored.
    pub s3: aws_sdk_s3::Client,
    /// The bucket.
    pub documents_bucket: String,
    /// The events topic.
    pub publisher: Publisher,
}

/// The receipt's number: the invoice's number and the version that this payment gave it. Unique, never reused, and
/// the same however often it is asked for.
#[must_use]
pub fn receipt_number(settled: &InvoiceSettled) -> String {
    format!("{}-R{}", settled.invoice.number, settled.invoice.version)
}

/// Where the receipt lies in the documents bucket.
#[must_use]
pub fn document_key(settled: &InvoiceSettled) -> String {
    format!("receipts/{}/{}.pdf", settled.invoice.id, receipt_number(settled))
}

/// The event that follows from `cause`: its id is derived from the cause's, so that repetition keeps it.
fn receipt_issued(
    cause: Uuid,
    at: DateTime<Utc>,
    correlation_id: String,
    settled: InvoiceSettled,
) -> CloudEvent<InvoiceEvent> {
    let id = Uuid::new_v5(&cause, FUNCTION.as_bytes());
    let receipt = ReceiptIssued { number: receipt_number(&settled), document_key: document_key(&settled), settled };
    CloudEvent::of_event(id, FUNCTION, at, correlation_id, InvoiceEvent::ReceiptIssued(receipt))
}

impl Issuer {
    /// Makes the PDF, stores it and tells of it.
    ///
    /// # Errors
    /// A sentence; repeating is safe.
    pub async fn issue(&self, event: &CloudEvent<InvoiceEvent>, settled: &InvoiceSettled) -> Result<(), String> {
        let number = receipt_number(settled);
        let pdf = self.renderer.render(&number, &self.seller, settled).map_err(|error| error.to_string())?;
        self.s3
            .put_object()
            .bucket(&self.documents_bucket)
            .key(document_key(settled))
            .content_type("application/pdf")
            .body(ByteStream::from(pdf))
            .send()
            .await
            .map_err(|error| format!("receipt {number} was not stored: {}", error.into_service_error()))?;
        let issued = receipt_issued(event.id, event.time, event.correlationid.clone(), settled.clone());
        let message = issued.message().map_err(|error| error.to_string())?;
        let published = self.publisher.publish(&[message]).await;
        if published.published.contains(&issued.id) {
            return Ok(());
        }
        Err(format!("receipt.issued of receipt {number} was not published: {published:?}"))
    }
}
