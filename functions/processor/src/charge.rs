//! Charges through a gateway, and payments that a gateway leaves undecided.

use chrono::TimeDelta;
use quittance_domain::case::CaseKind;
use quittance_domain::charge::{ChargeRefusal, refuse};
use quittance_domain::command::{ChargePayment, DecideCase, EscalatePayment, GatewayCommand, InitiateCharge};
use quittance_domain::event::EventMessage;
use quittance_domain::fact::{EvidenceChannel, Fact, FactKind, kept_reason};
use quittance_domain::id::{InvoiceId, PaymentId};
use quittance_domain::money::Money;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::charges::{self, NewCharge};
use quittance_store::facts::{self, NewFact};
use quittance_store::{StoreError, Transaction};
use uuid::Uuid;

use crate::decide::StaffCommandExecution;
use crate::event_builder::{FUNCTION, to_message};
use crate::locked_batch::{LockedBatch, PaymentAggregate};

/// A charge that waited longer is refused, because nobody expects it any more.
const ORDERED_WITHIN: TimeDelta = TimeDelta::hours(1);

impl<'a> StaffCommandExecution<'a> {
    /// Records a charge attempt with the command to the gateway, or with its refusal, in one transaction.
    pub(crate) async fn charge(&mut self, command: &'a ChargePayment) -> Result<(), StoreError> {
        let mut batch = match self.find(&command.transaction_id).await? {
            Some(id) => self.batch(&[id]).await?,
            None => self.add(&command.transaction_id).await?,
        };
        batch.lock_invoices(&mut self.transaction, &[command.invoice_id]).await?;
        let Some(aggregate) = batch.payments.values().next() else { return Ok(()) };
        let id = aggregate.payment.id;
        let is_late = self.changes.now - command.ordered_at > ORDERED_WITHIN;
        let refusal = refusal(&mut self.transaction, &batch, aggregate, command, is_late).await?;
        let is_unknown = matches!(refusal, Some(ChargeRefusal::UnknownInvoice(_)));
        let invoice_id = (!is_unknown).then_some(command.invoice_id);
        let refusal = refusal.map(|refusal| refusal.to_string());
        let attempt = charges::next_attempt(&mut self.transaction, id).await?;
        let attempt_facts = self.attempt_facts(command, aggregate, attempt, invoice_id, refusal.as_deref());
        if facts::insert(&mut self.transaction, &attempt_facts).await?.len() != attempt_facts.len() {
            return Err(aggregate.corrupt(format!("facts of attempt {attempt} are there already")));
        }
        if let Some(aggregate) = batch.payments.get_mut(&id) {
            aggregate.facts.extend(attempt_facts.into_iter().map(|new| new.fact));
        }
        let reason = refusal.as_deref().unwrap_or("sent to the gateway");
        let what = format!("charge {attempt} of {}", command.amount);
        let trigger = self.trigger(&command.actor, "payment.charge_ordered", what, reason);
        self.changes.settle(&mut batch, id, &trigger, None)?;
        if refusal.is_none() {
            let command = self.initiate(command, id, attempt)?;
            self.changes.emitted.commands.push(command);
        }
        self.changes.new_charge = Some(NewCharge {
            payment_id: id,
            attempt,
            invoice_id,
            amount: command.amount,
            payment_method: command.payment_method.clone(),
            ordered_by: command.actor.clone(),
            ordered_at: self.changes.now,
            refusal,
        });
        self.changes.write(&mut self.transaction, &batch).await
    }

    /// The facts of an attempt: its initiation and, for a new payment that is refused, its failure.
    fn attempt_facts(
        &self,
        command: &ChargePayment,
        aggregate: &PaymentAggregate,
        attempt: u16,
        invoice_id: Option<InvoiceId>,
        refusal: Option<&str>,
    ) -> Vec<NewFact> {
        let kinds: &[FactKind] = match (refusal, aggregate.is_new) {
            (None, _) => &[FactKind::Initiation],
            (Some(_), true) => &[FactKind::Initiation, FactKind::Failure],
            // Facts of earlier attempts stay as they are.
            (Some(_), false) => &[],
        };
        let fact = |kind: &FactKind| NewFact {
            id: Uuid::now_v7(),
            payment_id: aggregate.payment.id,
            fact: Fact {
                kind: *kind,
                amount: Some(command.amount),
                channel: EvidenceChannel::Api,
                transaction_id: Some(command.transaction_id.clone()),
                origin: None,
                event_id: format!("{}-{attempt}:{kind}", aggregate.payment.id),
                movement: command.transaction_id.to_string(),
                invoices: invoice_id.into_iter().collect(),
                occurred_at: self.changes.now,
            },
            actor: command.actor.clone(),
            reason: refusal.filter(|_| *kind == FactKind::Failure).map(ToOwned::to_owned),
        };
        kinds.iter().map(fact).collect()
    }

    /// Records that an undecided payment failed, as staff decided. Money that arrives later still counts.
    pub(crate) async fn give_up(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        command: &'a DecideCase,
    ) -> Result<(), StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
        let state = aggregate.state()?;
        let expected = state.claimed.or(state.authorised).and_then(|amount| amount.positive().ok());
        let Some(amount) = expected.filter(|_| state.status.is_undecided()) else { return Ok(()) };
        let failure = NewFact {
            id: Uuid::now_v7(),
            payment_id: id,
            fact: Fact {
                kind: FactKind::Failure,
                amount: Some(amount),
                channel: EvidenceChannel::Api,
                transaction_id: Some(aggregate.payment.transaction_id.clone()),
                origin: None,
                event_id: format!("{}:failure", command.case_id),
                movement: command.case_id.to_string(),
                invoices: Vec::new(),
                occurred_at: self.changes.now,
            },
            actor: command.actor.clone(),
            reason: Some(kept_reason(&command.reason)),
        };
        facts::insert(&mut self.transaction, std::slice::from_ref(&failure)).await?;
        aggregate.facts.push(failure.fact);
        Ok(())
    }

    fn initiate(
        &self,
        command: &ChargePayment,
        payment_id: PaymentId,
        attempt: u16,
    ) -> Result<EventMessage, StoreError> {
        let initiate = GatewayCommand::InitiateCharge(InitiateCharge {
            payment_id,
            attempt,
            transaction_id: command.transaction_id.clone(),
            provider: command.provider.clone(),
            invoice_id: command.invoice_id,
            amount: command.amount,
            payment_method: command.payment_method.clone(),
            ordered_at: self.changes.now,
        });
        let (subject, correlation_id) = (command.transaction_id.to_string(), self.correlation_id.to_owned());
        to_message(&CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, self.changes.now, correlation_id, initiate))
    }

    /// Opens a case about a payment that is still undecided.
    pub(crate) async fn escalate(&mut self, escalation: &'a EscalatePayment) -> Result<(), StoreError> {
        let Some(id) = self.find(&escalation.transaction_id).await? else { return Ok(()) };
        let mut batch = self.batch(&[id]).await?;
        batch.lock_invoices(&mut self.transaction, &[]).await?;
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(()) };
        let state = aggregate.state()?;
        if !state.status.is_undecided() {
            return Ok(());
        }
        let words = format!("{} has not reported the outcome: {}", aggregate.payment.provider, escalation.reason);
        self.changes.open_case(aggregate, CaseKind::Undecided, state.claimed, words);
        let what = "last status inquiry without an answer".to_owned();
        let trigger = self.trigger(&escalation.actor, "payment.escalated", what, &escalation.reason);
        self.changes.settle(&mut batch, id, &trigger, None)?;
        self.changes.write(&mut self.transaction, &batch).await
    }
}

async fn refusal(
    transaction: &mut Transaction,
    batch: &LockedBatch,
    aggregate: &PaymentAggregate,
    command: &ChargePayment,
    is_late: bool,
) -> Result<Option<ChargeRefusal>, StoreError> {
    if is_late {
        return Ok(Some(ChargeRefusal::Late));
    }
    let invoice = batch.invoices.get(&command.invoice_id).filter(|invoice| invoice.client_id() == command.client_id);
    let Some(invoice) = invoice else { return Ok(Some(ChargeRefusal::UnknownInvoice(command.invoice_id))) };
    let payment = &aggregate.payment;
    let known = (!aggregate.is_new).then_some((payment.status, payment.invoices.as_slice()));
    let currency = invoice.total().currency();
    let collected = charges::under_way(transaction, command.invoice_id, payment.id).await?;
    let collected =
        collected.into_iter().find(|sum| sum.currency() == currency).unwrap_or_else(|| Money::zero(currency));
    refuse(command.amount, invoice, collected, known).map_err(|error| aggregate.corrupt(error))
}
