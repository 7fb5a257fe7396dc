//! Builds the events and gateway commands that follow from a change of one payment.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use quittance_domain::command::{GatewayCommand, InitiateRefund};
use quittance_domain::event::{
    EventMessage, EvidenceNoted, InvoiceEvent, InvoiceReopened, InvoiceSettled, InvoiceSummary, PaymentAdjusted,
    PaymentSummary, PaymentUnapplied, RefundRefused, ReleaseReason, UnappliedCashRecorded, UnappliedCashReduced,
};
use quittance_domain::fact::FactKind;
use quittance_domain::id::{AuditId, ClientId, InvoiceId, TransactionId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::{Money, MoneyError};
use quittance_domain::party::ClientDetails;
use quittance_domain::payment::PaymentState;
use quittance_domain::refund::RefundRequest;
use quittance_domain::refund_reason::{RefundEffect, RefundTerms, RefundTermsByMovement};
use quittance_domain::returned::ReportedRefund;
use quittance_domain::settlement::{FundsMovement, SettlementOutcome};
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_store::StoreError;
use uuid::Uuid;

use crate::changes::Trigger;
use crate::locked_batch::{LockedBatch, PaymentAggregate};

/// The function's name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "processor";

/// The event variant of an adjustment.
type AdjustmentEvent = fn(PaymentAdjusted) -> InvoiceEvent;

/// Builds the messages about one payment and one trigger.
pub(crate) struct EventBuilder<'a> {
    pub(crate) trigger: &'a Trigger<'a>,
    /// The audit record that the events refer to.
    pub(crate) audit_id: AuditId,
    payment: Option<PaymentSummary>,
    home: Option<InvoiceId>,
    /// The client whose unapplied cash some of the money is or was.
    creditor: Option<ClientId>,
    /// The transaction id under which the gateway proved the money.
    proven_as: Option<TransactionId>,
    /// The accounting date of the receipt, if it was known before.
    came_on: Option<NaiveDate>,
    /// The accounting date of the change.
    pub(crate) accounted_on: NaiveDate,
    zone: Tz,
    now: DateTime<Utc>,
}

impl<'a> EventBuilder<'a> {
    pub(crate) fn new(
        aggregate: &PaymentAggregate,
        state: &PaymentState,
        trigger: &'a Trigger<'a>,
        now: DateTime<Utc>,
        zone: Tz,
    ) -> Self {
        let known = aggregate.before.as_ref().filter(|before| before.captured.is_some());
        let day = |state: &PaymentState| state.happened.map(|happened| happened.accounting_date(zone));
        let came_on = known.and_then(day);
        // For money that is proven now, the trigger's date is more exact than the time in a gateway's response.
        let proven_on = if trigger.is_proof { Some(trigger.accounted_on) } else { day(state) };
        let payment = state.captured.map(|amount| PaymentSummary {
            id: aggregate.payment.id,
            transaction_id: aggregate.payment.transaction_id.clone(),
            provider: aggregate.payment.provider.clone(),
            amount,
            paid_at: state.happened.map_or(now, |happened| happened.at),
            paid_on: Some(came_on.or(proven_on).unwrap_or(trigger.accounted_on)),
        });
        let accounted_on = trigger.accounted_on;
        let audit_id = AuditId::from_uuid(Uuid::now_v7());
        let (home, proven_as) = (state.invoices.first().copied(), state.proven_as.clone());
        let creditor = aggregate.funds.credits.iter().find_map(|credit| credit.client_id);
        Self { trigger, audit_id, payment, home, creditor, proven_as, came_on, accounted_on, zone, now }
    }

    /// Adjusts the accounting date to what moved: money already received is not moved before its receipt.
    pub(crate) fn after(self, movements: &[FundsMovement]) -> Self {
        let is_there = |movement: &FundsMovement| {
            matches!(
                movement,
                FundsMovement::Released { .. } | FundsMovement::Unapplied { .. } | FundsMovement::Debited { .. }
            )
        };
        let came_on = self.came_on.filter(|_| movements.iter().any(is_there));
        Self { accounted_on: came_on.map_or(self.accounted_on, |came_on| came_on.max(self.accounted_on)), ..self }
    }

    /// The release reason, given all movements: money that was only reallocated was not taken by the trigger.
    pub(crate) fn release(&self, movements: &[FundsMovement]) -> ReleaseReason {
        let arrives = |movement: &FundsMovement| matches!(movement, FundsMovement::Allocated { .. });
        if movements.iter().any(arrives) { ReleaseReason::Applied } else { self.trigger.release }
    }

    /// Builds one event for each funds movement.
    pub(crate) fn movements(
        &self,
        batch: &LockedBatch,
        movements: &[FundsMovement],
    ) -> Result<Vec<EventMessage>, StoreError> {
        let Some(payment) = &self.payment else { return Ok(Vec::new()) };
        let reason = self.release(movements);
        let event = |movement: &FundsMovement| -> Result<EventMessage, StoreError> {
            let payment = payment.clone();
            let audit_id = self.audit_id;
            self.message(match movement {
                FundsMovement::Allocated { invoice, amount, .. } => {
                    let (summary, client) = invoice_and_client(batch, invoice)?;
                    let is_paid = summary.status == InvoiceStatus::Paid;
                    let settled = InvoiceSettled { invoice: summary, client, payment, allocated: *amount, audit_id };
                    if is_paid { InvoiceEvent::Paid(settled) } else { InvoiceEvent::PartiallyPaid(settled) }
                }
                FundsMovement::Released { invoice, amount, .. } => {
                    let (invoice, client) = invoice_and_client(batch, invoice)?;
                    let released = *amount;
                    let reason = self.trigger.release;
                    InvoiceEvent::Reopened(InvoiceReopened { invoice, client, payment, released, reason, audit_id })
                }
                FundsMovement::Unapplied { invoice, amount, .. } => {
                    let (invoice, client) = invoice_and_client(batch, invoice)?;
                    InvoiceEvent::Unapplied(PaymentUnapplied { invoice, client, payment, amount: *amount, audit_id })
                }
                FundsMovement::Credited { client_id, amount, reason } => {
                    InvoiceEvent::UnappliedCashRecorded(UnappliedCashRecorded {
                        payment,
                        amount: *amount,
                        reason: *reason,
                        client: client(batch, *client_id)?,
                        invoice: self.home_summary(batch),
                        audit_id,
                    })
                }
                FundsMovement::Debited { client_id, amount } => {
                    InvoiceEvent::UnappliedCashReduced(UnappliedCashReduced {
                        payment,
                        amount: *amount,
                        reason,
                        client: client(batch, *client_id)?,
                        audit_id,
                    })
                }
            })
        };
        movements.iter().map(event).collect()
    }

    /// Builds the event for duplicate or contradictory evidence.
    pub(crate) fn outcome(
        &self,
        batch: &LockedBatch,
        outcome: SettlementOutcome,
    ) -> Result<Option<EventMessage>, StoreError> {
        let Some(payment) = &self.payment else { return Ok(None) };
        let noted =
            || EvidenceNoted { payment: payment.clone(), invoice: self.home_summary(batch), audit_id: self.audit_id };
        let event = match outcome {
            SettlementOutcome::Duplicate => InvoiceEvent::DuplicateRecorded(noted()),
            SettlementOutcome::Contradiction => InvoiceEvent::ContradictionFound(noted()),
            _ => return Ok(None),
        };
        self.message(event).map(Some)
    }

    /// Builds events for refunds, goodwill and disputes that changed since the earlier state.
    pub(crate) fn adjustments(
        &self,
        batch: &LockedBatch,
        before: Option<&PaymentState>,
        after: Option<&PaymentState>,
        aggregate: &PaymentAggregate,
    ) -> Result<Vec<EventMessage>, StoreError> {
        let Some(payment) = &self.payment else { return Ok(Vec::new()) };
        let currency = payment.amount.currency();
        let corrupt =
            |error| StoreError::Corrupt { table: "payments.facts", reason: format!("{}: {error}", payment.id) };
        let of = |state: Option<&PaymentState>| -> Result<[Money; 3], MoneyError> {
            let Some(state) = state else { return Ok([Money::zero(currency); 3]) };
            let sums = [state.refunded, state.goodwill, state.withheld()?];
            Ok(sums.map(|sum| sum.filter(|sum| sum.currency() == currency).unwrap_or(Money::zero(currency))))
        };
        let ([refunded_before, goodwill_before, withheld_before], [refunded, goodwill, withheld]) =
            (of(before).map_err(corrupt)?, of(after).map_err(corrupt)?);
        let kinds: [(Money, Money, AdjustmentEvent); 6] = [
            (refunded_before, refunded, InvoiceEvent::Refunded),
            (refunded, refunded_before, InvoiceEvent::RefundFailed),
            (goodwill_before, goodwill, InvoiceEvent::GoodwillRecorded),
            (goodwill, goodwill_before, InvoiceEvent::GoodwillReversed),
            (withheld_before, withheld, InvoiceEvent::Disputed),
            (withheld, withheld_before, InvoiceEvent::DisputeClosed),
        ];
        let new_refund = terms_of_new_refund(before, after, &aggregate.terms);
        let mut messages = Vec::new();
        for (from, to, event) in kinds {
            let amount = to.checked_sub(from).map_err(corrupt)?;
            if amount.is_positive() {
                let (payment, invoice, client) = (payment.clone(), self.home_summary(batch), self.payer(batch)?);
                let audit_id = self.audit_id;
                let (reason_kind, reopens) = (None, None);
                let adjusted = PaymentAdjusted { payment, amount, invoice, client, reason_kind, reopens, audit_id };
                let event = match event(adjusted) {
                    InvoiceEvent::Refunded(refunded) => InvoiceEvent::Refunded(explained(refunded, new_refund)),
                    other => other,
                };
                let day = self.day_of_adjustment(&event, before, aggregate);
                messages.push(self.message_on(event, day)?);
            }
        }
        Ok(messages)
    }

    /// The accounting date of an adjustment. A refund or dispute that was reported before its payment is emitted with
    /// the payment, and keeps its own date.
    fn day_of_adjustment(
        &self,
        event: &InvoiceEvent,
        before: Option<&PaymentState>,
        aggregate: &PaymentAggregate,
    ) -> NaiveDate {
        if before.is_some_and(|before| before.captured.is_some()) {
            return self.accounted_on;
        }
        let kind = match event {
            InvoiceEvent::Disputed(_) => FactKind::Dispute,
            _ => FactKind::Refund,
        };
        let of_kind = aggregate.facts.iter().filter(|fact| fact.kind == kind);
        let last = of_kind.map(|fact| fact.happened().accounting_date(self.zone)).max();
        last.map_or(self.accounted_on, |last| last.max(self.accounted_on))
    }

    /// Builds the event of a refused refund.
    pub(crate) fn refund_refused(
        &self,
        request: &RefundRequest,
        reason: String,
        audit_id: AuditId,
    ) -> Result<Option<EventMessage>, StoreError> {
        let Some(payment) = self.payment.clone() else { return Ok(None) };
        let amount = Money::from(request.amount);
        let refused = RefundRefused { refund_id: request.id, payment, amount, reason, audit_id };
        self.message(InvoiceEvent::RefundRefused(refused)).map(Some)
    }

    /// Builds the refund command to the gateway; none for a bank transfer, which staff refund through the bank.
    pub(crate) fn initiate_refund(&self, request: &RefundRequest) -> Result<Option<EventMessage>, StoreError> {
        let (Some(payment), Some(proven_as)) = (&self.payment, &self.proven_as) else { return Ok(None) };
        if proven_as.provider().is_manual() {
            return Ok(None);
        }
        let command = GatewayCommand::InitiateRefund(InitiateRefund {
            refund_id: request.id,
            payment_id: payment.id,
            transaction_id: proven_as.clone(),
            provider: proven_as.provider(),
            amount: request.amount,
        });
        let subject = proven_as.to_string();
        let correlation_id = self.trigger.correlation_id.to_owned();
        to_message(&CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, self.now, correlation_id, command)).map(Some)
    }

    fn message(&self, event: InvoiceEvent) -> Result<EventMessage, StoreError> {
        self.message_on(event, self.accounted_on)
    }

    fn message_on(&self, event: InvoiceEvent, day: NaiveDate) -> Result<EventMessage, StoreError> {
        let correlation_id = self.trigger.correlation_id.to_owned();
        let envelope = CloudEvent::of_event(Uuid::now_v7(), FUNCTION, self.now, correlation_id, event);
        to_message(&envelope.booked_on(day))
    }

    /// The client of the payment's invoice, or of its unapplied cash.
    fn payer(&self, batch: &LockedBatch) -> Result<Option<ClientDetails>, StoreError> {
        match self.home.and_then(|home| batch.records.get(&home)) {
            Some(record) => Ok(Some(record.client.clone())),
            None => client(batch, self.creditor),
        }
    }

    fn home_summary(&self, batch: &LockedBatch) -> Option<InvoiceSummary> {
        let home = self.home?;
        batch.records.get(&home)?.summary(batch.invoices.get(&home)?)
    }
}

/// The terms of newly reported refunds, if they are the same for all.
fn terms_of_new_refund(
    before: Option<&PaymentState>,
    after: Option<&PaymentState>,
    terms: &RefundTermsByMovement,
) -> Option<RefundTerms> {
    let known = before.map(|state| state.refunds.as_slice()).unwrap_or_default();
    let is_new =
        |refund: &&ReportedRefund| !refund.failed && known.iter().all(|known| known.movement != refund.movement);
    let mut new = after?.refunds.iter().filter(is_new).map(|refund| terms.get(&refund.movement));
    let first = new.next()?;
    new.all(|other| other == first).then_some(first)
}

fn explained(refunded: PaymentAdjusted, terms: Option<RefundTerms>) -> PaymentAdjusted {
    let reopens = terms.map(|terms| terms.effect() == RefundEffect::Reopens);
    PaymentAdjusted { reason_kind: terms.map(|terms| terms.reason), reopens, ..refunded }
}

pub(crate) fn to_message<T: Payload>(envelope: &CloudEvent<T>) -> Result<EventMessage, StoreError> {
    envelope.message().map_err(|error| StoreError::Corrupt { table: "payments.outbox", reason: error.to_string() })
}

fn invoice_and_client(batch: &LockedBatch, invoice: &Invoice) -> Result<(InvoiceSummary, ClientDetails), StoreError> {
    let record = batch.records.get(&invoice.id());
    record.and_then(|record| Some((record.summary(invoice)?, record.client.clone()))).ok_or_else(|| {
        StoreError::Corrupt { table: "billing.invoices", reason: format!("invoice {} has no number", invoice.id()) }
    })
}

/// The client of unapplied cash; none for money in suspense.
fn client(batch: &LockedBatch, id: Option<ClientId>) -> Result<Option<ClientDetails>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    match batch.clients.get(&id) {
        Some(client) => Ok(Some(client.clone())),
        None => Err(StoreError::Corrupt { table: "billing.clients", reason: format!("client {id} was not loaded") }),
    }
}
