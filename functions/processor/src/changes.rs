//! What settling a batch changes, collected so that each table is written once.

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

use crate::ground::LockedBatch;
use crate::records;
use crate::settle::release_reason_for;
use crate::telling::EventBuilder;
use crate::told::{EmittedEvents, LoggedDecision};

/// Why a payment is settled now.
#[derive(Debug, Clone)]
pub(crate) struct Trigger<'a> {
    /// Who said or decided it.
    pub(crate) actor: &'a str,
    /// What happened, in the audit record's terms.
    pub(crate) action: &'static str,
    /// The same for people.
    pub(crate) reason: String,
    /// Why money that leaves does so.
    pub(crate) release: ReleaseReason,
    /// Something new proves money.
    pub(crate) is_proof: bool,
    /// The day of it in the books.
    pub(crate) accounted_on: NaiveDate,
    /// What the source says of it, in its own words.
    pub(crate) source_text: Option<String>,
    pub(crate) correlation_id: &'a str,
}

impl Trigger<'_> {
    /// Makes it the cause that the evidence would be if its own source had reported it.
    pub(crate) fn count_as(&mut self, kind: FactKind, happened: MovementTime, zone: Tz) {
        self.release = release_reason_for(kind).unwrap_or(self.release);
        self.is_proof = kind.proves_money();
        self.accounted_on = happened.accounting_date(zone);
    }
}

/// What staff decided to happen before a payment is settled.
#[derive(Debug, Clone, Copy)]
enum StaffDirective {
    Nothing,
    /// Loose surplus pays that invoice, so much of it at most.
    Apply(InvoiceId, Option<Money>),
    /// All money leaves that invoice.
    Unmatch(InvoiceId),
}

impl StaffDirective {
    fn then_settle(
        self,
        entitled: &Entitlement,
        holdings: &mut PaymentFunds,
        invoices: &mut LockedInvoices,
    ) -> Result<Vec<FundsMovement>, SettlementError> {
        match self {
            Self::Nothing => settlement::settle(entitled, holdings, invoices),
            Self::Apply(to, limit) => settlement::apply(entitled, holdings, invoices, (to, limit)),
            Self::Unmatch(from) => settlement::unmatch(entitled, holdings, invoices, from),
        }
    }
}

/// How an invoice lost money.
#[derive(Debug, Clone)]
struct InvoiceRelease {
    /// The request or message that took it.
    correlation_id: String,
    /// The day of it in the books.
    accounted_on: NaiveDate,
}

/// The changes of one batch.
#[derive(Debug)]
pub(crate) struct BatchChanges {
    pub(crate) now: DateTime<Utc>,
    /// The seller's time zone.
    pub(crate) zone: Tz,
    touched: BTreeSet<InvoiceId>,
    /// Invoices that lost money.
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

    /// Brings a payment, its refunds, its money and its cases to where its facts say they belong. With `to`, loose
    /// surplus first pays that invoice, because staff decided so.
    pub(crate) fn settle(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        cause: &Trigger<'_>,
        to: Option<InvoiceId>,
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_first(ground, id, cause, to.map_or(StaffDirective::Nothing, |to| StaffDirective::Apply(to, None)))
    }

    /// The same, after so much surplus at most has paid an invoice that staff chose.
    pub(crate) fn apply(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        cause: &Trigger<'_>,
        (to, limit): (InvoiceId, Money),
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_first(ground, id, cause, StaffDirective::Apply(to, Some(limit)))
    }

    /// The same, after all its money left an invoice that it does not pay.
    pub(crate) fn unmatch(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        cause: &Trigger<'_>,
        from: InvoiceId,
    ) -> Result<SettlementOutcome, StoreError> {
        self.settle_first(ground, id, cause, StaffDirective::Unmatch(from))
    }

    fn settle_first(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        cause: &Trigger<'_>,
        first: StaffDirective,
    ) -> Result<SettlementOutcome, StoreError> {
        let Some(dossier) = ground.payments.get_mut(&id) else { return Ok(SettlementOutcome::Recorded) };
        let state = dossier.state()?;
        let before = records::before(dossier, &ground.invoices);
        // Money stays in the books of the provider that it was first proven by.
        if let (false, Some(name)) = (dossier.has_money(), &state.proven_as) {
            dossier.payment.provider = name.provider();
        }
        let provider = dossier.payment.provider.clone();
        let telling = EventBuilder::new(dossier, &state, cause, (self.now, self.zone));
        self.decide_refunds(dossier, &state, &telling)?;
        let entitled = dossier.entitlement(&state)?;
        let movements = match &entitled {
            None => Ok(Vec::new()),
            Some(entitled) => first.then_settle(entitled, &mut dossier.funds, &mut ground.invoices),
        };
        let movements = movements.map_err(|error| dossier.corrupt(error))?;
        let telling = telling.after(&movements);
        dossier.payment.invoices.clone_from(&state.invoices);
        self.emitted.figures.proven(dossier.before.as_ref().and_then(|before| before.captured), state.captured);
        let is_contradiction = state.contradictory
            && (cause.is_proof || !dossier.before.as_ref().is_some_and(|before| before.contradictory));
        let outcome = settlement::outcome(&movements, cause.is_proof, is_contradiction);
        let Some(dossier) = ground.payments.get(&id) else { return Ok(outcome) };
        self.record_movements(ground, dossier, &movements, &telling)?;
        if let Some(entitled) = &entitled {
            self.reconcile_cases(dossier, &state, entitled, &movements)?;
        }
        self.open_unassigned_return(dossier, &state, cause);
        self.close_undecided(dossier, state.status);
        self.close_claimed(dossier, state.status);
        self.close_entered(dossier, &state);
        if is_contradiction {
            self.open_case(dossier, CaseKind::Contradiction, state.captured, records::contradiction(&state));
        }
        self.record_goodwill(dossier, Some(&state))?;
        self.emitted.events.extend(telling.adjustments(ground, (dossier.before.as_ref(), Some(&state)), dossier)?);
        self.emitted.events.extend(telling.outcome(ground, outcome)?);
        let home = state.invoices.first().and_then(|id| ground.invoices.get(id));
        self.update(PaymentUpdate {
            id,
            provider,
            status: state.status,
            amount: state.captured.or(state.claimed),
            returned: state.returned,
            client_id: home.map(Invoice::client_id),
            invoices: state.invoices.clone(),
        });
        self.record_decision(records::settled(dossier, &state, &telling, outcome, before, &movements), outcome);
        if let Some(dossier) = ground.payments.get_mut(&id) {
            dossier.payment.status = state.status;
            dossier.before = Some(state);
        }
        Ok(outcome)
    }

    /// Lets surplus of other payments pay the invoices that lost money.
    pub(crate) async fn fill_reopened(
        &mut self,
        transaction: &mut Transaction,
        ground: &mut LockedBatch,
    ) -> Result<(), StoreError> {
        if self.released.is_empty() {
            return Ok(());
        }
        let reopened: Vec<InvoiceId> = self.released.keys().copied().collect();
        let mut waiting = ground.read_waiting(transaction, &reopened).await?;
        // Payments of this batch may have surplus too; the earlier ones come first.
        waiting.extend(self.updates.iter().map(|update| update.id));
        for id in waiting {
            let Some(dossier) = ground.payments.get_mut(&id) else { continue };
            let state = dossier.state()?;
            let Some(entitled) = dossier.entitlement(&state)? else { continue };
            let before = records::before(dossier, &ground.invoices);
            let movements = settlement::fill(&entitled, &mut dossier.funds, &mut ground.invoices)
                .map_err(|error| dossier.corrupt(error))?;
            let Some(release) = movements.iter().find_map(|movement| self.release_filled_by(movement)) else {
                continue;
            };
            let cause = Trigger {
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
            let Some(dossier) = ground.payments.get(&id) else { continue };
            let telling = EventBuilder::new(dossier, &state, &cause, (self.now, self.zone)).after(&movements);
            self.record_movements(ground, dossier, &movements, &telling)?;
            self.reconcile_cases(dossier, &state, &entitled, &movements)?;
            self.record_decision(records::settled(dossier, &state, &telling, outcome, before, &movements), outcome);
        }
        Ok(())
    }

    /// How the invoice was reopened which a movement pays.
    fn release_filled_by(&self, movement: &FundsMovement) -> Option<InvoiceRelease> {
        match movement {
            FundsMovement::Allocated { invoice, .. } => self.released.get(&invoice.id()).cloned(),
            _ => None,
        }
    }

    /// Takes all money of a payment away: another has its evidence now.
    pub(crate) fn withdraw(
        &mut self,
        ground: &mut LockedBatch,
        id: PaymentId,
        cause: &Trigger<'_>,
    ) -> Result<(), StoreError> {
        let Some(dossier) = ground.payments.get_mut(&id) else { return Ok(()) };
        let state = dossier.state()?;
        let before = records::before(dossier, &ground.invoices);
        let movements =
            settlement::withdraw(&mut dossier.funds, &mut ground.invoices).map_err(|error| dossier.corrupt(error))?;
        let Some(dossier) = ground.payments.get(&id) else { return Ok(()) };
        let telling = EventBuilder::new(dossier, &state, cause, (self.now, self.zone)).after(&movements);
        self.record_movements(ground, dossier, &movements, &telling)?;
        self.emitted.figures.proven(state.captured, None);
        self.record_goodwill(dossier, None)?;
        self.emitted.events.extend(telling.adjustments(ground, (dossier.before.as_ref(), None), dossier)?);
        for case in dossier.cases.iter().filter(|case| case.resolution.is_none()) {
            self.close_case(case.id, Resolution::Merged);
        }
        let outcome = SettlementOutcome::Recorded;
        self.record_decision(records::settled(dossier, &state, &telling, outcome, before, &movements), outcome);
        Ok(())
    }

    /// Keeps the record of a decision, and has it logged.
    fn record_decision(&mut self, record: AuditRecord, outcome: SettlementOutcome) {
        self.emitted.decided.push(LoggedDecision::from_record(&record, outcome));
        self.audit.push(record);
    }

    /// Writes a payment's columns as they are given last.
    pub(crate) fn update(&mut self, update: PaymentUpdate) {
        self.updates.retain(|earlier| earlier.id != update.id);
        self.updates.push(update);
    }

    /// Writes everything. Closing comes before opening, so that a payment has one open case of a kind.
    pub(crate) async fn write(
        &mut self,
        transaction: &mut Transaction,
        ground: &LockedBatch,
    ) -> Result<(), StoreError> {
        let (new, known): (Vec<&PaymentUpdate>, Vec<&PaymentUpdate>) = self
            .updates
            .iter()
            .partition(|update| ground.payments.get(&update.id).is_some_and(|dossier| dossier.is_new));
        let new: Vec<_> =
            new.into_iter().filter_map(|update| Some((&ground.payments.get(&update.id)?.payment, update))).collect();
        payments::insert(transaction, &new).await?;
        payments::update(transaction, &known).await?;
        let touched: Vec<&Invoice> = self.touched.iter().filter_map(|id| ground.invoices.get(id)).collect();
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
        self.begin_inquiries(transaction, ground).await?;
        for case in &self.closed {
            cases::close(transaction, case).await?;
        }
        for (id, amount) in &self.pins {
            cases::reduce(transaction, *id, *amount).await?;
        }
        cases::open(transaction, &self.cases).await?;
        self.count_cases(ground);
        audit::append(transaction, &self.audit).await?;
        outbox::insert(transaction, Destination::InvoiceEvents, &self.emitted.events).await?;
        outbox::insert(transaction, Destination::GatewayCommands, &self.emitted.commands).await
    }
}
