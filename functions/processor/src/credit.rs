//! Credit notes on paid invoices: the credited money becomes the client's unapplied cash.

use quittance_domain::command::{CreditUse, ReleaseCredited};
use quittance_domain::event::ReleaseReason;
use quittance_domain::id::PaymentId;
use quittance_domain::money::Money;
use quittance_domain::refund::RefundRequest;
use quittance_store::StoreError;
use serde_json::json;

use crate::changes::Trigger;
use crate::decide::{StaffCommandExecution, takes};
use crate::locked_batch::LockedBatch;

impl<'a> StaffCommandExecution<'a> {
    /// Unapplies what credit notes took off a paid invoice, and refunds or applies this note's share if asked, up to
    /// the payment's unapplied cash.
    pub(crate) async fn release_credited(&mut self, command: &'a ReleaseCredited) -> Result<(), StoreError> {
        let Some(id) = self.find(&command.transaction_id).await? else {
            return self.refuse_release(command, "its payment is unknown").await;
        };
        let mut batch = self.batch(&[id]).await?;
        let mut further = vec![command.invoice_id];
        if let CreditUse::Apply { invoice_id } = command.then {
            further.push(invoice_id);
        }
        batch.lock_invoices(&mut self.transaction, &further).await?;
        let mut trigger = self.trigger(&command.actor, "payment.credited", "credit note".to_owned(), &command.reason);
        trigger.release = ReleaseReason::Credited;
        self.changes.settle(&mut batch, id, &trigger, None)?;
        let left = self.use_credit(&mut batch, id, command, &trigger)?;
        self.changes.write(&mut self.transaction, &batch).await?;
        match left {
            Some(why) => self.refuse_release(command, &why).await,
            None => Ok(()),
        }
    }

    /// Refunds or applies the credit. Returns why that was not possible in full: the rest stays unapplied, or had been
    /// refunded before.
    fn use_credit(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        command: &'a ReleaseCredited,
        trigger: &Trigger<'_>,
    ) -> Result<Option<String>, StoreError> {
        let share = Money::from(command.amount);
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(None) };
        let undecided =
            aggregate.undecided_unapplied_cash()?.filter(|undecided| undecided.currency() == share.currency());
        let usable = undecided.unwrap_or(Money::zero(share.currency())).or_zero().smaller(share);
        let usable = usable.map_err(|error| aggregate.corrupt(error))?;
        let shortfall =
            || (usable != share).then(|| format!("of {share} credited only {usable} is unapplied cash of the payment"));
        match (command.then, usable.positive()) {
            (CreditUse::Keep, _) => Ok(None),
            (_, Err(_)) => Ok(shortfall()),
            (CreditUse::Refund { refund_id }, Ok(amount)) => {
                self.ask_for(aggregate, RefundRequest::of_credit(refund_id, amount), &command.reason, &command.actor);
                self.changes.settle(batch, id, trigger, None)?;
                Ok(shortfall())
            }
            (CreditUse::Apply { invoice_id }, Ok(_)) if takes(batch, id, invoice_id) => {
                self.changes.apply(batch, id, trigger, invoice_id, usable)?;
                Ok(shortfall())
            }
            (CreditUse::Apply { invoice_id }, Ok(_)) => {
                Ok(Some(format!("{invoice_id} accepts no money of the payment any more; the credit waits in a case")))
            }
        }
    }

    async fn refuse_release(&mut self, command: &ReleaseCredited, refusal: &str) -> Result<(), StoreError> {
        let subject = command.invoice_id.to_string();
        let after = json!({"transaction_id": command.transaction_id, "refusal": refusal});
        self.audit_refusal("payment.credit_refused", subject, &command.actor, refusal, after).await
    }
}
