//! The numbers and storage keys of receipts: one for each payment of an invoice, and one for each refund, regardless of
//! who requests it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::id::{ClientId, InvoiceId, PaymentId};

/// The receipt's number: the invoice's number and its version after the payment. Unique, never reused, with gaps: a
/// gapless counter would serialise all payments.
#[must_use]
pub fn receipt_number(invoice_number: &str, invoice_version: i64) -> String {
    format!("{invoice_number}-R{invoice_version}")
}

/// The receipt's key in the documents bucket.
#[must_use]
pub fn document_key(invoice: InvoiceId, receipt_number: &str) -> String {
    format!("receipts/{invoice}/{receipt_number}.pdf")
}

/// The number of a refund receipt: the day of the refund's event and the random part of the event's id. So a
/// redelivered event gets the same number, and no two refunds share one, with or without an invoice.
#[must_use]
pub fn refund_receipt_number(event_id: Uuid, at: DateTime<Utc>) -> String {
    let (_, chance) = event_id.as_u64_pair();
    format!("RF-{}-{chance:016X}", at.format("%Y%m%d"))
}

/// The key prefix in the documents bucket of the receipts for a payment's refunds: those of one client, or all.
#[must_use]
pub fn refund_folder(payment: PaymentId, client: Option<ClientId>) -> String {
    client.map_or_else(|| format!("receipts/{payment}/"), |client| format!("receipts/{payment}/{client}/"))
}

/// The key of a refund receipt in the documents bucket.
#[must_use]
pub fn refund_document_key(payment: PaymentId, client: ClientId, receipt_number: &str) -> String {
    format!("{}{receipt_number}.pdf", refund_folder(payment, Some(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_has_one_number_however_often_it_is_reported_and_two_refunds_have_two() {
        let at = DateTime::from_timestamp(1_793_620_800, 0).unwrap();
        let [first, second] = [7, 8].map(|id| refund_receipt_number(Uuid::from_u128(id), at));
        assert_eq!(first, "RF-20261102-0000000000000007");
        assert_ne!(first, second);
    }
}
