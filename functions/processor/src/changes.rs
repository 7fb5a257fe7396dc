//! Collects everything a batch changes, so that each table is written once.

mod movements;
mod reconcile;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::event::ReleaseReason;
use quittance_domain::fact::{FactKind, MovementTime};
use quittance_domain::id::{CaseId, InvoiceId, PaymentId, RefundId};
use quittance_domain::invoice::Invoice;
use quittance_domain::money::Money;

use quittance_domain::refund::RefundStatus;
use quittance_domain::settlement::{
    self, Entitlement, FundsMovement, LockedInvoices, PaymentFunds, SettlementError, SettlementOutcome,
};
use quittance_store::allocations::{self, NewAllocation};
use quittance_store::audit::{self, AuditRecord};
use quittance_store::cases::{self, ClosedCase, NewCase};
use quittance_store::charges::{self, NewCharge};
use quittance_store::credits::{self, NewCredit};
use quittance_store::goodwill::{self, NewGoodwill};
use quittance_store::outbox::{self, Destination};
use quittance_store::payments::{self, PaymentUpdate};
use quittance_store::refunds::{self, NewRefund};
use quittance_store::{StoreError, Transaction, invoices};

use crate::emitted_events::{EmittedEvents, LoggedDecision};
use crate::event_builder::EventBuilder;
use crate::locked_batch::LockedBatch;
use crate::records;
use crate::settle::release_reason_for;

/// What triggered the settlement of a payment.
#[derive(Debug, Clone)]
pub(crate) struct Trigger<'a> {
    /// Who reported or decided it.
    pub(crate) actor: &'a str,
    /// The action of the audit record.
    pub(crate) action: &'static str,
    /// The reason of the audit record, for people.
    pub(crate) reason: String,
    /// The reason for outflows.
    pub(crate) release: ReleaseReason,
    /// Whether new evidence proves that money came in.
    pub(crate) is_proof: bool,
    /// Its accounting date.
    pub(crate) accounted_on: NaiveDate,
    /// The reason as the source gave it.
    pub(crate) source_text: Option<String>,
    pub(crate) correlation_id: &'a str,
}

impl Trigger<'_> {
    /// Treats evidence entered by staff as if its own source had reported it.
    pub(crate) fn count_as(&mut self, kind: FactKind, happened: MovementTime, zone: Tz) {
        self.release = release_reason_for(kind).unwrap_or(self.release);
        self.is_proof = kind.proves_money();
        self.accounted_on = happened.accounting_date(zone);
    }
}

/// What staff decided to do before the payment is settled.
#[derive(Debug, Clone, Copy)]
enum StaffDirective {
    Nothing,
    /// Pay the invoice with undecided unapplied cash, up to the limit.
    Apply(InvoiceId, Option<Money>),
    /// Release all money of the payment from the invoice.
    Unmatch(InvoiceId),
}

impl StaffDirective {
    fn apply_and_settle(
        self,
        entitled: &Entitlement,
        funds: &mut PaymentFunds,
        invoices: &mut LockedInvoices,
    ) -> Result<Vec<FundsMovement>, SettlementError> {
        match self {
            Self::Nothing => settlement::settle(entitled, funds, invoices),
            Self::Apply(to, limit) => settlement::apply(entitled, funds, invoices, to, limit),
            Self::Unmatch(from) => settlement::unmatch(entitled, funds, invoices, from),
        }
    }
}

/// A release that reopened an invoice.
#[derive(Debug, Clone)]
struct InvoiceRelease {
    /// The request or message that caused it.
    correlation_id: String,
    /// The day of it in the books.
    accounted_on: NaiveDate,
}

/// All changes of one batch.
#[derive(Debug)]
pub(crate) struct BatchChanges {
    pub(crate) now: DateTime<Utc>,
    /// The seller's time zone, for accounting dates.
    pub(crate) zone: Tz,
    touched: BTreeSet<InvoiceId>,
    /// Invoices that were reopened.
    released: BTreeMap<InvoiceId, InvoiceRelease>,
    updates: Vec<PaymentUpdate>,
    allocations: Vec<NewAllocation>,
    credits: Vec<NewCredit>,
    goodwill: Vec<NewGoodwill>,
    cases: Vec<NewCase>,
    closed: Vec<ClosedCase>,
    pins: Vec<(CaseId, Money)>,
    refunds: Vec<(RefundId, RefundStatus, Option<String>)>,
    pub(crate) new_refund: Option<NewRefund>,
    pub(crate) new_charge: Option<NewCharge>,
    pub(crate) audit: Vec<AuditRecord>,
    pub(crate) emitted: EmittedEvents,
}

impl BatchChanges {
    pub(crate) fn new(now: DateTime<Tz>) -> Self {
        Self {
            now: now.to_utc(),
            zone: now.timezone(),
            touched: BTreeSet::new(),
            released: BTreeMap::new(),
            updates: Vec::new(),
            allocations: Vec::new(),
            credits: Vec::new(),
            goodwill: Vec::new(),
            cases: Vec::new(),
            closed: Vec::new(),
            pins: Vec::new(),
            refunds: Vec::new(),
            new_refund: None,
            new_charge: None,
            audit: Vec::new(),
            emitted: EmittedEvents::default(),
        }
    }

    /// Brings a payment's refunds, allocations, unapplied cash and cases in line with its facts. With `to`, undecided
    /// unapplied cash first pays that invoice, as staff decided.
    pub(crate) fn settle(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        trigger: &Trigger<'_>,
        to: Option<InvoiceId>,
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_after(batch, id, trigger, to.map_or(StaffDirective::Nothing, |to| StaffDirective::Apply(to, None)))
    }

    /// Like [`Self::settle`], after paying the invoice that staff chose with unapplied cash up to the limit.
    pub(crate) fn apply(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        trigger: &Trigger<'_>,
        to: InvoiceId,
        limit: Money,
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_after(batch, id, trigger, StaffDirective::Apply(to, Some(limit)))
    }

    /// Like [`Self::settle`], after releasing all money from an invoice that the payment does not pay.
    pub(crate) fn unmatch(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        trigger: &Trigger<'_>,
        from: InvoiceId,
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_after(batch, id, trigger, StaffDirective::Unmatch(from))
    }

    fn settle_after(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        trigger: &Trigger<'_>,
        first: StaffDirective,
    ) -> Result<SettlementOutcome, StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(SettlementOutcome::Recorded) };
        let state = aggregate.state()?;
        let before = records::before(aggregate, &batch.invoices);
        // Postings stay with the provider that first proved the money.
        if let (false, Some(name)) = (aggregate.has_money(), &state.proven_as) {
            aggregate.payment.provider = name.provider();
        }
        let provider = aggregate.payment.provider.clone();
        let builder = EventBuilder::new(aggregate, &state, trigger, self.now, self.zone);
        self.decide_refunds(aggregate, &state, &builder)?;
        let entitled = aggregate.entitlement(&state)?;
        let movements = match &entitled {
            None => Ok(Vec::new()),
            Some(entitled) => first.apply_and_settle(entitled, &mut aggregate.funds, &mut batch.invoices),
        };
        let movements = movements.map_err(|error| aggregate.corrupt(error))?;
        let builder = builder.after(&movements);
        aggregate.payment.invoices.clone_from(&state.invoices);
        self.emitted.figures.proven(aggregate.before.as_ref().and_then(|before| before.captured), state.captured);
        let is_contradiction = state.contradictory
            && (trigger.is_proof || !aggregate.before.as_ref().is_some_and(|before| before.contradictory));
        let outcome = settlement::outcome(&movements, trigger.is_proof, is_contradiction);
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(outcome) };
        self.record_movements(batch, aggregate, &movements, &builder)?;
        if let Some(entitled) = &entitled {
            self.reconcile_cases(aggregate, &state, entitled, &movements)?;
        }
        self.open_unassigned_return(aggregate, &state, trigger);
        self.close_undecided(aggregate, state.status);
        self.close_claimed(aggregate, state.status);
        self.close_entered(aggregate, &state);
        if is_contradiction {
            self.open_case(aggregate, CaseKind::Contradiction, state.captured, records::contradiction(&state));
        }
        self.record_goodwill(aggregate, Some(&state))?;
        self.emitted.events.extend(builder.adjustments(batch, aggregate.before.as_ref(), Some(&state), aggregate)?);
        self.emitted.events.extend(builder.outcome(batch, outcome)?);
        let home = state.invoices.first().and_then(|id| batch.invoices.get(id));
        self.update(PaymentUpdate {
            id,
            provider,
            status: state.status,
            amount: state.captured.or(state.claimed),
            returned: state.returned,
            client_id: home.map(Invoice::client_id),
            invoices: state.invoices.clone(),
        });
        self.record_decision(records::settled(aggregate, &state, &builder, outcome, before, &movements), outcome);
        if let Some(aggregate) = batch.payments.get_mut(&id) {
            aggregate.payment.status = state.status;
            aggregate.before = Some(state);
        }
        Ok(outcome)
    }

    /// Pays reopened invoices with unapplied cash of other payments that name them.
    pub(crate) async fn fill_reopened(
        &mut self,
        transaction: &mut Transaction,
        batch: &mut LockedBatch,
    ) -> Result<(), StoreError> {
        if self.released.is_empty() {
            return Ok(());
        }
        let reopened: Vec<InvoiceId> = self.released.keys().copied().collect();
        let mut waiting = batch.read_waiting(transaction, &reopened).await?;
        // Payments of this batch may have unapplied cash too; older payments come first.
        waiting.extend(self.updates.iter().map(|update| update.id));
        for id in waiting {
            let Some(aggregate) = batch.payments.get_mut(&id) else { continue };
            let state = aggregate.state()?;
            let Some(entitled) = aggregate.entitlement(&state)? else { continue };
            let before = records::before(aggregate, &batch.invoices);
            let movements = settlement::fill(&entitled, &mut aggregate.funds, &mut batch.invoices)
                .map_err(|error| aggregate.corrupt(error))?;
            let Some(release) = movements.iter().find_map(|movement| self.release_filled_by(movement)) else {
                continue;
            };
            let trigger = Trigger {
                actor: "processor",
                action: "payment.surplus_applied",
                reason: "an invoice that it names was reopened".to_owned(),
                release: ReleaseReason::Applied,
                is_proof: false,
                accounted_on: release.accounted_on,
                source_text: None,
                correlation_id: &release.correlation_id,
            };
            let outcome = settlement::outcome(&movements, false, false);
            let Some(aggregate) = batch.payments.get(&id) else { continue };
            let builder = EventBuilder::new(aggregate, &state, &trigger, self.now, self.zone).after(&movements);
            self.record_movements(batch, aggregate, &movements, &builder)?;
            self.reconcile_cases(aggregate, &state, &entitled, &movements)?;
            self.record_decision(records::settled(aggregate, &state, &builder, outcome, before, &movements), outcome);
        }
        Ok(())
    }

    /// The release that reopened the invoice which a movement pays.
    fn release_filled_by(&self, movement: &FundsMovement) -> Option<InvoiceRelease> {
        match movement {
            FundsMovement::Allocated { invoice, .. } => self.released.get(&invoice.id()).cloned(),
            _ => None,
        }
    }

    /// Releases all money of a payment whose evidence was merged into another.
    pub(crate) fn withdraw(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        trigger: &Trigger<'_>,
    ) -> Result<(), StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
        let state = aggregate.state()?;
        let before = records::before(aggregate, &batch.invoices);
        let movements = settlement::withdraw(&mut aggregate.funds, &mut batch.invoices)
            .map_err(|error| aggregate.corrupt(error))?;
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(()) };
        let builder = EventBuilder::new(aggregate, &state, trigger, self.now, self.zone).after(&movements);
        self.record_movements(batch, aggregate, &movements, &builder)?;
        self.emitted.figures.proven(state.captured, None);
        self.record_goodwill(aggregate, None)?;
        self.emitted.events.extend(builder.adjustments(batch, aggregate.before.as_ref(), None, aggregate)?);
        for case in aggregate.cases.iter().filter(|case| case.resolution.is_none()) {
            self.close_case(case.id, Resolution::Merged);
        }
        let outcome = SettlementOutcome::Recorded;
        self.record_decision(records::settled(aggregate, &state, &builder, outcome, before, &movements), outcome);
        Ok(())
    }

    /// Records a decision for the audit trail and the log.
    fn record_decision(&mut self, record: AuditRecord, outcome: SettlementOutcome) {
        self.emitted.decided.push(LoggedDecision::from_record(&record, outcome));
        self.audit.push(record);
    }

    /// Sets a payment's derived columns; the last update of a payment wins.
    pub(crate) fn update(&mut self, update: PaymentUpdate) {
        self.updates.retain(|earlier| earlier.id != update.id);
        self.updates.push(update);
    }

    /// Writes everything. Cases are closed before others are opened, since a payment has one open case of a kind.
    pub(crate) async fn write(&mut self, transaction: &mut Transaction, batch: &LockedBatch) -> Result<(), StoreError> {
        let (new, known): (Vec<&PaymentUpdate>, Vec<&PaymentUpdate>) = self
            .updates
            .iter()
            .partition(|update| batch.payments.get(&update.id).is_some_and(|aggregate| aggregate.is_new));
        let new: Vec<_> =
            new.into_iter().filter_map(|update| Some((&batch.payments.get(&update.id)?.payment, update))).collect();
        payments::insert(transaction, &new).await?;
        payments::update(transaction, &known).await?;
        let touched: Vec<&Invoice> = self.touched.iter().filter_map(|id| batch.invoices.get(id)).collect();
        invoices::update_paid(transaction, &touched).await?;
        allocations::insert(transaction, &self.allocations, self.now).await?;
        credits::insert(transaction, &self.credits, self.now).await?;
        goodwill::insert(transaction, &self.goodwill, self.now).await?;
        self.record_upload_lines(transaction).await?;
        for (id, status, refusal) in &self.refunds {
            refunds::update(transaction, *id, *status, refusal.as_deref()).await?;
        }
        if let Some(refund) = &self.new_refund {
            refunds::insert(transaction, refund).await?;
        }
        if let Some(charge) = &self.new_charge {
            charges::insert(transaction, charge).await?;
        }
        self.begin_inquiries(transaction, batch).await?;
        for case in &self.closed {
            cases::close(transaction, case).await?;
        }
        for (id, amount) in &self.pins {
            cases::reduce(transaction, *id, *amount).await?;
        }
        cases::open(transaction, &self.cases).await?;
        self.count_cases(batch);
        audit::append(transaction, &self.audit).await?;
        outbox::insert(transaction, Destination::InvoiceEvents, &self.emitted.events).await?;
        outbox::insert(transaction, Destination::GatewayCommands, &self.emitted.commands).await
    }
}
