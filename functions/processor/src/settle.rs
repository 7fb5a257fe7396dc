//! The one transaction: lock, read, decide (pure, in the domain), write, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use quittance_domain::command::{Evidence, InvoiceHint};
use quittance_domain::event::{EventMessage, InvoiceEvent, InvoiceSettled, PaymentSummary, SurplusRecorded};
use quittance_domain::id::{AllocationId, AuditId, CaseId, InvoiceId, PaymentId, TransactionId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::MoneyError;
use quittance_domain::payment::{Fact, PaymentState};
use quittance_domain::settlement::{self, Outcome, Settlement};
use quittance_lambda::envelope::CloudEvent;
use quittance_store::allocations::{self, Allocation};
use quittance_store::audit::{self, AuditRecord};
use quittance_store::cases::{self, CaseKind, NewCase};
use quittance_store::credits::{self, Credit};
use quittance_store::facts::{self, NewFact};
use quittance_store::invoices::{self, InvoiceRecord};
use quittance_store::payments::{self, LockedPayment, NewPayment, PaymentUpdate};
use quittance_store::{Database, StoreError, Transaction, outbox};
use serde_json::{Value, json};
use uuid::Uuid;

/// The name in the envelopes' `source`.
const FUNCTION: &str = "processor";

/// Evidence and what ties it to the request that brought it.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// What a source said.
    pub evidence: Evidence,
    /// The request or message that it came with.
    pub correlation_id: String,
}

/// Records the evidence and settles what follows from it, all in one transaction. Returns the events that were
/// committed to the outbox, to be published now.
///
/// # Errors
/// [`StoreError`]; nothing has changed then.
pub async fn settle(
    database: &Database,
    instructions: &[Instruction],
    now: DateTime<Utc>,
) -> Result<Vec<EventMessage>, StoreError> {
    let mut transaction = database.begin().await?;
    let payments = lock_payments(&mut transaction, instructions).await?;
    let recorded = record_facts(&mut transaction, instructions, &payments).await?;
    let states = states(&mut transaction, &payments).await?;
    let named: BTreeSet<InvoiceId> = states.values().filter_map(|state| state.invoice_id).collect();
    let named: Vec<InvoiceId> = named.into_iter().collect();
    let invoices = invoices::lock(&mut transaction, &named).await?;

    let mut changes = Changes::new(invoices, now);
    for payment in in_order_of_arrival(instructions, &payments) {
        let Some(state) = states.get(&payment.id) else { continue };
        let Some(cause) = instructions.iter().rev().find(|i| i.evidence.transaction_id == payment.transaction_id)
        else {
            continue;
        };
        changes.decide(payment, state, cause, recorded.contains(&payment.id))?;
    }
    changes.write(&mut transaction).await?;
    transaction.commit().await?;
    Ok(changes.messages)
}

async fn lock_payments(
    transaction: &mut Transaction,
    instructions: &[Instruction],
) -> Result<HashMap<TransactionId, LockedPayment>, StoreError> {
    let named: BTreeMap<&TransactionId, &Evidence> =
        instructions.iter().map(|instruction| (&instruction.evidence.transaction_id, &instruction.evidence)).collect();
    let new: Vec<NewPayment> = named
        .values()
        .map(|evidence| NewPayment {
            id: PaymentId::from_uuid(Uuid::now_v7()),
            transaction_id: evidence.transaction_id.clone(),
            provider: evidence.provider.clone(),
        })
        .collect();
    payments::ensure(transaction, &new).await?;
    let names: Vec<TransactionId> = named.into_keys().cloned().collect();
    let locked = payments::lock(transaction, &names).await?;
    Ok(locked.into_iter().map(|payment| (payment.transaction_id.clone(), payment)).collect())
}

/// Records what is new and returns the payments that it speaks of.
async fn record_facts(
    transaction: &mut Transaction,
    instructions: &[Instruction],
    payments: &HashMap<TransactionId, LockedPayment>,
) -> Result<BTreeSet<PaymentId>, StoreError> {
    let (mut ids, mut numbers) = (Vec::new(), Vec::new());
    for instruction in instructions {
        match &instruction.evidence.invoice {
            Some(InvoiceHint::Id(id)) => ids.push(*id),
            Some(InvoiceHint::Number(number)) => numbers.push(number.clone()),
            None => {}
        }
    }
    let named = invoices::named(transaction, &ids, &numbers).await?;
    let invoice_of = |evidence: &Evidence| {
        let found = match evidence.invoice.as_ref()? {
            InvoiceHint::Id(id) => named.iter().find(|invoice| invoice.id == *id),
            InvoiceHint::Number(number) => named.iter().find(|invoice| invoice.number.as_ref() == Some(number)),
        }?;
        // Whoever speaks for one client cannot name another's invoice. The door has said so already.
        let may_name = evidence.client_id.is_none_or(|client_id| client_id == found.client_id);
        may_name.then_some(found.id)
    };
    let new: Vec<NewFact> = instructions
        .iter()
        .filter_map(|Instruction { evidence, .. }| {
            Some(NewFact {
                id: Uuid::now_v7(),
                payment_id: payments.get(&evidence.transaction_id)?.id,
                fact: evidence.fact(invoice_of(evidence)),
                actor: evidence.actor.clone(),
            })
        })
        .collect();
    let inserted = facts::insert(transaction, &new).await?;
    Ok(new.iter().filter(|fact| inserted.contains(&fact.id)).map(|fact| fact.payment_id).collect())
}

async fn states(
    transaction: &mut Transaction,
    payments: &HashMap<TransactionId, LockedPayment>,
) -> Result<BTreeMap<PaymentId, PaymentState>, StoreError> {
    let ids: Vec<PaymentId> = payments.values().map(|payment| payment.id).collect();
    let mut facts: BTreeMap<PaymentId, Vec<Fact>> = BTreeMap::new();
    for (payment_id, fact) in facts::of_payments(transaction, &ids).await? {
        facts.entry(payment_id).or_default().push(fact);
    }
    Ok(facts.into_iter().map(|(id, facts)| (id, PaymentState::of(&facts))).collect())
}

/// Each payment once, where the batch first speaks of it: the earlier of two payments of one invoice pays it.
fn in_order_of_arrival<'a>(
    instructions: &[Instruction],
    payments: &'a HashMap<TransactionId, LockedPayment>,
) -> Vec<&'a LockedPayment> {
    let mut seen = BTreeSet::new();
    instructions
        .iter()
        .filter_map(|instruction| payments.get(&instruction.evidence.transaction_id))
        .filter(|payment| seen.insert(payment.id))
        .collect()
}

/// What a batch changes, collected so that each table is written once.
struct Changes {
    now: DateTime<Utc>,
    invoices: BTreeMap<InvoiceId, InvoiceRecord>,
    touched: BTreeSet<InvoiceId>,
    updates: Vec<PaymentUpdate>,
    allocations: Vec<Allocation>,
    credits: Vec<Credit>,
    cases: Vec<NewCase>,
    audit: Vec<AuditRecord>,
    messages: Vec<EventMessage>,
}

/// One payment while it is being decided.
struct Deciding<'a> {
    payment: &'a LockedPayment,
    state: &'a PaymentState,
    cause: &'a Instruction,
    audit_id: AuditId,
}

impl Changes {
    fn new(invoices: Vec<InvoiceRecord>, now: DateTime<Utc>) -> Self {
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

    fn decide(
        &mut self,
        payment: &LockedPayment,
        state: &PaymentState,
        cause: &Instruction,
        is_news: bool,
    ) -> Result<(), StoreError> {
        let record = state.invoice_id.and_then(|id| self.invoices.get(&id)).cloned();
        let invoice = record.as_ref().map(|record| &record.invoice);
        let settlement =
            settlement::settle(state, payment.posted, invoice).map_err(|error| unkeepable(payment, error))?;
        if !is_news && settlement.allocation.is_none() && settlement.surplus.is_none() {
            return Ok(());
        }
        let client_id = invoice.map(|invoice| invoice.client_id).or(cause.evidence.client_id);
        self.updates.push(PaymentUpdate {
            id: payment.id,
            status: state.status,
            amount: state.confirmed.or(state.claimed),
            client_id,
            invoice_id: state.invoice_id,
        });
        let deciding = Deciding { payment, state, cause, audit_id: AuditId::from_uuid(Uuid::now_v7()) };
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
            invoice_id: deciding.state.invoice_id,
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
            invoice_id: deciding.state.invoice_id,
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

    async fn write(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
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
