//! Refund decisions and funds movements, recorded for the tables and the outbox.

use quittance_domain::id::{AllocationId, AuditId, PaymentId};
use quittance_domain::invoice::Invoice;
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentState;
use quittance_domain::refund::{self, RefundStatus};
use quittance_domain::settlement::FundsMovement;
use quittance_store::StoreError;
use quittance_store::allocations::NewAllocation;
use quittance_store::credits::NewCredit;
use quittance_store::goodwill::NewGoodwill;
use uuid::Uuid;

use super::{BatchChanges, InvoiceRelease};
use crate::event_builder::EventBuilder;
use crate::locked_batch::{LockedBatch, PaymentAggregate};
use crate::records;

impl BatchChanges {
    /// Decides waiting refunds, and records the reported outcome of others.
    pub(super) fn decide_refunds(
        &mut self,
        aggregate: &mut PaymentAggregate,
        state: &PaymentState,
        builder: &EventBuilder<'_>,
    ) -> Result<(), StoreError> {
        if aggregate.refunds.is_empty() {
            return Ok(());
        }
        let decided = refund::decide(&mut aggregate.refunds, state);
        let decided = decided.map_err(|error| aggregate.corrupt(error))?;
        for (index, refusal) in decided {
            let Some(request) = aggregate.refunds.get(index) else { continue };
            let refusal = refusal.map(|refusal| refusal.to_string());
            match self.new_refund.as_mut().filter(|new| new.request.id == request.id) {
                Some(new) => (new.request.status, new.refusal) = (request.status, refusal.clone()),
                None => self.refunds.push((request.id, request.status, refusal.clone())),
            }
            let audit_id = AuditId::from_uuid(Uuid::now_v7());
            self.audit.push(records::refund(aggregate, request, refusal.as_deref(), builder, audit_id));
            if let Some(reason) = refusal {
                self.emitted.events.extend(builder.refund_refused(request, reason, audit_id)?);
            } else if request.status == RefundStatus::Requested {
                self.emitted.commands.extend(builder.initiate_refund(request)?);
            }
        }
        Ok(())
    }

    /// Records funds movements for the tables and the outbox.
    pub(super) fn record_movements(
        &mut self,
        batch: &LockedBatch,
        aggregate: &PaymentAggregate,
        movements: &[FundsMovement],
        builder: &EventBuilder<'_>,
    ) -> Result<(), StoreError> {
        let payment_id = aggregate.payment.id;
        for movement in movements {
            self.emitted.figures.moved(movement);
            match movement {
                FundsMovement::Allocated { invoice, amount, by_staff } => {
                    self.allocate(payment_id, invoice, *amount, *by_staff);
                }
                FundsMovement::Released { invoice, amount, by_staff } => {
                    self.allocate(payment_id, invoice, amount.negated(), *by_staff);
                    let correlation_id = builder.trigger.correlation_id.to_owned();
                    self.released
                        .insert(invoice.id(), InvoiceRelease { correlation_id, accounted_on: builder.accounted_on });
                }
                FundsMovement::Unapplied { invoice, amount, by_staff } => {
                    self.allocate(payment_id, invoice, amount.negated(), *by_staff);
                }
                FundsMovement::Credited { client_id, amount, reason } => {
                    let (id, reason) = (Uuid::now_v7(), reason.as_str());
                    self.credits.push(NewCredit { id, payment_id, client_id: *client_id, amount: *amount, reason });
                }
                FundsMovement::Debited { client_id, amount } => {
                    let (id, reason, amount) = (Uuid::now_v7(), builder.release(movements).as_str(), amount.negated());
                    self.credits.push(NewCredit { id, payment_id, client_id: *client_id, amount, reason });
                }
            }
        }
        self.emitted.events.extend(builder.movements(batch, movements)?);
        Ok(())
    }

    /// Records the change in goodwill refunds.
    pub(super) fn record_goodwill(
        &mut self,
        aggregate: &PaymentAggregate,
        after: Option<&PaymentState>,
    ) -> Result<(), StoreError> {
        let given = |state: Option<&PaymentState>| state.and_then(|state| state.goodwill);
        let (before, after) = (given(aggregate.before.as_ref()), given(after));
        let Some(currency) = after.or(before).map(Money::currency) else { return Ok(()) };
        let sum =
            |given: Option<Money>| given.filter(|sum| sum.currency() == currency).unwrap_or(Money::zero(currency));
        let amount = sum(after).checked_sub(sum(before)).map_err(|error| aggregate.corrupt(error))?;
        if !amount.is_zero() {
            self.goodwill.push(NewGoodwill { id: Uuid::now_v7(), payment_id: aggregate.payment.id, amount });
        }
        Ok(())
    }

    fn allocate(&mut self, payment_id: PaymentId, invoice: &Invoice, amount: Money, by_staff: bool) {
        let id = AllocationId::from_uuid(Uuid::now_v7());
        let (invoice_id, invoice_version) = (invoice.id(), invoice.version());
        self.allocations.push(NewAllocation { id, payment_id, invoice_id, invoice_version, amount, by_staff });
        self.touched.insert(invoice.id());
    }
}
