//! One settlement or refund, one receipt.

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

/// What receipts are made with.
#[derive(Clone)]
pub struct Issuer {
    /// Fonts and templates.
    pub press: Press,
    /// Who was paid.
    pub seller: Seller,
    /// Where PDFs are stored.
    pub s3: aws_sdk_s3::Client,
    /// The bucket.
    pub documents_bucket: String,
    /// The events topic.
    pub publisher: Publisher,
}

/// What a receipt is for.
#[derive(Debug, Clone, Copy)]
pub enum ReceiptOccasion<'a> {
    /// A payment of an invoice.
    Settled(&'a InvoiceSettled),
    /// Money that went back, and to whom.
    Refunded(&'a PaymentAdjusted, &'a ClientDetails),
}

/// A receipt, and what is told of it.
struct Receipt {
    number: String,
    document_key: String,
    pdf: Vec<u8>,
    told: InvoiceEvent,
}

impl Issuer {
    /// Makes the PDF, stores it and tells of it. The event that follows has an id derived from its cause's, so that
    /// repetition keeps it.
    ///
    /// # Errors
    /// A sentence; repeating is safe.
    pub async fn issue(&self, cause: &CloudEvent<InvoiceEvent>, occasion: ReceiptOccasion<'_>) -> Result<(), String> {
        let printed = match occasion {
            ReceiptOccasion::Settled(settled) => self.receipt(settled),
            ReceiptOccasion::Refunded(refund, client) => self.refund_receipt(cause, refund, client),
        };
        let Receipt { number, document_key, pdf, told } = printed.map_err(|error| error.to_string())?;
        self.s3
            .put_object()
            .bucket(&self.documents_bucket)
            .key(document_key)
            .content_type("application/pdf")
            .body(ByteStream::from(pdf))
            .send()
            .await
            .map_err(|error| format!("receipt {number} was not stored: {}", error.into_service_error()))?;
        let id = Uuid::new_v5(&cause.id, FUNCTION.as_bytes());
        let issued = CloudEvent::of_event(id, FUNCTION, cause.time, cause.correlationid.clone(), told);
        let message = issued.message().map_err(|error| error.to_string())?;
        let published = self.publisher.publish(&[message]).await;
        if published.published.contains(&issued.id) {
            return Ok(());
        }
        Err(format!("{} of receipt {number} was not published: {published:?}", issued.payload.type_name()))
    }

    fn receipt(&self, settled: &InvoiceSettled) -> Result<Receipt, PressError> {
        let number = receipt_number(&settled.invoice.number, settled.invoice.version);
        let document_key = document_key(settled.invoice.id, &number);
        let pdf = self.press.receipt(&number, &self.seller, settled)?;
        let issued =
            ReceiptIssued { number: number.clone(), document_key: document_key.clone(), settled: settled.clone() };
        Ok(Receipt { number, document_key, pdf, told: InvoiceEvent::ReceiptIssued(issued) })
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
            self.press.refund_receipt(&number, &self.seller, client, refund, (cause.time, cause.accounting_date()))?;
        let issued =
            RefundReceiptIssued { number: number.clone(), document_key: document_key.clone(), refund: refund.clone() };
        Ok(Receipt { number, document_key, pdf, told: InvoiceEvent::RefundReceiptIssued(issued) })
    }
}
