//! What an e-mail says.

use quittance_domain::event::ReceiptIssued;
use quittance_domain::invoice::InvoiceStatus;

/// A plain text e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Where it goes.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// The e-mail that goes with a receipt.
#[must_use]
pub fn receipt_email(receipt: &ReceiptIssued) -> Email {
    let settled = &receipt.settled;
    let invoice = &settled.invoice;
    let standing = match (invoice.status, invoice.total.checked_sub(invoice.paid)) {
        (InvoiceStatus::Paid, _) | (_, Err(_)) => "It is paid in full. Thank you.".to_owned(),
        (_, Ok(remaining)) => format!("{remaining} remains to be paid by {}.", invoice.due_on),
    };
    Email {
        to: settled.client.email.clone(),
        subject: format!("Receipt {} for invoice {}", receipt.number, invoice.number),
        text: format!(
            "Dear {name},\n\n\
             we have received {allocated} for invoice {number} on {paid_on}.\n{standing}\n\n\
             Receipt:     {receipt}\nTransaction: {transaction}\n\n\
             You find the receipt as a PDF with your invoices.\n",
            name = settled.client.name,
            allocated = settled.allocated,
            number = invoice.number,
            paid_on = settled.payment.paid_at.date_naive(),
            receipt = receipt.number,
            transaction = settled.payment.transaction_id,
        ),
    }
}
