//! Payments that a gateway is to collect, and those that it does not decide.

use quittance_domain::case::CaseKind;
use quittance_domain::charge::{ChargeRefusal, refuse};
use quittance_domain::command::{ChargeOrder, Escalation, GatewayCommand, InitiateCharge};
use quittance_domain::event::EventMessage;
use quittance_domain::fact::{Door, Fact, FactKind};
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::charges::{self, NewCharge};
use quittance_store::facts::{self, NewFact};
use quittance_store::{StoreError, Transaction};
use uuid::Uuid;

use crate::decide::Deciding;
use crate::ground::{Dossier, Ground};
use crate::telling::{FUNCTION, written};

impl<'a> Deciding<'a> {
    /// Notes an attempt to collect a payment and has the gateway asked, all in one transaction; or notes why not.
    pub(crate) async fn charge(&mut self, order: &'a ChargeOrder) -> Result<(), StoreError> {
        let mut ground = match self.find(&order.transaction_id).await? {
            Some(id) => self.ground(&[id]).await?,
            None => self.add(&order.transaction_id).await?,
        };
        ground.lock_invoices(&mut self.transaction, &[order.invoice_id]).await?;
        let Some(dossier) = ground.dossiers.values().next() else { return Ok(()) };
        let id = dossier.payment.id;
        let refusal = refusal(&mut self.transaction, &ground, dossier, order).await?.map(|refusal| refusal.to_string());
        let attempt = charges::next_attempt(&mut self.transaction, id).await?;
        let told = self.told(order, dossier, refusal.as_deref());
        facts::insert(&mut self.transaction, &told).await?;
        if let Some(dossier) = ground.dossiers.get_mut(&id) {
            dossier.facts.extend(told.into_iter().map(|new| new.fact));
        }
        let reason = refusal.as_deref().unwrap_or("the gateway is asked");
        let what = format!("charge {attempt} of {}", order.amount);
        let cause = self.cause(&order.actor, "payment.charge_ordered", what, reason);
        self.changes.settle(&mut ground, id, &cause, None)?;
        if refusal.is_none() {
            let command = self.initiate(order, id, attempt)?;
            self.changes.told.commands.push(command);
        }
        self.changes.new_charge = Some(NewCharge {
            payment_id: id,
            attempt,
            invoice_id: order.invoice_id,
            amount: order.amount,
            payment_method: order.payment_method.clone(),
            ordered_by: order.actor.clone(),
            ordered_at: self.changes.now,
            refusal,
        });
        self.changes.write(&mut self.transaction, &ground).await
    }

    /// What is known now: that the payment is asked for; of a new one that is refused, that it did not happen either.
    fn told(&self, order: &ChargeOrder, dossier: &Dossier, refusal: Option<&str>) -> Vec<NewFact> {
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
                amount: order.amount,
                door: Door::Api,
                transaction_id: Some(order.transaction_id.clone()),
                origin: None,
                event_id: format!("{}:{kind}", order.request),
                movement: order.transaction_id.to_string(),
                invoices: vec![order.invoice_id],
                occurred_at: self.changes.now,
            },
            actor: order.actor.clone(),
            reason: refusal.filter(|_| *kind == FactKind::Failure).map(ToOwned::to_owned),
        };
        kinds.iter().map(fact).collect()
    }

    fn initiate(&self, order: &ChargeOrder, payment_id: PaymentId, attempt: u16) -> Result<EventMessage, StoreError> {
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
        written(&CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, self.changes.now, correlation_id, command))
    }

    /// Gives staff a case about a payment that is still undecided.
    pub(crate) async fn escalate(&mut self, escalation: &'a Escalation) -> Result<(), StoreError> {
        let Some(id) = self.find(&escalation.transaction_id).await? else { return Ok(()) };
        let mut ground = self.ground(&[id]).await?;
        ground.lock_invoices(&mut self.transaction, &[]).await?;
        let Some(dossier) = ground.dossiers.get(&id) else { return Ok(()) };
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
    ground: &Ground,
    dossier: &Dossier,
    order: &ChargeOrder,
) -> Result<Option<ChargeRefusal>, StoreError> {
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
