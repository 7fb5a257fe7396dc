//! Merges duplicate payments.

use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::command::MergePayments;
use quittance_domain::event::ReleaseReason;
use quittance_domain::fact::Fact;
use quittance_domain::id::PaymentId;
use quittance_domain::payment::PaymentStatus;
use quittance_domain::refund::RefundStatus;
use quittance_store::cases::{ClosedCase, KnownCase};
use quittance_store::payments::{self, PaymentUpdate};
use quittance_store::{StoreError, exclusions};
use serde_json::json;

use crate::decide::StaffCommandExecution;
use crate::locked_batch::{LockedBatch, PaymentAggregate};

impl<'a> StaffCommandExecution<'a> {
    /// Merges a duplicate into the payment that stays.
    pub(crate) async fn merge(&mut self, command: &'a MergePayments) -> Result<(), StoreError> {
        let (kept, duplicate) = (self.find(&command.transaction_id).await?, self.find(&command.duplicate).await?);
        let (Some(kept), Some(duplicate)) = (kept, duplicate) else {
            let refusal = "one of the two payments is unknown";
            return self.refuse_merge(command, refusal).await;
        };
        if kept == duplicate {
            return Ok(());
        }
        let mut batch = self.batch(&[kept, duplicate]).await?;
        let Some(other) = batch.payments.get(&duplicate) else { return Ok(()) };
        let under_way = [RefundStatus::Waiting, RefundStatus::Requested];
        if other.refunds.iter().any(|request| under_way.contains(&request.status)) {
            return self.refuse_merge(command, "a refund of the duplicate is under way; merge when it is done").await;
        }
        batch.lock_invoices(&mut self.transaction, &[]).await?;
        let waits = |aggregate: &PaymentAggregate| aggregate.open_case(CaseKind::EnteredByHand).is_some();
        if batch.payments.get(&duplicate).is_some_and(waits) {
            let refusal = "an entry about the duplicate waits for a second person; decide its case first";
            return self.refuse_merge(command, refusal).await;
        }
        let what = format!("{} is the same money", command.duplicate);
        let mut trigger = self.trigger(&command.actor, "payment.merged", what, &command.reason);
        trigger.release = ReleaseReason::Merged;
        self.changes.withdraw(&mut batch, duplicate, &trigger)?;
        self.join(&mut batch, kept, duplicate);
        exclusions::inherit(&mut self.transaction, kept, duplicate).await?;
        payments::merge(&mut self.transaction, kept, duplicate).await?;
        self.changes.settle(&mut batch, kept, &trigger, None)?;
        self.changes.fill_reopened(&mut self.transaction, &mut batch).await?;
        self.changes.write(&mut self.transaction, &batch).await
    }

    /// Moves the duplicate's evidence to the payment that stays.
    fn join(&mut self, batch: &mut LockedBatch, kept: PaymentId, duplicate: PaymentId) {
        let Some(other) = batch.payments.remove(&duplicate) else { return };
        let provider = other.payment.provider.clone();
        if let Some(aggregate) = batch.payments.get_mut(&kept) {
            let with_origin = |fact: Fact| Fact { origin: fact.origin.or(Some(duplicate)), ..fact };
            aggregate.facts.extend(other.facts.into_iter().map(with_origin));
            aggregate.excluded.extend(other.excluded);
            aggregate.terms.merge(other.terms);
            let is_about_duplicate =
                |case: &&KnownCase| case.resolution.is_none() && case.other_payment == Some(duplicate);
            for case in aggregate.cases.iter().filter(is_about_duplicate) {
                self.changes.decide_case(ClosedCase {
                    id: case.id,
                    resolution: Resolution::Merged,
                    kept: None,
                    decided_by: None,
                    decision_reason: None,
                });
            }
        }
        self.changes.update(PaymentUpdate {
            id: duplicate,
            provider,
            status: PaymentStatus::Pending,
            amount: None,
            returned: None,
            client_id: None,
            invoices: Vec::new(),
        });
    }

    async fn refuse_merge(&mut self, command: &MergePayments, refusal: &str) -> Result<(), StoreError> {
        let after = json!({"twin": command.duplicate, "refusal": refusal});
        let subject = command.transaction_id.to_string();
        self.audit_refusal("payment.merge_refused", subject, &command.actor, refusal, after).await
    }
}
