//! A receipt as PDF, set by Typst from `templates/receipt.typ`.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use quittance_domain::event::InvoiceSettled;
use quittance_domain::id::Provider;
use quittance_domain::money::Money;
use serde::Serialize;
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_kit::fonts::{FontStore, embedded};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

const TEMPLATE: &str = include_str!("../templates/receipt.typ");
const TEMPLATE_PATH: &str = "/receipt.typ";
const DATA_PATH: &str = "/receipt.json";

/// Who was paid.
#[derive(Debug, Clone, Serialize)]
pub struct Seller {
    /// Legal name.
    pub name: String,
    /// Postal address, one line per element.
    pub address: Vec<String>,
    /// VAT or other tax number.
    pub tax_id: String,
}

/// A receipt cannot be set: the template is broken, or a font is missing.
#[derive(Debug, thiserror::Error)]
#[error("receipt {number} cannot be set: {reason}")]
pub struct RenderError {
    number: String,
    reason: String,
}

/// Fonts and standard library, loaded once per function instance.
#[derive(Clone)]
pub struct Renderer {
    library: Arc<LazyHash<Library>>,
    fonts: Arc<FontStore>,
    template: Source,
    data_id: FileId,
}

/// What the template prints. Texts are data, never markup.
#[derive(Debug, Serialize)]
struct ReceiptData<'a> {
    number: &'a str,
    seller: &'a Seller,
    client: &'a quittance_domain::party::ClientDetails,
    invoice_number: &'a str,
    issued_on: String,
    due_on: String,
    paid_on: String,
    allocated: String,
    total: String,
    paid: String,
    remaining: String,
    is_paid_in_full: bool,
    paid_through: String,
    transaction_id: &'a str,
    payment_id: String,
    audit_id: String,
}

impl Renderer {
    /// Loads fonts and template.
    ///
    /// # Errors
    /// A sentence, if a path inside the template's world is not valid, which no build has.
    pub fn new() -> Result<Self, String> {
        let id = |path: &str| {
            let path = VirtualPath::new(path).map_err(|error| format!("{path}: {error:?}"))?;
            Ok::<_, String>(RootedPath::new(VirtualRoot::Project, path).intern())
        };
        let mut fonts = FontStore::new();
        fonts.extend(embedded());
        Ok(Self {
            library: Arc::new(LazyHash::new(Library::default())),
            fonts: Arc::new(fonts),
            template: Source::new(id(TEMPLATE_PATH)?, TEMPLATE.to_owned()),
            data_id: id(DATA_PATH)?,
        })
    }

    /// Sets the receipt. The same settlement gives the same bytes.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn render(&self, number: &str, seller: &Seller, settled: &InvoiceSettled) -> Result<Vec<u8>, RenderError> {
        let fail = |reason: String| RenderError { number: number.to_owned(), reason };
        let data = serde_json::to_vec(&data(number, seller, settled)).map_err(|error| fail(error.to_string()))?;
        let page = Page { renderer: self, data: Bytes::new(data) };
        let document = typst::compile::<PagedDocument>(&page).output.map_err(|errors| fail(joined(&errors)))?;
        let options = PdfOptions {
            ident: Smart::Custom(number.to_owned()),
            creator: Smart::Custom(Some("Quittance".to_owned())),
            timestamp: datetime(settled.payment.paid_at).map(Timestamp::new_utc),
            standards: PdfStandards::new(&[PdfStandard::A_2b]).map_err(|error| fail(error.message().to_string()))?,
            ..PdfOptions::default()
        };
        typst_pdf::pdf(&document, &options).map_err(|errors| fail(joined(&errors)))
    }
}

fn joined(errors: &[typst::diag::SourceDiagnostic]) -> String {
    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn data<'a>(number: &'a str, seller: &'a Seller, settled: &'a InvoiceSettled) -> ReceiptData<'a> {
    let invoice = &settled.invoice;
    let remaining = invoice.total.checked_sub(invoice.paid).unwrap_or_else(|_| Money::zero(invoice.total.currency()));
    ReceiptData {
        number,
        seller,
        client: &settled.client,
        invoice_number: &invoice.number,
        issued_on: long_date(invoice.issued_on),
        due_on: long_date(invoice.due_on),
        paid_on: long_date(settled.payment.paid_at.date_naive()),
        allocated: grouped(settled.allocated),
        total: grouped(invoice.total),
        paid: grouped(invoice.paid),
        remaining: grouped(remaining),
        is_paid_in_full: remaining.is_zero(),
        paid_through: paid_through(&settled.payment.provider),
        transaction_id: settled.payment.transaction_id.as_str(),
        payment_id: settled.payment.id.to_string(),
        audit_id: settled.audit_id.to_string(),
    }
}

/// How a reader calls the provider.
fn paid_through(provider: &Provider) -> String {
    if *provider == Provider::manual() {
        return "Bank transfer".to_owned();
    }
    let mut letters = provider.as_str().chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn long_date(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

/// `EUR 1,234.50`: digits in groups of three, as English readers expect.
fn grouped(money: Money) -> String {
    let text = money.amount().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut groups = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            groups.push(',');
        }
        groups.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{} {sign}{groups}{point}{fraction}", money.currency())
}

fn datetime(at: DateTime<Utc>) -> Option<Datetime> {
    let part = |value: u32| u8::try_from(value).ok();
    Datetime::from_ymd_hms(
        at.year(),
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
}

/// What Typst sees while it sets one receipt: the template and its data, no clock and no other file.
struct Page<'a> {
    renderer: &'a Renderer,
    data: Bytes,
}

impl World for Page<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.renderer.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.renderer.fonts.book()
    }

    fn main(&self) -> FileId {
        self.renderer.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.renderer.template.id() {
            Ok(self.renderer.template.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.renderer.data_id { Ok(self.data.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.renderer.fonts.font(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(total: &str, paid: &str, name: &str) -> InvoiceSettled {
        serde_json::from_value(serde_json::json!({
            "invoice": {
                "id": "inv_00000000000000000000000000000001", "number": "INV-2026-000001",
                "total": {"value": total, "currency": "EUR"}, "paid": {"value": paid, "currency": "EUR"},
                "status": "paid", "version": 3, "issued_on": "2026-11-02", "due_on": "2026-12-02",
            },
            "client": {
                "id": "cli_00000000000000000000000000000001", "name": name, "email": "accounts@nordlicht.example",
                "address": ["Hafenstraße 7", "20457 Hamburg", "Germany"], "tax_id": "DE123456789",
            },
            "payment": {
                "id": "pay_00000000000000000000000000000001", "transaction_id": "stripe:pi_1", "provider": "stripe",
                "amount": {"value": paid, "currency": "EUR"}, "paid_at": "2026-11-20T09:30:00Z",
            },
            "allocated": {"value": paid, "currency": "EUR"},
            "audit_id": "aud_00000000000000000000000000000001",
        }))
        .unwrap()
    }

    fn seller() -> Seller {
        Seller { name: "Quittance Ltd".to_owned(), address: vec!["1 Main Street".to_owned()], tax_id: "EU1".to_owned() }
    }

    #[test]
    fn the_same_settlement_gives_the_same_pdf() {
        let renderer = Renderer::new().unwrap();
        let settled = settled("1234.50", "1234.50", "Nordlicht GmbH");
        let first = renderer.render("R-1", &seller(), &settled).unwrap();
        assert!(first.starts_with(b"%PDF-"));
        assert_eq!(first, Renderer::new().unwrap().render("R-1", &seller(), &settled).unwrap());
    }

    #[test]
    fn names_that_look_like_markup_are_printed_not_run() {
        let renderer = Renderer::new().unwrap();
        for name in ["#panic()", "$x$ *bold* ]", "\\", "\"); #read(\"/etc/passwd\")", "Ελλάδα Кредит"] {
            renderer.render("R-1", &seller(), &settled("10", "5", name)).unwrap();
        }
    }

    #[test]
    fn amounts_are_grouped_in_threes_with_the_currencys_decimals() {
        for (value, currency, shown) in
            [("1234567.5", "EUR", "EUR 1,234,567.50"), ("999", "JPY", "JPY 999"), ("-1000", "KWD", "KWD -1,000.000")]
        {
            assert_eq!(grouped(Money::parse(value, currency).unwrap()), shown);
        }
    }
}
