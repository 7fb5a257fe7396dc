//! What a receipt is called and where it lies: a payment of an invoice has one, and so has a refund, whoever asks for it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::id::{ClientId, InvoiceId, PaymentId};

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

/// The number of a receipt for a refund: the day of the event that tells of it, and the part of the event's id that is
/// chance. So a repetition has the same number, and no other refund has it, whether an invoice stands behind it or not.
#[must_use]
pub fn refund_receipt_number(event_id: Uuid, at: DateTime<Utc>) -> String {
    let (_, chance) = event_id.as_u64_pair();
    format!("RF-{}-{chance:016X}", at.format("%Y%m%d"))
}

/// Where the receipts for a payment's refunds lie in the documents bucket: those to one client, or all.
#[must_use]
pub fn refund_folder(payment: PaymentId, client: Option<ClientId>) -> String {
    client.map_or_else(|| format!("receipts/{payment}/"), |client| format!("receipts/{payment}/{client}/"))
}

/// Where the receipt for a refund lies in the documents bucket.
#[must_use]
pub fn refund_document_key(payment: PaymentId, client: ClientId, receipt_number: &str) -> String {
    format!("{}{receipt_number}.pdf", refund_folder(payment, Some(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_has_one_number_however_often_it_is_told_and_two_refunds_have_two() {
        let at = DateTime::from_timestamp(1_793_620_800, 0).unwrap();
        let [first, second] = [7, 8].map(|id| refund_receipt_number(Uuid::from_u128(id), at));
        assert_eq!(first, "RF-20261102-0000000000000007");
        assert_ne!(first, second);
    }
}
