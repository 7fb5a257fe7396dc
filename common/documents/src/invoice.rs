//! Invoices as PDF.

use chrono::{NaiveDate, NaiveTime};
use quittance_domain::creditor_reference::CreditorReference;
use quittance_domain::invoice::InvoiceStatus;
use quittance_domain::money::{Money, MoneyError};
use quittance_domain::party::ClientDetails;
use quittance_domain::tax::{RateTax, TaxPercent, taxes};
use quittance_wording::{amount, long_date, number, percent, words};
use serde_json::{Value, json};

use crate::press::{Imprint, Template};
use crate::receipt::difference;
use crate::{Press, PressError, Seller};

const TEMPLATE: Template =
    Template { path: "/invoice.typ", text: include_str!("../templates/invoice.typ"), section: "invoice" };

/// The data of a printed invoice.
#[derive(Debug, Clone)]
pub struct InvoiceSheet<'a> {
    pub number: &'a str,
    pub client: &'a ClientDetails,
    /// Date of issue.
    pub issued_on: NaiveDate,
    /// Due date.
    pub due_on: NaiveDate,
    /// The amount charged.
    pub total: Money,
    /// The amount that credit notes took off.
    pub credited: Money,
    /// The amount paid.
    pub paid: Money,
    pub status: InvoiceStatus,
    pub lines: Vec<PrintedInvoiceLine<'a>>,
}

#[derive(Debug, Clone)]
pub struct PrintedInvoiceLine<'a> {
    pub description: &'a str,
    pub quantity: u32,
    /// The unit price, without tax.
    pub unit_amount: Money,
    /// Its tax rate.
    pub tax_percent: TaxPercent,
}

impl PrintedInvoiceLine<'_> {
    fn net(&self) -> Result<Money, MoneyError> {
        self.unit_amount.checked_mul(self.quantity)
    }
}

impl Press {
    /// Renders an invoice in the client's language.
    ///
    /// # Errors
    /// [`PressError`].
    pub fn invoice(&self, seller: &Seller, invoice: &InvoiceSheet<'_>) -> Result<Vec<u8>, PressError> {
        let data = data(invoice).map_err(|error| PressError::new(invoice.number, error))?;
        let at = invoice.issued_on.and_time(NaiveTime::MIN).and_utc();
        self.set(TEMPLATE, &Imprint { seller, language: invoice.client.language, number: invoice.number, at }, data)
    }
}

fn data(invoice: &InvoiceSheet<'_>) -> Result<Value, MoneyError> {
    let InvoiceSheet { client, total, credited, paid, .. } = invoice;
    let language = client.language;
    let shown = |money: Money| amount(language, money);
    let PrintedLines { lines, subtotal, taxes } = listed(client, *total, &invoice.lines)?;
    let is_part = paid.is_positive() || credited.is_positive();
    Ok(json!({
        "client": client,
        "issued_on": long_date(language, invoice.issued_on),
        "due_on": long_date(language, invoice.due_on),
        "reference": CreditorReference::of_number(invoice.number).map(|reference| reference.to_string()),
        "headline": headline(invoice),
        "lines": lines,
        "subtotal": subtotal,
        "taxes": taxes,
        "total": shown(*total),
        "credited": credited.is_positive().then(|| shown(*credited)),
        "paid": paid.is_positive().then(|| shown(*paid)),
        "remaining": is_part.then(|| shown(remaining(invoice))),
    }))
}

/// The amount still owed.
fn remaining(invoice: &InvoiceSheet<'_>) -> Money {
    difference(difference(invoice.total, invoice.credited), invoice.paid)
}

/// Lines in printed form, with their totals.
pub(crate) struct PrintedLines {
    pub(crate) lines: Vec<[String; 5]>,
    /// None if there is no tax.
    pub(crate) subtotal: Option<String>,
    pub(crate) taxes: Vec<[String; 2]>,
}

pub(crate) fn listed(
    client: &ClientDetails,
    total: Money,
    printed: &[PrintedInvoiceLine<'_>],
) -> Result<PrintedLines, MoneyError> {
    let language = client.language;
    let shown = |money: Money| amount(language, money);
    let mut net = Vec::with_capacity(printed.len());
    let mut lines = Vec::with_capacity(printed.len());
    for line in printed {
        net.push((line.net()?, line.tax_percent));
        lines.push([
            line.description.to_owned(),
            number(language, line.quantity.into()),
            number(language, line.unit_amount.amount()),
            percent(language, line.tax_percent.value()),
            number(language, line.net()?.amount()),
        ]);
    }
    let subtotal = net.iter().try_fold(Money::zero(total.currency()), |sum, (line, _)| sum.checked_add(*line))?;
    let rates = taxes(total.currency(), net)?;
    let taxes = rates.iter().filter(|rate| !rate.tax.is_zero()).map(|rate| tax(client, rate)).collect();
    Ok(PrintedLines { lines, subtotal: (subtotal != total).then(|| shown(subtotal)), taxes })
}

/// Label and amount of the tax of one rate.
fn tax(client: &ClientDetails, rate: &RateTax) -> [String; 2] {
    let language = client.language;
    let values = [("percent", percent(language, rate.percent.value())), ("net", amount(language, rate.net))];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    [words(language).fill("invoice.tax_at", &values), amount(language, rate.tax)]
}

fn headline(invoice: &InvoiceSheet<'_>) -> String {
    let language = invoice.client.language;
    let key = match invoice.status {
        InvoiceStatus::Void => "invoice.void",
        InvoiceStatus::Paid if invoice.credited.is_positive() => "invoice.settled",
        InvoiceStatus::Paid => "invoice.paid",
        _ => "invoice.open",
    };
    let values = [
        ("total", amount(language, invoice.total)),
        ("remaining", amount(language, remaining(invoice))),
        ("due", long_date(language, invoice.due_on)),
    ];
    words(language).fill(key, &values.each_ref().map(|(name, value)| (*name, value.as_str())))
}
