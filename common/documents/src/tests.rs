//! Tests of the documents' content, read back from the PDFs.

use quittance_domain::event::{InvoiceEvent, InvoiceSettled};
use quittance_domain::ledger::posting;
use quittance_domain::money::Money;
use serde_json::{Value, json};

use crate::{
    CreditNoteSheet, InvoiceSheet, Press, PrintedInvoiceLine, PrintedStatementLine, Seller, StatementPart,
    StatementSheet,
};

fn settled(language: &str, name: &str, [total, paid, payment, allocated]: [&str; 4]) -> InvoiceSettled {
    let euro = |value: &str| json!({"value": value, "currency": "EUR"});
    serde_json::from_value(json!({
        "invoice": {
            "id": "inv_00000000000000000000000000000001", "number": "INV-2026-000001", "total": euro(total),
            "paid": euro(paid), "status": "paid", "version": 3, "issued_on": "2026-11-02", "due_on": "2026-12-02",
        },
        "client": {
            "id": "cli_00000000000000000000000000000001", "name": name, "email": "accounts@nordlicht.example",
            "address": ["Hafenstraße 7", "20457 Hamburg", "Germany"], "tax_id": "DE123456789", "language": language,
        },
        "payment": {
            "id": "pay_00000000000000000000000000000001", "transaction_id": "stripe:pi_1", "provider": "stripe",
            "amount": euro(payment), "paid_at": "2026-11-20T09:30:00Z",
        },
        "allocated": euro(allocated), "audit_id": "aud_00000000000000000000000000000001",
    }))
    .unwrap()
}

fn paid_in_full(language: &str) -> InvoiceSettled {
    settled(language, "Nordlicht GmbH", ["1234.50"; 4])
}

fn seller() -> Seller {
    Seller::of_settings("Quittance Ltd".to_owned(), "1 Main Street; Dublin 2", "EU1".to_owned())
}

fn receipt(settled: &InvoiceSettled) -> Vec<u8> {
    Press::new().unwrap().receipt("R-1", &seller(), settled).unwrap()
}

/// The selectable text, regardless of line breaks.
fn text(pdf: &[u8]) -> String {
    let document = lopdf::Document::load_mem(pdf).unwrap();
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    let text = document.extract_text(&pages).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(pdf: &[u8], texts: &[&str]) {
    let all = text(pdf);
    for text in texts {
        assert!(all.contains(text), "`{text}` is missing in: {all}");
    }
}

#[test]
fn the_same_settlement_gives_the_same_bytes() {
    let settled = paid_in_full("de");
    let press = Press::new().unwrap();
    let first = press.receipt("R-1", &seller(), &settled).unwrap();
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!(first, press.receipt("R-1", &seller(), &settled).unwrap(), "of one instance");
    assert_eq!(first, receipt(&settled), "of two instances");
}

#[test]
fn a_document_says_that_it_is_pdf_a_2() {
    let pdf = String::from_utf8_lossy(&receipt(&paid_in_full("en"))).into_owned();
    for mark in ["<pdfaid:part>2</pdfaid:part>", "<pdfaid:conformance>B</pdfaid:conformance>"] {
        assert!(pdf.contains(mark), "{mark}");
    }
}

#[test]
fn a_receipt_names_parties_invoice_and_payment_in_the_clients_language() {
    let both =
        ["R-1", "INV-2026-000001", "Quittance Ltd", "Nordlicht GmbH", "Hafenstraße 7", "DE123456789", "stripe:pi_1"];
    let english = ["Receipt", "EUR 1,234.50 paid on 20 November 2026", "is paid in full", "Page 1 of 1"];
    let german = ["Zahlungsbeleg", "1.234,50 EUR am 20. November 2026 bezahlt", "vollständig bezahlt", "Seite 1 von 1"];
    for (language, own) in [("en", english), ("de", german), ("xx", english)] {
        let pdf = receipt(&paid_in_full(language));
        assert_says(&pdf, &both);
        assert_says(&pdf, &own);
    }
}

#[test]
fn a_receipt_says_what_of_a_payment_went_to_this_invoice_and_what_had_been_paid_before() {
    let pdf = receipt(&settled("en", "A", ["1000", "900", "5000", "600"]));
    assert_says(
        &pdf,
        &[
            "Payment received EUR 5,000.00",
            "kept as credit EUR 4,400.00",
            "for this invoice EUR 600.00",
            "Paid before EUR 300.00",
            "Paid in total EUR 900.00",
            "Remaining EUR 100.00",
            "EUR 100.00 remains to be paid by 2 December 2026",
        ],
    );
    assert!(!text(&receipt(&paid_in_full("en"))).contains("Payment received"), "the whole payment went here");
}

#[test]
fn names_that_look_like_markup_are_printed_not_run() {
    for name in ["#panic()", "$x$ *bold* ]", "\\", "\"); #read(\"/etc/passwd\")", "{amount}", "Ελλάδα Кредит"]
    {
        assert_says(&receipt(&settled("en", name, ["10", "5", "5", "5"])), &[name]);
    }
}

#[test]
fn what_no_font_can_print_has_a_stand_in_and_the_rest_is_printed() {
    assert_says(&receipt(&settled("en", "株式会社 Nordlicht 🎉 ﷽", ["10", "5", "5", "5"])), &["???? Nordlicht ? ?"]);
}

#[test]
fn a_refund_has_a_receipt_of_its_own() {
    let settled = settled("de", "A", ["1000", "600", "1000", "600"]);
    let event = json!({
        "payment": settled.payment, "amount": {"value": "400", "currency": "EUR"}, "invoice": settled.invoice,
        "client": settled.client, "audit_id": settled.audit_id,
    });
    let mut refund: quittance_domain::event::PaymentAdjusted = serde_json::from_value(event).unwrap();
    let at = "2026-11-21T10:00:00Z".parse().unwrap();
    let press = Press::new().unwrap();
    let pdf = press.refund_receipt("RF-1", &seller(), &settled.client, &refund, at, at.date_naive()).unwrap();
    assert_says(&pdf, &["Erstattungsbeleg", "RF-1", "400,00 EUR am 21. November 2026 erstattet", "1.000,00 EUR"]);
    assert_eq!(pdf, press.refund_receipt("RF-1", &seller(), &settled.client, &refund, at, at.date_naive()).unwrap());
    refund.invoice = None;
    let without = press.refund_receipt("RF-1", &seller(), &settled.client, &refund, at, at.date_naive()).unwrap();
    assert!(!text(&without).contains("INV-2026-000001"));
}

#[test]
fn a_statement_runs_over_pages_that_repeat_their_header_and_count_themselves() {
    let euro = |value: &str| Money::parse(value, "EUR").unwrap();
    let (client, on) = (paid_in_full("de").client, "2026-11-02".parse().unwrap());
    let line =
        PrintedStatementLine { on, description: "Invoice INV-1 issued", amount: euro("10"), balance: euro("1110.50") };
    let parts = vec![StatementPart { opening: euro("1000"), lines: vec![line; 100], closing: euro("-2000") }];
    let at = "2026-12-01T00:00:00Z".parse().unwrap();
    let statement = StatementSheet { client: &client, from: on, to: "2026-11-30".parse().unwrap(), at, parts };
    let pdf = Press::new().unwrap().statement(&seller(), &statement).unwrap();
    assert_says(&pdf, &["Kontoauszug", "Beträge in EUR", "Rechnung INV-1 ausgestellt", "Anfangssaldo 1.000,00"]);
    assert_says(&pdf, &["Endsaldo -2.000,00", "Seite 3 von 3"]);
    assert_eq!(text(&pdf).matches("Datum Beschreibung Betrag Saldo").count(), 3);
}

#[test]
fn an_invoice_adds_up_its_lines_and_the_tax_of_each_rate() {
    let euro = |value: &str| Money::parse(value, "EUR").unwrap();
    let client = paid_in_full("de").client;
    let line = |description, quantity, price, percent: &str| PrintedInvoiceLine {
        description,
        quantity,
        unit_amount: euro(price),
        tax_percent: percent.parse().unwrap(),
    };
    let invoice = InvoiceSheet {
        number: "INV-2026-000042",
        client: &client,
        issued_on: "2026-11-01".parse().unwrap(),
        due_on: "2026-12-01".parse().unwrap(),
        total: euro("1295.00"),
        credited: euro("100.00"),
        paid: euro("95.00"),
        status: quittance_domain::invoice::InvoiceStatus::PartiallyPaid,
        lines: vec![line("Beratung", 1000, "1.00", "19"), line("Bücher", 1, "98.13", "7")],
    };
    let pdf = Press::new().unwrap().invoice(&seller(), &invoice).unwrap();
    assert_says(
        &pdf,
        &[
            "RF54INV2026000042",
            "1.100,00 EUR zahlbar bis 1. Dezember 2026",
            "Beratung 1.000 1,00 19 % 1.000,00",
            "7 % Steuer auf 98,13 EUR 6,87 EUR",
            "19 % Steuer auf 1.000,00 EUR 190,00 EUR",
            "Zwischensumme 1.098,13 EUR",
            "Gesamtbetrag 1.295,00 EUR",
            "Gutgeschrieben 100,00 EUR",
            "Bereits bezahlt 95,00 EUR",
            "Zu zahlen 1.100,00 EUR",
        ],
    );
}

#[test]
fn a_credit_note_says_what_it_takes_off_which_invoice_and_why() {
    let client = paid_in_full("de").client;
    let summary = serde_json::from_value(json!({
        "id": "crn_019a3f6000017a3cb4c5d6e7f8091a2b", "number": "CN-2026-000007", "reason": "Delivered in #part",
        "total": {"value": "119", "currency": "EUR"}, "tax": {"value": "19", "currency": "EUR"}, "issued_on": "2026-11-12",
    }));
    let summary = summary.unwrap();
    let unit_amount = Money::parse("100", "EUR").unwrap();
    let line =
        PrintedInvoiceLine { description: "Beratung", quantity: 1, unit_amount, tax_percent: "19".parse().unwrap() };
    let note = CreditNoteSheet { summary: &summary, invoice_number: "INV-1", client: &client, lines: vec![line] };
    let pdf = Press::new().unwrap().credit_note(&seller(), &note).unwrap();
    assert_says(&pdf, &["Rechnungskorrektur", "CN-2026-000007", "12. November 2026", "INV-1", "Delivered in #part"]);
    assert_says(
        &pdf,
        &["119,00 EUR gutgeschrieben zur Rechnung INV-1", "19 % Steuer auf 100,00 EUR 19,00 EUR", "Summe 119,00 EUR"],
    );
}

/// A posting whose wording changed would reach all clients in English.
#[test]
fn ledger_descriptions_exist_in_every_language() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/contract/1");
    let (german, mut reported) = ("de".parse().unwrap(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let sample: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let event: InvoiceEvent = serde_json::from_value(sample).unwrap();
        let Some(posting) = posting(&event).unwrap() else { continue };
        let concerns_client = |account: &str| account.starts_with("receivable") || account.starts_with("credit");
        if posting.entries.iter().any(|(account, _)| concerns_client(&account.to_string())) {
            let translated = quittance_wording::translated(german, "entry", &posting.description);
            assert_ne!(translated, posting.description);
            reported += 1;
        }
    }
    assert!(reported >= 6, "only {reported}");
}
