//! Renders every document in every language with made-up data: `cargo run -p quittance-documents --example preview --
//! DIR`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use quittance_documents::{
    CreditNoteSheet, InvoiceSheet, Press, PrintedInvoiceLine, PrintedStatementLine, Seller, StatementPart,
    StatementSheet,
};
use quittance_domain::event::{CreditNoteSummary, InvoiceSettled, PaymentAdjusted};
use quittance_domain::language::Language;
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("name the folder to write to")?);
    fs::create_dir_all(&folder)?;
    let (press, seller) = (Press::new()?, seller());
    for language in quittance_wording::languages() {
        let mut documents = Vec::new();
        for (name, settled) in receipts(language)? {
            documents.push((name, press.receipt("INV-2026-000042-R3", &seller, &settled)?));
        }
        let refund = refund(language)?;
        let payer = refund.client.as_ref().ok_or("the sample has a client")?;
        let number = "RF-20261104-8000000000000030";
        let pdf = press.refund_receipt(
            number,
            &seller,
            payer,
            &refund,
            "2026-11-04T09:30:00Z".parse()?,
            "2026-11-04".parse()?,
        )?;
        documents.push(("refund_receipt", pdf));
        let client: ClientDetails = serde_json::from_value(client(language))?;
        documents.push(("statement", press.statement(&seller, &statement(&client)?)?));
        let settled = receipts(language)?.into_iter().map(|(_, settled)| settled).collect::<Vec<_>>();
        for (name, sample) in ["invoice", "invoice_in_part"].into_iter().zip(&settled) {
            documents.push((name, press.invoice(&seller, &sheet(sample)?)?));
        }
        let summary = credit_note()?;
        let mut lines = settled.first().map(sheet).ok_or("there is a sample")??.lines;
        lines.truncate(1);
        let note = CreditNoteSheet { summary: &summary, invoice_number: "INV-2026-000042", client: &client, lines };
        documents.push(("credit_note", press.credit_note(&seller, &note)?));
        for (name, pdf) in documents {
            let path = folder.join(format!("{name}.{language}.pdf"));
            fs::write(&path, pdf)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn seller() -> Seller {
    Seller::of_settings(
        "Quittance Ltd".to_owned(),
        "1 Main Street; Dublin 2; D02 X285; Ireland",
        "IE1234567FA".to_owned(),
    )
}

fn euro(value: &str) -> Value {
    json!({"value": value, "currency": "EUR"})
}

fn client(language: Language) -> Value {
    json!({
        "id": "cli_019a3f5e2b7c7d10a1b2c3d4e5f60718", "name": "Nordlicht Handels GmbH",
        "email": "accounts@nordlicht.example", "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"],
        "tax_id": "DE123456789", "language": language,
    })
}

/// A client with every text as long as the API allows.
fn long_client(language: Language) -> Value {
    let name = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft mit beschränkter Haftung \
                & Söhne, Großhandel für Überlängen und Straßenbahnersatzteile in Königs Wusterhausen (株式会社)";
    let line =
        "Am äußersten Ende der Allee der Kosmonauten 1234 b, Hinterhaus, 17. Stock links, bei Müller-Lüdenscheidt";
    json!({
        "id": "cli_019a3f5e2b7c7d10a1b2c3d4e5f60719", "name": name,
        "email": "rechnungseingang.kreditorenbuchhaltung@donaudampfschifffahrtsgesellschaft.example",
        "address": [line, line, line, line, "15711 Königs Wusterhausen", "Germany"],
        "tax_id": "DE12345678901234567890123456", "language": language,
    })
}

fn invoice(total: &str, paid: &str, status: &str) -> Value {
    json!({
        "id": "inv_019a3f5f00017a3cb4c5d6e7f8091a2b", "number": "INV-2026-000042", "total": euro(total),
        "paid": euro(paid), "status": status, "version": 3, "issued_on": "2026-11-01", "due_on": "2026-12-01",
    })
}

fn payment(provider: &str, amount: &str) -> Value {
    json!({
        "id": "pay_019a3f6012347f5e8899aabbccddeeff", "transaction_id": format!("{provider}:3SP0AbCdEfGhIjKl1Zz9Yy8X"),
        "provider": provider, "amount": euro(amount), "paid_at": "2026-11-02T11:59:50Z",
    })
}

fn refund(language: Language) -> Result<PaymentAdjusted, serde_json::Error> {
    serde_json::from_value(json!({
        "payment": payment("stripe", "1190"), "amount": euro("400"), "invoice": invoice("1190", "790", "partially_paid"),
        "client": client(language), "audit_id": "aud_019a3f6000147000800000000000001e",
    }))
}

fn credit_note() -> Result<CreditNoteSummary, serde_json::Error> {
    serde_json::from_value(json!({
        "id": "crn_019a3f6000017a3cb4c5d6e7f8091a2b", "number": "CN-2026-000007", "total": euro("952"), "tax": euro("152"),
        "reason": "Delivered in part", "issued_on": "2026-11-12",
    }))
}

/// Two currencies, over several pages.
fn statement(client: &ClientDetails) -> Result<StatementSheet<'_>, Box<dyn Error>> {
    let descriptions = [
        "Invoice INV-2026-000042 issued",
        "Payment stripe:pi_3SP0AbCdEfGhIjKl1Zz9Yy8X of invoice INV-2026-000042",
        "Surplus of payment stripe:pi_3SP0AbCdEfGhIjKl1Zz9Yy8X: overpaid",
        "Payment manual:bank-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b taken back from invoice INV-2026-000042: reversed",
    ];
    let (from, to) = ("2026-11-01".parse()?, "2026-11-30".parse()?);
    let mut parts = Vec::new();
    for (currency, count) in [("EUR", 90), ("USD", 3)] {
        let [opening, amount, balance] = ["-120", "1190", "1234567.89"].map(|value| Money::parse(value, currency));
        let (amount, balance) = (amount?, balance?);
        let line = |description| PrintedStatementLine { on: from, description, amount, balance };
        let lines = descriptions.into_iter().cycle().take(count).map(line).collect();
        parts.push(StatementPart { opening: opening?, lines, closing: balance });
    }
    Ok(StatementSheet { client, from, to, at: "2026-12-01T00:00:00Z".parse()?, parts })
}

fn sheet(settled: &InvoiceSettled) -> Result<InvoiceSheet<'_>, Box<dyn Error>> {
    let (invoice, currency) = (&settled.invoice, settled.invoice.total.currency().code());
    let line = |description, quantity, price, percent: &str| -> Result<_, Box<dyn Error>> {
        let (unit_amount, tax_percent) = (Money::parse(price, currency)?, percent.parse()?);
        Ok(PrintedInvoiceLine { description, quantity, unit_amount, tax_percent })
    };
    Ok(InvoiceSheet {
        number: &invoice.number,
        client: &settled.client,
        issued_on: invoice.issued_on,
        due_on: invoice.due_on,
        total: invoice.total,
        credited: invoice.credited.unwrap_or_else(|| Money::zero(invoice.total.currency())),
        paid: invoice.paid,
        status: invoice.status,
        lines: vec![
            line("Beratung zur Einführung der Zahlungsabstimmung, einschließlich Reisekosten", 8, "100.00", "19")?,
            line("Handbuch", 2, "50.00", "19")?,
            line("Hosting", 1, "100.00", "19")?,
        ],
    })
}

fn receipts(language: Language) -> Result<Vec<(&'static str, InvoiceSettled)>, serde_json::Error> {
    let settled = |client: Value, mut invoice: Value, payment: Value, allocated: &str, tax: Option<&str>| {
        if let (Some(tax), Some(members)) = (tax, invoice.as_object_mut()) {
            members.insert("tax".to_owned(), euro(tax));
        }
        serde_json::from_value(json!({
            "invoice": invoice, "client": client, "payment": payment, "allocated": euro(allocated),
            "audit_id": "aud_019a3f6012357f5e8899aabbccddee01",
        }))
    };
    let plain = client(language);
    Ok(vec![
        (
            "receipt",
            settled(
                plain.clone(),
                invoice("1190.00", "1190.00", "paid"),
                payment("stripe", "1190"),
                "1190",
                Some("190"),
            )?,
        ),
        (
            "receipt_of_a_part",
            settled(
                plain.clone(),
                invoice("1190.00", "700.00", "partially_paid"),
                payment("manual", "400"),
                "400",
                None,
            )?,
        ),
        (
            "receipt_of_one_of_several",
            settled(plain, invoice("1190.00", "1190.00", "paid"), payment("adyen", "5000"), "690", Some("190"))?,
        ),
        (
            "receipt_with_long_names",
            settled(
                long_client(language),
                invoice("99999999999.00", "77777777777.77", "partially_paid"),
                payment("gocardless", "88888888888.88"),
                "66666666666.66",
                Some("15966386554.46"),
            )?,
        ),
    ])
}
