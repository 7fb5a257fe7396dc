//! Refund receipts, as PDF.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::event::{InvoiceSummary, PaymentAdjusted};
use quittance_domain::invoice::InvoiceStatus;
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use quittance_wording::{amount, long_date, words};
use serde_json::{Value, json};

use crate::press::{Imprint, Template};
use crate::receipt::paid_through;
use crate::{Press, PressError, Seller};

const TEMPLATE: Template = Template {
    path: "/refund_receipt.typ",
    text: include_str!("../templates/refund_receipt.typ"),
    section: "refund_receipt",
};

impl Press {
    /// Renders a receipt for a refund, with its time and accounting date, in the client's language. The same refund
    /// gives the same bytes.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn refund_receipt(
        &self,
        number: &str,
        seller: &Seller,
        client: &ClientDetails,
        refund: &PaymentAdjusted,
        at: DateTime<Utc>,
        refunded_on: NaiveDate,
    ) -> Result<Vec<u8>, PressError> {
        let imprint = Imprint { seller, language: client.language, number, at };
        self.set(TEMPLATE, &imprint, data(client, refund, refunded_on))
    }
}

fn data(client: &ClientDetails, refund: &PaymentAdjusted, refunded_on: NaiveDate) -> Value {
    let PaymentAdjusted { payment, amount: refunded, invoice, audit_id, .. } = refund;
    let (language, spoken) = (client.language, words(client.language));
    let shown = |money: Money| amount(language, money);
    let refunded_on = long_date(language, refunded_on);
    let paid_on = long_date(language, payment.day());
    json!({
        "client": client,
        "invoice_number": invoice.as_ref().map(|invoice| &invoice.number),
        "refunded_on": refunded_on,
        "refunded_through": paid_through(language, payment),
        "headline": spoken.fill("refund_receipt.headline", &[("amount", &shown(*refunded)), ("date", &refunded_on)]),
        "sentence": invoice.as_ref().and_then(|invoice| still_owed(client, invoice)),
        "payment": spoken.fill("refund_receipt.payment", &[("date", &paid_on)]),
        "paid": shown(payment.amount),
        "refunded": shown(*refunded),
        "transaction_id": payment.transaction_id,
        "payment_id": payment.id,
        "audit_id": audit_id,
    })
}

/// The amount that is owed again after the refund; zero if the invoice stays paid, or is void.
fn still_owed(client: &ClientDetails, invoice: &InvoiceSummary) -> Option<String> {
    let language = client.language;
    let is_owed = matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::PartiallyPaid);
    let values = [
        ("invoice", invoice.number.as_str()),
        ("remaining", &amount(language, invoice.remaining())),
        ("due", &long_date(language, invoice.due_on)),
    ];
    is_owed.then(|| words(language).fill("refund_receipt.open", &values))
}
