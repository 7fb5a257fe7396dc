//! Credit notes as PDF.

use chrono::NaiveTime;
use quittance_domain::event::CreditNoteSummary;
use quittance_domain::money::MoneyError;
use quittance_domain::party::ClientDetails;
use quittance_wording::{amount, long_date, words};
use serde_json::{Value, json};

use crate::invoice::{PrintedInvoiceLine, PrintedLines, listed};
use crate::press::{Imprint, Template};
use crate::{Press, PressError, Seller};

const TEMPLATE: Template =
    Template { path: "/credit_note.typ", text: include_str!("../templates/credit_note.typ"), section: "credit_note" };

/// The data of a printed credit note.
#[derive(Debug, Clone)]
pub struct CreditNoteSheet<'a> {
    pub summary: &'a CreditNoteSummary,
    /// The number of the invoice that it reduces.
    pub invoice_number: &'a str,
    pub client: &'a ClientDetails,
    /// The credited lines.
    pub lines: Vec<PrintedInvoiceLine<'a>>,
}

impl Press {
    /// Renders a credit note in the client's language.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn credit_note(&self, seller: &Seller, note: &CreditNoteSheet<'_>) -> Result<Vec<u8>, PressError> {
        let (language, number) = (note.client.language, note.summary.number.as_str());
        let at = note.summary.issued_on.and_time(NaiveTime::MIN).and_utc();
        let data = data(note).map_err(|error| PressError::new(number, error))?;
        self.set(TEMPLATE, &Imprint { seller, language, number, at }, data)
    }
}

fn data(note: &CreditNoteSheet<'_>) -> Result<Value, MoneyError> {
    let CreditNoteSheet { summary, invoice_number, client, lines } = note;
    let language = client.language;
    let total = amount(language, summary.total);
    let PrintedLines { lines, subtotal, taxes } = listed(client, summary.total, lines)?;
    Ok(json!({
        "client": client,
        "issued_on": long_date(language, summary.issued_on),
        "invoice": invoice_number,
        "reason": summary.reason,
        "headline": words(language).fill("credit_note.headline", &[("total", &total), ("invoice", invoice_number)]),
        "lines": lines,
        "subtotal": subtotal,
        "taxes": taxes,
        "total": total,
    }))
}
