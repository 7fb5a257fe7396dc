//! What settling a batch changes, collected so that each table is written once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use quittance_domain::event::{EventMessage, InvoiceEvent, InvoiceSettled, PaymentSummary, SurplusRecorded};
use quittance_domain::id::{AllocationId, AuditId, CaseId, InvoiceId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::MoneyError;
use quittance_domain::payment::PaymentState;
use quittance_domain::settlement::{self, Outcome, Settlement};
use quittance_lambda::envelope::CloudEvent;
use quittance_store::allocations::{self, Allocation};
use quittance_store::audit::{self, AuditRecord};
use quittance_store::cases::{self, CaseKind, NewCase};
use quittance_store::credits::{self, Credit};
use quittance_store::invoices::{self, InvoiceRecord};
use quittance_store::payments::{self, LockedPayment, PaymentUpdate};
use quittance_store::{StoreError, Transaction, outbox};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::settle::Instruction;

/// The name in the envelopes' `source`.
const FUNCTION: &str = "processor";

/// The invoice that a payment's money is for. Once money has been posted it stays there: moving it is for staff.
pub(crate) fn invoice_of(payment: &LockedPayment, state: &PaymentState) -> Option<InvoiceId> {
    if payment.posted.is_some() { payment.invoice_id } else { state.invoice_id }
}

/// The changes of one batch.
pub(crate) struct Changes {
    now: DateTime<Utc>,
    invoices: BTreeMap<InvoiceId, InvoiceRecord>,
    touched: BTreeSet<InvoiceId>,
    updates: Vec<PaymentUpdate>,
    allocations: Vec<Allocation>,
    credits: Vec<Credit>,
    cases: Vec<NewCase>,
    audit: Vec<AuditRecord>,
    pub(crate) messages: Vec<EventMessage>,
}

/// One payment while it is being decided.
struct Deciding<'a> {
    payment: &'a LockedPayment,
    state: &'a PaymentState,
    invoice_id: Option<InvoiceId>,
    cause: &'a Instruction,
    audit_id: AuditId,
}

impl Changes {
    pub(crate) fn new(invoices: Vec<InvoiceRecord>, now: DateTime<Utc>) -> Self {
        Self {
            now,
            invoices: invoices.into_iter().map(|record| (record.invoice.id, record)).collect(),
            touched: BTreeSet::new(),
            updates: Vec::new(),
            allocations: Vec::new(),
            credits: Vec::new(),
            cases: Vec::new(),
            audit: Vec::new(),
            messages: Vec::new(),
        }
    }

    pub(crate) fn decide(
        &mut self,
        payment: &LockedPayment,
        state: &PaymentState,
        cause: &Instruction,
        is_news: bool,
    ) -> Result<(), StoreError> {
        let invoice_id = invoice_of(payment, state);
        let record = invoice_id.and_then(|id| self.invoices.get(&id)).cloned();
        let invoice = record.as_ref().map(|record| &record.invoice);
        let settlement =
            settlement::settle(state, payment.posted, invoice).map_err(|error| unkeepable(payment, error))?;
        if !is_news && settlement.allocation.is_none() && settlement.surplus.is_none() {
            return Ok(());
        }
        self.updates.push(PaymentUpdate {
            id: payment.id,
            status: state.status,
            amount: state.confirmed.or(state.claimed),
            client_id: invoice.map(|invoice| invoice.client_id),
            invoice_id,
        });
        let deciding = Deciding { payment, state, invoice_id, cause, audit_id: AuditId::from_uuid(Uuid::now_v7()) };
        self.audit.push(audit_record(&deciding, invoice, &settlement));
        if state.contradictory || settlement.outcome == Outcome::Contradiction {
            self.open_contradiction(&deciding);
        }
        if let Some(record) = &record {
            self.allocate(&deciding, record, &settlement)?;
        }
        self.credit(&deciding, record.as_ref(), &settlement)
    }

    fn allocate(
        &mut self,
        deciding: &Deciding<'_>,
        record: &InvoiceRecord,
        settlement: &Settlement,
    ) -> Result<(), StoreError> {
        let Some((paid, allocated)) = &settlement.allocation else { return Ok(()) };
        self.allocations.push(Allocation {
            id: AllocationId::from_uuid(Uuid::now_v7()),
            payment_id: deciding.payment.id,
            invoice_id: paid.id,
            amount: *allocated,
        });
        self.touched.insert(paid.id);
        if let Some(kept) = self.invoices.get_mut(&paid.id) {
            kept.invoice = paid.clone();
        }
        let Some((invoice, payment)) = record.summary(paid).zip(self.payment_summary(deciding)) else {
            return Err(StoreError::Corrupt {
                table: "billing.invoices",
                reason: format!("invoice {} is payable without a number", paid.id),
            });
        };
        let settled = InvoiceSettled {
            invoice,
            client: record.client.clone(),
            payment,
            allocated: *allocated,
            audit_id: deciding.audit_id,
        };
        let event = if paid.status == InvoiceStatus::Paid {
            InvoiceEvent::Paid(settled)
        } else {
            InvoiceEvent::PartiallyPaid(settled)
        };
        self.tell(deciding, event)
    }

    fn credit(
        &mut self,
        deciding: &Deciding<'_>,
        record: Option<&InvoiceRecord>,
        settlement: &Settlement,
    ) -> Result<(), StoreError> {
        let Some(surplus) = settlement.surplus else { return Ok(()) };
        // Without an invoice the payer is unknown, whoever claims the payment: the money waits in suspense.
        let client_id = record.map(|record| record.client.id);
        self.credits.push(Credit { id: Uuid::now_v7(), payment_id: deciding.payment.id, client_id, surplus });
        self.cases.push(NewCase {
            id: CaseId::from_uuid(Uuid::now_v7()),
            kind: CaseKind::Surplus,
            payment_id: deciding.payment.id,
            invoice_id: deciding.invoice_id,
            amount: Some(surplus.amount),
            reason: surplus.reason.to_string(),
        });
        let Some(payment) = self.payment_summary(deciding) else { return Ok(()) };
        let invoice = record
            .and_then(|record| self.invoices.get(&record.invoice.id))
            .and_then(|kept| kept.summary(&kept.invoice));
        let event = InvoiceEvent::SurplusRecorded(SurplusRecorded {
            payment,
            amount: surplus.amount,
            reason: surplus.reason,
            client: record.map(|record| record.client.clone()),
            invoice,
            audit_id: deciding.audit_id,
        });
        self.tell(deciding, event)
    }

    fn open_contradiction(&mut self, deciding: &Deciding<'_>) {
        let posted = deciding.payment.posted.map_or_else(|| "nothing".to_owned(), |posted| posted.to_string());
        let proven = deciding.state.confirmed.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
        self.cases.push(NewCase {
            id: CaseId::from_uuid(Uuid::now_v7()),
            kind: CaseKind::Contradiction,
            payment_id: deciding.payment.id,
            invoice_id: deciding.invoice_id,
            amount: deciding.state.confirmed,
            reason: format!("sources disagree: {posted} was posted, {proven} is proven by all of them"),
        });
    }

    fn payment_summary(&self, deciding: &Deciding<'_>) -> Option<PaymentSummary> {
        Some(PaymentSummary {
            id: deciding.payment.id,
            transaction_id: deciding.payment.transaction_id.clone(),
            provider: deciding.payment.provider.clone(),
            amount: deciding.state.confirmed?,
            paid_at: deciding.state.occurred_at.unwrap_or(self.now),
        })
    }

    fn tell(&mut self, deciding: &Deciding<'_>, event: InvoiceEvent) -> Result<(), StoreError> {
        let correlation_id = deciding.cause.correlation_id.clone();
        let message = CloudEvent::of_event(Uuid::now_v7(), FUNCTION, self.now, correlation_id, event)
            .message()
            .map_err(|error| StoreError::Corrupt { table: "payments.outbox", reason: error.to_string() })?;
        self.messages.push(message);
        Ok(())
    }

    pub(crate) async fn write(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        payments::update(transaction, &self.updates).await?;
        let touched: Vec<&Invoice> =
            self.touched.iter().filter_map(|id| self.invoices.get(id)).map(|record| &record.invoice).collect();
        invoices::update_paid(transaction, &touched).await?;
        allocations::insert(transaction, &self.allocations).await?;
        credits::insert(transaction, &self.credits).await?;
        cases::open(transaction, &self.cases).await?;
        audit::append(transaction, &self.audit).await?;
        outbox::insert(transaction, &self.messages).await
    }
}

fn audit_record(deciding: &Deciding<'_>, invoice: Option<&Invoice>, settlement: &Settlement) -> AuditRecord {
    let after = settlement.allocation.as_ref().map(|(paid, _)| paid);
    let surplus = settlement.surplus.map(|surplus| json!({"amount": surplus.amount, "reason": surplus.reason}));
    let evidence = &deciding.cause.evidence;
    AuditRecord {
        id: deciding.audit_id,
        actor: evidence.actor.clone(),
        action: "payment.evidence_recorded",
        subject: deciding.payment.id.to_string(),
        reason: format!(
            "{} of {} through {}: {}",
            evidence.kind,
            evidence.amount,
            evidence.door,
            settlement.outcome.as_str()
        ),
        before: json!({"posted": deciding.payment.posted, "invoice": invoice.map(invoice_state)}),
        after: json!({
            "status": deciding.state.status, "confirmed": deciding.state.confirmed,
            "invoice": after.map(invoice_state), "surplus": surplus,
        }),
        correlation_id: deciding.cause.correlation_id.clone(),
    }
}

fn invoice_state(invoice: &Invoice) -> Value {
    json!({"id": invoice.id, "paid": invoice.paid, "status": invoice.status, "version": invoice.version})
}

fn unkeepable(payment: &LockedPayment, error: MoneyError) -> StoreError {
    StoreError::Corrupt { table: "payments.payments", reason: format!("payment {}: {error}", payment.id) }
}
