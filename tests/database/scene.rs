//! Clients, invoices and evidence for tests.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use quittance_domain::command::{Evidence, InvoiceReference};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{ClientId, InvoiceId, TransactionId};
use quittance_domain::money::Money;
use quittance_processor::settle::EvidenceInstruction;
use uuid::Uuid;

use super::TestDatabase;

/// The time at which everything in tests starts.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

/// A time in a seller's time zone, where the zone makes no difference.
pub(crate) fn at(time: DateTime<Utc>) -> DateTime<Tz> {
    time.with_timezone(&Tz::UTC)
}

pub(crate) fn money(value: &str, currency: &str) -> Money {
    Money::parse(value, currency).unwrap()
}

impl TestDatabase {
    pub(crate) async fn client(&self) -> ClientId {
        let id = Uuid::now_v7();
        sqlx::query(
            "insert into billing.clients (id, name, email, address) values ($1, 'Nordlicht', 'a@b.example', '{}')",
        )
        .bind(id)
        .execute(&self.admin)
        .await
        .unwrap();
        ClientId::from_uuid(id)
    }

    /// Adds an issued invoice with this amount.
    pub(crate) async fn open_invoice(&self, client: ClientId, value: &str, currency: &str) -> InvoiceId {
        let id = Uuid::now_v7();
        sqlx::query(
            "insert into billing.invoices (id, client_id, number, currency, total, status, issued_on, due_on, version)
             values ($1, $2, 'INV-' || $1::text, $3, $4, 'open', '2026-11-01', '2026-12-01', 2)",
        )
        .bind(id)
        .bind(client.as_uuid())
        .bind(currency)
        .bind(money(value, currency).amount())
        .execute(&self.admin)
        .await
        .unwrap();
        InvoiceId::from_uuid(id)
    }

    /// Status, paid amount and version of an invoice.
    pub(crate) async fn invoice(&self, id: InvoiceId) -> (String, String, i64) {
        sqlx::query_as("select status, trim_scale(paid_amount)::text, version from billing.invoices where id = $1")
            .bind(id.as_uuid())
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    /// The payment's status, allocated amount and unapplied amount.
    pub(crate) async fn payment(&self, transaction_id: &str) -> (String, String, String) {
        sqlx::query_as(
            "select status,
                 (select trim_scale(coalesce(sum(amount), 0))::text from payments.allocations where payment_id = payments.id),
                 (select trim_scale(coalesce(sum(amount), 0))::text from payments.credits where payment_id = payments.id)
             from payments.payments where transaction_id = $1",
        )
        .bind(transaction_id)
        .fetch_one(&self.admin)
        .await
        .unwrap()
    }

    /// The reasons of all open cases, sorted.
    pub(crate) async fn open_cases(&self) -> Vec<(String, String)> {
        sqlx::query_as("select kind, reason from payments.cases where status = 'open' order by kind, reason")
            .fetch_all(&self.admin)
            .await
            .unwrap()
    }
}

/// Evidence from a source; the parts that are irrelevant to a test have default values.
#[derive(Debug, Clone)]
pub(crate) struct TestEvidence {
    pub(crate) evidence: Evidence,
}

impl TestEvidence {
    /// A gateway reports a capture.
    pub(crate) fn capture(reference: &str, invoice: Option<InvoiceId>, amount: Money) -> Self {
        Self::new(FactKind::Capture, EvidenceChannel::Gateway, reference, invoice, amount)
    }

    /// A client claims that it has paid.
    pub(crate) fn claim(reference: &str, invoice: Option<InvoiceId>, amount: Money) -> Self {
        Self::new(FactKind::Claim, EvidenceChannel::Api, reference, invoice, amount)
    }

    /// A bank statement shows the money in our account.
    pub(crate) fn bank_line(reference: &str, invoice: Option<InvoiceId>, amount: Money) -> Self {
        Self::new(FactKind::Settlement, EvidenceChannel::Bank, reference, invoice, amount)
    }

    /// A gateway reports another kind of evidence, about one movement of the payment's money.
    pub(crate) fn reported(kind: FactKind, reference: &str, movement: &str, amount: Money) -> Self {
        let mut reported = Self::new(kind, EvidenceChannel::Gateway, reference, None, amount);
        movement.clone_into(&mut reported.evidence.movement);
        reported.evidence.event_id = format!("{kind} {movement} of {reference}");
        reported
    }

    /// A reference without a provider is Stripe's.
    fn new(kind: FactKind, door: EvidenceChannel, reference: &str, invoice: Option<InvoiceId>, amount: Money) -> Self {
        let name = if reference.contains(':') { reference.to_owned() } else { format!("stripe:{reference}") };
        let (provider, transaction_id) = TransactionId::with_provider(&name).unwrap();
        let evidence = Evidence {
            movement: transaction_id.to_string(),
            event_id: format!("{kind} of {reference}"),
            invoice: invoice.map(InvoiceReference::Id),
            further_invoices: Vec::new(),
            payment_id: None,
            references: Vec::new(),
            client_id: None,
            actor: "gateway:stripe".to_owned(),
            reason: None,
            bank_fee: None,
            found_at: None,
            attachment: None,
            occurred_at: noon(),
            transaction_id,
            provider,
            kind,
            amount: Some(amount.positive().unwrap()),
            channel: door,
        };
        Self { evidence }
    }

    /// The same on behalf of one client.
    pub(crate) fn by_client(mut self, client: ClientId) -> Self {
        self.evidence.client_id = Some(client);
        self
    }

    /// The same through another channel.
    pub(crate) fn through(mut self, door: EvidenceChannel) -> Self {
        self.evidence.channel = door;
        self
    }

    /// The same for these invoices, in this order.
    pub(crate) fn naming(mut self, invoices: &[InvoiceId]) -> Self {
        let mut hints = invoices.iter().copied().map(InvoiceReference::Id);
        self.evidence.invoice = hints.next();
        self.evidence.further_invoices = hints.collect();
        self
    }

    /// The same from a source that gives a further transaction id of the payment.
    pub(crate) fn known_as(mut self, reference: &str) -> Self {
        self.evidence.references.push(reference.parse().unwrap());
        self
    }

    /// The same about another movement of the payment's money.
    pub(crate) fn moving(mut self, movement: &str) -> Self {
        movement.clone_into(&mut self.evidence.movement);
        self.evidence.event_id = format!("{} {movement}", self.evidence.event_id);
        self
    }

    /// The same as another message of the source, later by this much.
    pub(crate) fn again(mut self, event_id: &str, later: TimeDelta) -> Self {
        event_id.clone_into(&mut self.evidence.event_id);
        self.evidence.occurred_at += later;
        self
    }

    /// The processor's instruction for it.
    pub(crate) fn instruction(&self) -> EvidenceInstruction {
        EvidenceInstruction { evidence: self.evidence.clone(), correlation_id: "test".to_owned() }
    }
}
