//! The processor's transactions on a real PostgreSQL, under its own login role.

mod batches;
mod broken_connections;
mod by_hand;
mod cases;
mod charges;
mod evidence;
mod figures;
mod identity;
mod merging;
mod orders;
mod refund_reasons;
mod refunds;
mod retries;
mod returns;
mod surplus;

use quittance_domain::event::EventMessage;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_processor::decide::{StaffCommandResult, StaffInstruction, decide};
use quittance_processor::settle::settle;
use quittance_store::{Database, StoreError};

use crate::database::TestDatabase;
use crate::database::scene::{Said, at, money, noon};

pub(crate) const ROLE: &str = "quittance_processor";

async fn settle_all(database: &Database, said: &[Said]) -> Result<Vec<EventMessage>, StoreError> {
    let instructions: Vec<_> = said.iter().map(Said::instruction).collect();
    settle(database, &instructions, at(noon())).await.map(|settled| settled.emitted.events)
}

fn surplus(reason: &str) -> (String, String) {
    ("surplus".to_owned(), reason.to_owned())
}

fn told(messages: &[EventMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.event_type.as_str()).collect()
}

fn euro(value: &str) -> quittance_domain::money::Money {
    money(value, "EUR")
}

/// A processor with a database of its own, and a client who owes.
pub(crate) struct Scene {
    pub(crate) test: TestDatabase,
    processor: Database,
    client: ClientId,
}

impl Scene {
    pub(crate) async fn begin() -> Self {
        let test = TestDatabase::migrated().await;
        let processor = test.as_role(ROLE, 2).await;
        let client = test.client().await;
        Self { test, processor, client }
    }

    /// An open invoice of the client.
    pub(crate) async fn invoice(&self, value: &str) -> InvoiceId {
        self.test.open_invoice(self.client, value, "EUR").await
    }

    /// The processor hears all of this in one batch. Answers what it tells.
    pub(crate) async fn hear(&self, said: &[Said]) -> Vec<String> {
        let messages = settle_all(&self.processor, said).await.unwrap();
        messages.into_iter().map(|message| message.event_type).collect()
    }

    /// The processor hears one message after the other.
    async fn hear_each(&self, said: &[Said]) {
        for one in said {
            self.hear(std::slice::from_ref(one)).await;
        }
    }

    pub(crate) async fn decide(&self, decision: &StaffInstruction) -> Vec<String> {
        match decide(&self.processor, decision, at(noon())).await.unwrap() {
            StaffCommandResult::Committed(told) => told.events.into_iter().map(|message| message.event_type).collect(),
            StaffCommandResult::OtherContent => vec!["other content".to_owned()],
        }
    }

    /// Status, allocated and surplus of a payment of Stripe.
    async fn payment(&self, reference: &str) -> [String; 3] {
        self.test.payment(&format!("stripe:{reference}")).await.into()
    }

    /// Status and paid amount of an invoice.
    async fn paid(&self, invoice: InvoiceId) -> [String; 2] {
        let (status, paid, _) = self.test.invoice(invoice).await;
        [status, paid]
    }

    async fn assert_books_hold(&self) {
        self.test.assert_books_hold().await;
    }
}
