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
mod unapplied_cash;

use quittance_domain::event::EventMessage;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_processor::decide::{StaffCommandResult, StaffInstruction, decide};
use quittance_processor::settle::settle;
use quittance_store::{Database, StoreError};

use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

pub(crate) const ROLE: &str = "quittance_processor";

async fn settle_all(database: &Database, reported: &[TestEvidence]) -> Result<Vec<EventMessage>, StoreError> {
    let instructions: Vec<_> = reported.iter().map(TestEvidence::instruction).collect();
    settle(database, &instructions, at(noon())).await.map(|settled| settled.emitted.events)
}

fn surplus(reason: &str) -> (String, String) {
    ("surplus".to_owned(), reason.to_owned())
}

fn emitted(messages: &[EventMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.event_type.as_str()).collect()
}

fn euro(value: &str) -> quittance_domain::money::Money {
    money(value, "EUR")
}

/// A processor with a database of its own, and a client.
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

    /// The processor handles all of this in one batch. Returns its events.
    pub(crate) async fn receive(&self, reported: &[TestEvidence]) -> Vec<String> {
        let messages = settle_all(&self.processor, reported).await.unwrap();
        messages.into_iter().map(|message| message.event_type).collect()
    }

    /// The processor handles one message after the other.
    async fn receive_each(&self, reported: &[TestEvidence]) {
        for one in reported {
            self.receive(std::slice::from_ref(one)).await;
        }
    }

    pub(crate) async fn decide(&self, decision: &StaffInstruction) -> Vec<String> {
        match decide(&self.processor, decision, at(noon())).await.unwrap() {
            StaffCommandResult::Committed(emitted) => {
                emitted.events.into_iter().map(|message| message.event_type).collect()
            }
            StaffCommandResult::OtherContent => vec!["other content".to_owned()],
        }
    }

    /// Status, allocated amount and unapplied amount of a Stripe payment.
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
