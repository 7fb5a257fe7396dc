//! Three clients and twelve issued invoices, and how each will be paid.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;

use crate::play::api::{Api, text};

/// The way an invoice is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryPoint {
    /// A claim through the API and a trusted machine's confirmation.
    Api,
    /// A Stripe webhook.
    Webhook,
    /// A line in a client's confirmations and one in a bank statement.
    Files,
}

impl EntryPoint {
    /// The number of messages that reach the processor for one payment through this channel.
    pub(crate) const fn messages(self) -> usize {
        match self {
            Self::Api | Self::Files => 2,
            Self::Webhook => 1,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Webhook => "Stripe",
            Self::Files => "files",
        }
    }
}

pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) email: String,
}

/// An invoice and its payment.
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) number: String,
    /// Index of the client in [`Scene::clients`].
    pub(crate) client: usize,
    /// The expected amount in the ledger, with the currency's decimals.
    pub(crate) amount: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) entry_point: EntryPoint,
    /// The payment's id in its provider's namespace.
    pub(crate) transaction_id: String,
}

/// The clients and invoices.
pub(crate) struct Scene {
    /// Distinguishes this run's payments from those of earlier runs on the same stack.
    pub(crate) run: String,
    pub(crate) clients: Vec<Client>,
    pub(crate) invoices: Vec<Invoice>,
}

const CLIENTS: [(&str, &str, &str); 3] = [
    ("Nordlicht Logistik GmbH", "nordlicht", "Hafenstraße 7; 20457 Hamburg; Germany"),
    ("Garçon & Filles SARL", "garcon", "12 rue de l'Église; 69002 Lyon; France"),
    ("Tanaka Seiki K.K.", "tanaka", "1-2-3 Marunouchi; Tokyo 100-0005; Japan"),
];

/// The charges: description, quantity, unit price, total, currency. Currencies with two and with no decimals, a cent,
/// thirds, and a million.
const CHARGES: [(&str, u32, &str, &str, &str); 12] = [
    ("Warehouse rent, November", 1, "4200.00", "4200.00", "EUR"),
    ("Pallet handling", 333, "0.07", "23.31", "EUR"),
    ("Customs clearance", 3, "119.99", "359.97", "EUR"),
    ("Rounding probe", 1, "0.01", "0.01", "EUR"),
    ("Catering, autumn fair", 40, "18.50", "740.00", "EUR"),
    ("Design retainer", 1, "1250.00", "1250.00", "USD"),
    ("Print run", 10_000, "0.13", "1300.00", "USD"),
    ("Stand construction", 1, "98765.43", "98765.43", "EUR"),
    ("Spindle overhaul", 2, "480000", "960000", "JPY"),
    ("Tooling licence", 1, "1000000", "1000000", "JPY"),
    ("Calibration visit", 1, "75000", "75000", "JPY"),
    ("Machine line 4, first instalment", 1, "1000000.00", "1000000.00", "USD"),
];

impl Scene {
    /// Creates clients and invoices through the API.
    pub(crate) fn make(api: &Api) -> Result<Self> {
        let run = format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
        let mut clients = Vec::new();
        for (name, mailbox, address) in CLIENTS {
            let email = format!("accounts+{run}@{mailbox}.example");
            let address: Vec<&str> = address.split("; ").collect();
            let body = json!({"name": name, "email": email, "address": address, "tax_id": format!("TAX-{mailbox}")});
            let created = api.post_as(&api.finance, "/v1/clients", &body)?.expect(201, "creating a client")?;
            clients.push(Client { id: text(&created, "/id")?, email });
        }
        let mut invoices = Vec::new();
        for (index, charge) in CHARGES.iter().enumerate() {
            invoices.push(issue(api, &run, &clients, index, charge)?);
        }
        Ok(Self { run, clients, invoices })
    }

    /// Invoices the first client for so many pieces of 1.00 EUR, in addition to the scene's own invoices; returns id
    /// and number.
    pub(crate) fn bill(&self, api: &Api, description: &str, pieces: u32) -> Result<(String, String)> {
        let client = self.clients.first().context("there are clients")?;
        issue_to(api, &client.id, &Charge { description, quantity: pieces, price: "1.00", currency: "EUR" })
    }

    /// The invoices that are paid through a channel.
    pub(crate) fn paid_through(&self, entry_point: EntryPoint) -> impl Iterator<Item = &Invoice> {
        self.invoices.iter().filter(move |invoice| invoice.entry_point == entry_point)
    }

    /// The number of distinct messages that must reach the processor.
    pub(crate) fn messages(&self) -> usize {
        self.invoices.iter().map(|invoice| invoice.entry_point.messages()).sum()
    }
}

fn issue(
    api: &Api,
    run: &str,
    clients: &[Client],
    index: usize,
    (description, quantity, price, total, currency): &(&str, u32, &str, &'static str, &'static str),
) -> Result<Invoice> {
    let client = index / 4;
    let client_id = &clients.get(client).context("each client has four invoices")?.id;
    let (entry_point, transaction_id) = match index % 3 {
        0 => (EntryPoint::Api, format!("manual:demo-{run}-{index}")),
        1 => (EntryPoint::Webhook, format!("stripe:pi_demo_{run}_{index}")),
        _ => (EntryPoint::Files, format!("manual:transfer-{run}-{index}")),
    };
    let charge = Charge { description, quantity: *quantity, price, currency };
    let (id, number) = issue_to(api, client_id, &charge)?;
    Ok(Invoice { number, id, client, amount: total, currency, entry_point, transaction_id })
}

/// The only line of an invoice.
struct Charge<'a> {
    description: &'a str,
    quantity: u32,
    price: &'a str,
    currency: &'a str,
}

/// Creates an invoice and issues it; returns its id and number.
fn issue_to(api: &Api, client_id: &str, charge: &Charge<'_>) -> Result<(String, String)> {
    let Charge { description, quantity, price, currency } = charge;
    let line = json!({
        "description": description, "quantity": quantity, "unit_amount": {"value": price, "currency": currency},
    });
    let body = json!({"client_id": client_id, "currency": currency, "due_on": "2099-12-31", "lines": [line]});
    let created = api.post_as(&api.finance, "/v1/invoices", &body)?.expect(201, "creating an invoice")?;
    let id = text(&created, "/id")?;
    let sent = api.post_as(&api.finance, &format!("/v1/invoices/{id}/send"), &json!({}))?;
    Ok((id, text(&sent.expect(200, "sending an invoice")?, "/number")?))
}
