//! Payments that a gateway is to collect, and those that it does not decide.

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
use crate::ground::{LockedBatch, PaymentAggregate};
use crate::telling::{FUNCTION, to_message};

/// An order that waited longer is not carried out: nobody expects the payment any more.
const ORDERED_WITHIN: TimeDelta = TimeDelta::hours(1);

impl<'a> StaffCommandExecution<'a> {
    /// Notes an attempt to collect a payment and has the gateway asked, all in one transaction; or notes why not.
    pub(crate) async fn charge(&mut self, order: &'a ChargePayment) -> Result<(), StoreError> {
        let mut ground = match self.find(&order.transaction_id).await? {
            Some(id) => self.ground(&[id]).await?,
            None => self.add(&order.transaction_id).await?,
        };
        ground.lock_invoices(&mut self.transaction, &[order.invoice_id]).await?;
        let Some(dossier) = ground.payments.values().next() else { return Ok(()) };
        let id = dossier.payment.id;
        let is_late = self.changes.now - order.ordered_at > ORDERED_WITHIN;
        let refusal = refusal(&mut self.transaction, &ground, dossier, (order, is_late)).await?;
        let is_unknown = matches!(refusal, Some(ChargeRefusal::UnknownInvoice(_)));
        let invoice_id = (!is_unknown).then_some(order.invoice_id);
        let refusal = refusal.map(|refusal| refusal.to_string());
        let attempt = charges::next_attempt(&mut self.transaction, id).await?;
        let told = self.attempt_facts(order, dossier, (attempt, invoice_id), refusal.as_deref());
        if facts::insert(&mut self.transaction, &told).await?.len() != told.len() {
            return Err(dossier.corrupt(format!("facts of attempt {attempt} are there already")));
        }
        if let Some(dossier) = ground.payments.get_mut(&id) {
            dossier.facts.extend(told.into_iter().map(|new| new.fact));
        }
        let reason = refusal.as_deref().unwrap_or("the gateway is asked");
        let what = format!("charge {attempt} of {}", order.amount);
        let cause = self.cause(&order.actor, "payment.charge_ordered", what, reason);
        self.changes.settle(&mut ground, id, &cause, None)?;
        if refusal.is_none() {
            let command = self.initiate(order, id, attempt)?;
            self.changes.emitted.commands.push(command);
        }
        self.changes.new_charge = Some(NewCharge {
            payment_id: id,
            attempt,
            invoice_id,
            amount: order.amount,
            payment_method: order.payment_method.clone(),
            ordered_by: order.actor.clone(),
            ordered_at: self.changes.now,
            refusal,
        });
        self.changes.write(&mut self.transaction, &ground).await
    }

    /// What is known now: that the payment is asked for; of a new one that is refused, that it did not happen either.
    fn attempt_facts(
        &self,
        order: &ChargePayment,
        dossier: &PaymentAggregate,
        (attempt, invoice_id): (u16, Option<InvoiceId>),
        refusal: Option<&str>,
    ) -> Vec<NewFact> {
        let kinds: &[FactKind] = match (refusal, dossier.is_new) {
            (None, _) => &[FactKind::Initiation],
            (Some(_), true) => &[FactKind::Initiation, FactKind::Failure],
            // What is known of the payment stays true.
            (Some(_), false) => &[],
        };
        let fact = |kind: &FactKind| NewFact {
            id: Uuid::now_v7(),
            payment_id: dossier.payment.id,
            fact: Fact {
                kind: *kind,
                amount: Some(order.amount),
                door: EvidenceChannel::Api,
                transaction_id: Some(order.transaction_id.clone()),
                origin: None,
                event_id: format!("{}-{attempt}:{kind}", dossier.payment.id),
                movement: order.transaction_id.to_string(),
                invoices: invoice_id.into_iter().collect(),
                occurred_at: self.changes.now,
            },
            actor: order.actor.clone(),
            reason: refusal.filter(|_| *kind == FactKind::Failure).map(ToOwned::to_owned),
        };
        kinds.iter().map(fact).collect()
    }

    /// Staff found that a payment which its gateway does not decide did not happen. Money that comes all the same counts.
    pub(crate) async fn give_up(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        order: &'a DecideCase,
    ) -> Result<(), StoreError> {
        let Some(dossier) = ground.payments.get_mut(&id) else { return Ok(()) };
        let state = dossier.state()?;
        let expected = state.claimed.or(state.authorised).and_then(|amount| amount.positive().ok());
        let Some(amount) = expected.filter(|_| state.status.is_undecided()) else { return Ok(()) };
        let failure = NewFact {
            id: Uuid::now_v7(),
            payment_id: id,
            fact: Fact {
                kind: FactKind::Failure,
                amount: Some(amount),
                door: EvidenceChannel::Api,
                transaction_id: Some(dossier.payment.transaction_id.clone()),
                origin: None,
                event_id: format!("{}:failure", order.case_id),
                movement: order.case_id.to_string(),
                invoices: Vec::new(),
                occurred_at: self.changes.now,
            },
            actor: order.actor.clone(),
            reason: Some(kept_reason(&order.reason)),
        };
        facts::insert(&mut self.transaction, std::slice::from_ref(&failure)).await?;
        dossier.facts.push(failure.fact);
        Ok(())
    }

    fn initiate(&self, order: &ChargePayment, payment_id: PaymentId, attempt: u16) -> Result<EventMessage, StoreError> {
        let command = GatewayCommand::InitiateCharge(InitiateCharge {
            payment_id,
            attempt,
            transaction_id: order.transaction_id.clone(),
            provider: order.provider.clone(),
            invoice_id: order.invoice_id,
            amount: order.amount,
            payment_method: order.payment_method.clone(),
            ordered_at: self.changes.now,
        });
        let (subject, correlation_id) = (order.transaction_id.to_string(), self.correlation_id.to_owned());
        to_message(&CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, self.changes.now, correlation_id, command))
    }

    /// Gives staff a case about a payment that is still undecided.
    pub(crate) async fn escalate(&mut self, escalation: &'a EscalatePayment) -> Result<(), StoreError> {
        let Some(id) = self.find(&escalation.transaction_id).await? else { return Ok(()) };
        let mut ground = self.ground(&[id]).await?;
        ground.lock_invoices(&mut self.transaction, &[]).await?;
        let Some(dossier) = ground.payments.get(&id) else { return Ok(()) };
        let state = dossier.state()?;
        if !state.status.is_undecided() {
            return Ok(());
        }
        let words = format!("{} has not said what became of it: {}", dossier.payment.provider, escalation.reason);
        self.changes.open_case(dossier, CaseKind::Undecided, state.claimed, words);
        let what = "the gateway was asked for the last time".to_owned();
        let cause = self.cause(&escalation.actor, "payment.escalated", what, &escalation.reason);
        self.changes.settle(&mut ground, id, &cause, None)?;
        self.changes.write(&mut self.transaction, &ground).await
    }
}

async fn refusal(
    transaction: &mut Transaction,
    ground: &LockedBatch,
    dossier: &PaymentAggregate,
    (order, is_late): (&ChargePayment, bool),
) -> Result<Option<ChargeRefusal>, StoreError> {
    if is_late {
        return Ok(Some(ChargeRefusal::Late));
    }
    let invoice = ground.invoices.get(&order.invoice_id).filter(|invoice| invoice.client_id() == order.client_id);
    let Some(invoice) = invoice else { return Ok(Some(ChargeRefusal::UnknownInvoice(order.invoice_id))) };
    let payment = &dossier.payment;
    let known = (!dossier.is_new).then_some((payment.status, payment.invoices.as_slice()));
    let currency = invoice.total().currency();
    let collected = charges::under_way(transaction, order.invoice_id, payment.id).await?;
    let collected =
        collected.into_iter().find(|sum| sum.currency() == currency).unwrap_or_else(|| Money::zero(currency));
    refuse(order.amount, invoice, collected, known).map_err(|error| dossier.corrupt(error))
}
