//! Receipts for payments of invoices, as PDF.

use quittance_domain::event::{InvoiceSettled, PaymentSummary};
use quittance_domain::language::Language;
use quittance_domain::money::Money;
use quittance_wording::{amount, long_date, words};
use serde_json::{Value, json};

use crate::press::{Imprint, Template};
use crate::{Press, PressError, Seller};

const TEMPLATE: Template =
    Template { path: "/receipt.typ", text: include_str!("../templates/receipt.typ"), section: "receipt" };

impl Press {
    /// Renders a receipt in the client's language. The same settlement gives the same bytes.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn receipt(&self, number: &str, seller: &Seller, settled: &InvoiceSettled) -> Result<Vec<u8>, PressError> {
        let imprint = Imprint { seller, language: settled.client.language, number, at: settled.payment.paid_at };
        self.set(TEMPLATE, &imprint, data(settled))
    }
}

/// The data for the template. Texts are data, never markup.
fn data(settled: &InvoiceSettled) -> Value {
    let InvoiceSettled { invoice, client, payment, allocated, audit_id } = settled;
    let (language, spoken) = (client.language, words(client.language));
    let shown = |money: Money| amount(language, money);
    let remaining = invoice.remaining();
    let paid_on = long_date(language, payment.day());
    let values = [
        ("invoice", invoice.number.as_str()),
        ("remaining", &shown(remaining)),
        ("due", &long_date(language, invoice.due_on)),
        ("amount", &shown(*allocated)),
        ("date", &paid_on),
    ];
    let before = difference(invoice.paid, *allocated);
    let elsewhere = difference(payment.amount, *allocated);
    json!({
        "client": client,
        "invoice_number": invoice.number,
        "paid_on": paid_on,
        "paid_through": paid_through(language, payment),
        "headline": spoken.fill("receipt.headline", &values),
        "sentence": spoken.fill(if remaining.is_positive() { "receipt.in_part" } else { "receipt.in_full" }, &values),
        "invoice": spoken.fill(
            "receipt.invoice",
            &[("invoice", &invoice.number), ("date", &long_date(language, invoice.issued_on))],
        ),
        "total": shown(invoice.total),
        "tax": invoice.tax.map(shown),
        "split": elsewhere
            .is_positive()
            .then(|| json!({"payment": shown(payment.amount), "elsewhere": shown(elsewhere)})),
        "credited": invoice.credited.map(shown),
        "before": before.is_positive().then(|| shown(before)),
        "allocated": shown(*allocated),
        "paid": shown(invoice.paid),
        "remaining": shown(remaining),
        "transaction_id": payment.transaction_id,
        "payment_id": payment.id,
        "audit_id": audit_id,
    })
}

/// The difference of two amounts; zero if they are in different currencies.
pub(crate) fn difference(whole: Money, part: Money) -> Money {
    whole.checked_sub(part).unwrap_or_else(|_| Money::zero(whole.currency())).or_zero()
}

/// The provider's name for readers: the translated one, or its own.
pub(crate) fn paid_through(language: Language, payment: &PaymentSummary) -> String {
    let name = payment.provider.as_str();
    if let Some(text) = words(language).find(&format!("provider.{name}")) {
        return text.to_owned();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
