//! Issues one receipt for each settlement or refund.

use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use quittance_documents::{Press, PressError, Seller};
use quittance_domain::event::{InvoiceEvent, InvoiceSettled, PaymentAdjusted, ReceiptIssued, RefundReceiptIssued};
use quittance_domain::party::ClientDetails;
use quittance_domain::receipt::{document_key, receipt_number, refund_document_key, refund_receipt_number};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::publisher::Publisher;
use uuid::Uuid;

/// The name in the envelopes' `source`.
const FUNCTION: &str = "receipt";

/// The dependencies of issuing.
#[derive(Clone)]
pub struct Issuer {
    /// Fonts and templates.
    pub press: Press,
    /// The seller, who was paid.
    pub seller: Seller,
    /// The store of the PDFs.
    pub s3: aws_sdk_s3::Client,
    pub documents_bucket: String,
    /// The events topic.
    pub publisher: Publisher,
}

#[derive(Debug, Clone, Copy)]
pub enum ReceiptOccasion<'a> {
    /// A payment of an invoice.
    Settled(&'a InvoiceSettled),
    /// A refund, and its recipient.
    Refunded(&'a PaymentAdjusted, &'a ClientDetails),
}

/// Why a receipt was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The PDF cannot be typeset.
    #[error(transparent)]
    Press(#[from] PressError),
    /// S3 did not accept the PDF.
    #[error("receipt {number} was not stored")]
    NotStored {
        /// The receipt's number.
        number: String,
        /// The failure.
        source: Box<PutObjectError>,
    },
    /// The event cannot be serialised.
    #[error("the event of the receipt cannot be serialised")]
    Json(#[from] serde_json::Error),
    /// The topic did not accept the event.
    #[error("{event_type} of receipt {number} was not published: {}", .failures.join("; "))]
    NotPublished {
        /// The receipt's number.
        number: String,
        event_type: &'static str,
        /// The reasons that the topic gave.
        failures: Vec<String>,
    },
}

/// A receipt, and the event about it.
struct Receipt {
    number: String,
    document_key: String,
    pdf: Vec<u8>,
    event: InvoiceEvent,
}

impl Issuer {
    /// Renders the PDF, stores it and publishes its event. The event's id is derived from its cause's, so that a
    /// repetition has the same id.
    ///
    /// # Errors
    /// [`IssueError`]; repeating is safe.
    pub async fn issue(
        &self,
        cause: &CloudEvent<InvoiceEvent>,
        occasion: ReceiptOccasion<'_>,
    ) -> Result<(), IssueError> {
        let printed = match occasion {
            ReceiptOccasion::Settled(settled) => self.receipt(settled),
            ReceiptOccasion::Refunded(refund, client) => self.refund_receipt(cause, refund, client),
        };
        let Receipt { number, document_key, pdf, event } = printed?;
        self.s3
            .put_object()
            .bucket(&self.documents_bucket)
            .key(document_key)
            .content_type("application/pdf")
            .body(ByteStream::from(pdf))
            .send()
            .await
            .map_err(|error| IssueError::NotStored {
                number: number.clone(),
                source: Box::new(error.into_service_error()),
            })?;
        let id = Uuid::new_v5(&cause.id, FUNCTION.as_bytes());
        let issued = CloudEvent::of_event(id, FUNCTION, cause.time, cause.correlationid.clone(), event);
        let message = issued.message()?;
        let published = self.publisher.publish(&[message]).await;
        if published.published.contains(&issued.id) {
            return Ok(());
        }
        Err(IssueError::NotPublished { number, event_type: issued.payload.type_name(), failures: published.failures })
    }

    fn receipt(&self, settled: &InvoiceSettled) -> Result<Receipt, PressError> {
        let number = receipt_number(&settled.invoice.number, settled.invoice.version);
        let document_key = document_key(settled.invoice.id, &number);
        let pdf = self.press.receipt(&number, &self.seller, settled)?;
        let issued =
            ReceiptIssued { number: number.clone(), document_key: document_key.clone(), settled: settled.clone() };
        Ok(Receipt { number, document_key, pdf, event: InvoiceEvent::ReceiptIssued(issued) })
    }

    fn refund_receipt(
        &self,
        cause: &CloudEvent<InvoiceEvent>,
        refund: &PaymentAdjusted,
        client: &ClientDetails,
    ) -> Result<Receipt, PressError> {
        let number = refund_receipt_number(cause.id, cause.time);
        let document_key = refund_document_key(refund.payment.id, client.id, &number);
        let pdf =
            self.press.refund_receipt(&number, &self.seller, client, refund, cause.time, cause.accounting_date())?;
        let issued =
            RefundReceiptIssued { number: number.clone(), document_key: document_key.clone(), refund: refund.clone() };
        Ok(Receipt { number, document_key, pdf, event: InvoiceEvent::RefundReceiptIssued(issued) })
    }
}
