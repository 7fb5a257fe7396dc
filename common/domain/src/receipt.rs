//! What a receipt is called and where it lies: a payment of an invoice has one, whoever asks for it.

use crate::id::InvoiceId;

/// The receipt's number: the invoice's number and the version that the payment gave it. Unique, never reused, with gaps: a
/// gapless counter would have every payment wait for the one before.
#[must_use]
pub fn receipt_number(invoice_number: &str, invoice_version: i64) -> String {
    format!("{invoice_number}-R{invoice_version}")
}

/// Where the receipt lies in the documents bucket.
#[must_use]
pub fn document_key(invoice: InvoiceId, receipt_number: &str) -> String {
    format!("receipts/{invoice}/{receipt_number}.pdf")
}
