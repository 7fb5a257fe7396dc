//! One settlement, one receipt.

use aws_sdk_s3::primitives::ByteStream;
use chrono::{DateTime, Utc};
use quittance_domain::event::{InvoiceEvent, InvoiceSettled, ReceiptIssued};
use quittance_domain::receipt::{document_key, receipt_number};
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

/// The event that follows from `cause`: its id is derived from the cause's, so that repetition keeps it.
fn receipt_issued(
    cause: Uuid,
    at: DateTime<Utc>,
    correlation_id: String,
    settled: InvoiceSettled,
) -> CloudEvent<InvoiceEvent> {
    let id = Uuid::new_v5(&cause, FUNCTION.as_bytes());
    let number = receipt_number(&settled.invoice.number, settled.invoice.version);
    let receipt = ReceiptIssued { document_key: document_key(settled.invoice.id, &number), number, settled };
    CloudEvent::of_event(id, FUNCTION, at, correlation_id, InvoiceEvent::ReceiptIssued(receipt))
}

impl Issuer {
    /// Makes the PDF, stores it and tells of it.
    ///
    /// # Errors
    /// A sentence; repeating is safe.
    pub async fn issue(&self, event: &CloudEvent<InvoiceEvent>, settled: &InvoiceSettled) -> Result<(), String> {
        let number = receipt_number(&settled.invoice.number, settled.invoice.version);
        let pdf = self.renderer.render(&number, &self.seller, settled).map_err(|error| error.to_string())?;
        self.s3
            .put_object()
            .bucket(&self.documents_bucket)
            .key(document_key(settled.invoice.id, &number))
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
