//! Opens, updates and closes the cases of a payment after a change.

use std::collections::BTreeSet;

use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::fact::{EvidenceChannel, Fact, FactKind};
use quittance_domain::id::{CaseId, PaymentId};
use quittance_domain::inquiry;
use quittance_domain::money::Money;
use quittance_domain::payment::{PaymentState, PaymentStatus};
use quittance_domain::settlement::{self, Entitlement, FundsMovement};
use quittance_store::cases::{ClosedCase, KnownCase, NewCase};
use quittance_store::payments::PaymentUpdate;
use quittance_store::{StoreError, Transaction, inquiries, upload_lines};
use uuid::Uuid;

use super::{BatchChanges, Trigger};
use crate::locked_batch::{LockedBatch, PaymentAggregate};
use crate::records;

impl BatchChanges {
    /// Opens, updates and closes the cases about unapplied cash.
    pub(super) fn reconcile_cases(
        &mut self,
        aggregate: &PaymentAggregate,
        state: &PaymentState,
        entitled: &Entitlement,
        movements: &[FundsMovement],
    ) -> Result<(), StoreError> {
        let corrupt = |error| aggregate.corrupt(error);
        let undecided = settlement::undecided_unapplied_cash(entitled, &aggregate.funds).map_err(corrupt)?;
        let unexplained = state.unexplained.unwrap_or(Money::zero(undecided.currency()));
        // Unexplained refunds have a case of their own.
        let overdrawn = undecided.checked_add(unexplained).map_err(corrupt)?;
        let is_accepted =
            |kind, amount| aggregate.cases.iter().any(|case| case.is_dismissed(kind) && case.amount == Some(amount));
        let is_overdrawn = overdrawn.is_negative() && !is_accepted(CaseKind::Overdrawn, overdrawn);
        let is_unexplained = unexplained.is_positive() && !is_accepted(CaseKind::UnexplainedRefund, unexplained);
        let kinds = [
            (CaseKind::UnappliedCash, undecided, undecided.is_positive()),
            (CaseKind::Overdrawn, overdrawn, is_overdrawn),
            (CaseKind::UnexplainedRefund, unexplained, is_unexplained),
        ];
        for (kind, amount, is_due) in kinds {
            // An earlier update of the case in this batch is out of date.
            let payment_id = aggregate.payment.id;
            self.cases.retain(|case| case.payment_id != payment_id || case.kind != kind);
            let open = aggregate.open_case(kind);
            self.closed.retain(|closed| open.is_none_or(|case| case.id != closed.id));
            match open {
                Some(case) if !is_due => self.close_case(case.id, Resolution::Settled),
                Some(case) if case.amount == Some(amount) => {}
                _ if is_due => {
                    let reason = match kind {
                        CaseKind::UnexplainedRefund => records::unexplained_refund(),
                        _ => records::unapplied_cash_reason(kind, open, movements),
                    };
                    self.open_case(aggregate, kind, Some(amount), reason);
                }
                _ => {}
            }
        }
        self.reduce_pins(aggregate, entitled.net)
    }

    /// Reduces dismissed unapplied cash that went back; cash received later is not covered by the dismissal.
    fn reduce_pins(&mut self, aggregate: &PaymentAggregate, like: Money) -> Result<(), StoreError> {
        let surplus = aggregate.funds.surplus(like).map_err(|error| aggregate.corrupt(error))?;
        let mut left = surplus.or_zero();
        for case in &aggregate.cases {
            let Some(amount) = case.kept.filter(|amount| amount.currency() == left.currency()) else { continue };
            let kept = amount.smaller(left).map_err(|error| aggregate.corrupt(error))?;
            left = left.checked_sub(kept).map_err(|error| aggregate.corrupt(error))?;
            if kept != amount {
                self.pins.push((case.id, kept));
            }
        }
        Ok(())
    }

    /// Opens a case or updates the open one of its kind. Returns the id that a new case gets.
    pub(crate) fn open_case(
        &mut self,
        aggregate: &PaymentAggregate,
        kind: CaseKind,
        amount: Option<Money>,
        reason: String,
    ) -> CaseId {
        let payment_id = aggregate.payment.id;
        // Replaces a case of this batch: the insert takes one row per payment and kind.
        self.cases.retain(|case| case.payment_id != payment_id || case.kind != kind);
        let case = new_case(aggregate, kind, amount, reason);
        let id = case.id;
        self.cases.push(case);
        id
    }

    /// Opens a case about a suspected duplicate, unless staff dismissed it before.
    pub(crate) fn open_duplicate_case(&mut self, aggregate: &PaymentAggregate, other: PaymentId) {
        let is_dismissed =
            |case: &KnownCase| case.is_dismissed(CaseKind::Duplicate) && case.other_payment == Some(other);
        if !aggregate.cases.iter().any(is_dismissed) {
            let case =
                new_case(aggregate, CaseKind::Duplicate, None, format!("one message names this payment and {other}"));
            self.cases.push(NewCase { other_payment: Some(other), ..case });
        }
    }

    /// Counts new cases; the others are updates.
    pub(super) fn count_cases(&mut self, batch: &LockedBatch) {
        let is_open = |new: &NewCase| {
            let is_same = |known: &KnownCase| {
                (known.kind, known.other_payment) == (new.kind, new.other_payment) && known.resolution.is_none()
            };
            batch.payments.get(&new.payment_id).is_some_and(|aggregate| aggregate.cases.iter().any(is_same))
        };
        for case in self.cases.iter().filter(|case| !is_open(case)) {
            *self.emitted.figures.cases.entry(case.kind).or_default() += 1;
        }
    }

    pub(super) fn close_case(&mut self, id: CaseId, resolution: Resolution) {
        self.closed.push(ClosedCase { id, resolution, kept: None, decided_by: None, decision_reason: None });
    }

    /// Closes a case by a staff decision rather than as settled.
    pub(crate) fn decide_case(&mut self, case: ClosedCase) {
        self.closed.retain(|closed| closed.id != case.id);
        self.closed.push(case);
    }

    /// Opens a case for a bank return whose original payment is unknown, for staff to find it.
    pub(super) fn open_unassigned_return(
        &mut self,
        aggregate: &PaymentAggregate,
        state: &PaymentState,
        trigger: &Trigger<'_>,
    ) {
        let went = aggregate
            .facts
            .iter()
            .find(|fact| fact.kind == FactKind::Reversal && fact.channel == EvidenceChannel::Bank);
        let Some(went) = went.filter(|_| state.captured.is_none()) else { return };
        let is_known = aggregate.cases.iter().any(|case| case.kind == CaseKind::Overdrawn);
        if !is_known {
            let reason = trigger
                .source_text
                .clone()
                .unwrap_or_else(|| "a bank returned money that matches no known payment".to_owned());
            self.open_case(
                aggregate,
                CaseKind::Overdrawn,
                went.amount.map(|amount| Money::from(amount).negated()),
                reason,
            );
        }
    }

    /// Records on bank statement lines what their money did.
    pub(super) async fn record_upload_lines(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let moved: BTreeSet<PaymentId> = self
            .allocations
            .iter()
            .map(|allocation| allocation.payment_id)
            .chain(self.credits.iter().map(|credit| credit.payment_id))
            .collect();
        upload_lines::record_settled(transaction, &moved.into_iter().collect::<Vec<_>>()).await
    }

    /// Schedules status inquiries for undecided gateway payments, unless the last inquiry was made.
    pub(super) async fn begin_inquiries(
        &self,
        transaction: &mut Transaction,
        batch: &LockedBatch,
    ) -> Result<(), StoreError> {
        let is_given_up = |id: PaymentId| {
            self.cases.iter().any(|case| case.payment_id == id && case.kind == CaseKind::Undecided)
                || batch.payments.get(&id).is_some_and(|aggregate| aggregate.open_case(CaseKind::Undecided).is_some())
        };
        let undecided = self
            .updates
            .iter()
            .filter(|update| update.status.is_undecided() && !update.provider.is_manual() && !is_given_up(update.id));
        let first = |update: &PaymentUpdate| Some((update.id, inquiry::next(update.id, self.now, 0)?.0));
        let asked: Vec<_> = undecided.filter_map(first).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let is_new_attempt = self.new_charge.as_ref().is_some_and(|charge| charge.refusal.is_none());
        inquiries::begin(transaction, &asked, self.now, is_new_attempt).await
    }

    /// Closes the case of a payment that is decided by now.
    pub(super) fn close_undecided(&mut self, aggregate: &PaymentAggregate, status: PaymentStatus) {
        let open = aggregate.open_case(CaseKind::Undecided).filter(|_| !status.is_undecided());
        if let Some(case) = open {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// Closes the case of a claim that is proven by now.
    pub(super) fn close_claimed(&mut self, aggregate: &PaymentAggregate, status: PaymentStatus) {
        if let Some(case) = aggregate.open_case(CaseKind::Claimed).filter(|_| status.is_proven()) {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// Closes the case of a capture entered by hand that another source has proven by now; until approval it is
    /// recorded as a claim. Outflows entered by hand stay open for staff.
    pub(super) fn close_entered(&mut self, aggregate: &PaymentAggregate, state: &PaymentState) {
        let was_proven = aggregate.before.as_ref().is_some_and(|before| before.captured.is_some());
        let is_entry = |fact: &Fact| (fact.kind, fact.channel) == (FactKind::Claim, EvidenceChannel::Staff);
        let is_proven = !was_proven && state.captured.is_some() && aggregate.facts.iter().any(is_entry);
        if let Some(case) = aggregate.open_case(CaseKind::EnteredByHand).filter(|_| is_proven) {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// Opens a case for staff to check a picture, unless it was checked or the payment is proven.
    pub(crate) fn open_picture_case(&mut self, aggregate: &PaymentAggregate, state: &PaymentState) {
        let was_decided =
            aggregate.cases.iter().any(|case| case.kind == CaseKind::Claimed && case.resolution.is_some());
        if !was_decided && !state.status.is_proven() {
            let reason = "a client claims this payment and uploaded an image".to_owned();
            self.open_case(aggregate, CaseKind::Claimed, state.claimed, reason);
        }
    }
}

fn new_case(aggregate: &PaymentAggregate, kind: CaseKind, amount: Option<Money>, reason: String) -> NewCase {
    let id = CaseId::from_uuid(Uuid::now_v7());
    let (payment_id, invoice_id) = (aggregate.payment.id, aggregate.payment.invoices.first().copied());
    NewCase { id, kind, payment_id, invoice_id, other_payment: None, amount, reason }
}
