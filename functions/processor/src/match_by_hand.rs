//! Staff decisions about matches: releasing a payment from an invoice, and approving a claim.

use quittance_domain::case::CaseRefusal;
use quittance_domain::command::{DecideCase, UnmatchPayment};
use quittance_domain::fact::{EvidenceChannel, Fact, FactKind, kept_reason};
use quittance_domain::id::PaymentId;
use quittance_store::cases::KnownCase;
use quittance_store::facts::{self, NewFact};
use quittance_store::{StoreError, approvals, exclusions};
use serde_json::json;
use uuid::Uuid;

use crate::by_hand::payers;
use crate::decide::StaffCommandExecution;
use crate::locked_batch::LockedBatch;

impl<'a> StaffCommandExecution<'a> {
    /// Releases a payment from an invoice for good. Other payments of the invoice stay as they are, but their
    /// unapplied cash may pay what is open again.
    pub(crate) async fn unmatch(&mut self, command: &'a UnmatchPayment) -> Result<(), StoreError> {
        let Some(id) = self.find(&command.transaction_id).await? else {
            return self.refuse_unmatch(command, "the payment is unknown").await;
        };
        let mut batch = self.batch(&[id]).await?;
        batch.lock_invoices(&mut self.transaction, &[]).await?;
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
        let is_named = aggregate.state()?.invoices.contains(&command.invoice_id);
        let has_money = aggregate.funds.allocations.iter().any(|held| held.invoice_id == command.invoice_id);
        if !is_named && !has_money {
            return self.refuse_unmatch(command, "the payment does not pay that invoice").await;
        }
        aggregate.excluded.insert(command.invoice_id);
        exclusions::insert(&mut self.transaction, id, command.invoice_id, &command.actor, &command.reason).await?;
        let what = format!("it does not pay {}", command.invoice_id);
        let trigger = self.trigger(&command.actor, "payment.unmatched", what, &command.reason);
        self.changes.unmatch(&mut batch, id, &trigger, command.invoice_id)?;
        self.changes.fill_reopened(&mut self.transaction, &mut batch).await?;
        self.changes.write(&mut self.transaction, &batch).await
    }

    async fn refuse_unmatch(&mut self, command: &UnmatchPayment, refusal: &str) -> Result<(), StoreError> {
        let after = json!({"invoice": command.invoice_id, "refusal": refusal});
        let subject = command.transaction_id.to_string();
        self.audit_refusal("payment.unmatch_refused", subject, &command.actor, refusal, after).await
    }

    /// Approves a claim as proof, if enough people agree. A later bank line is better evidence of the same money.
    pub(crate) async fn approve(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        case: &KnownCase,
        command: &'a DecideCase,
    ) -> Result<Result<(), CaseRefusal>, StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(Ok(())) };
        let Some(amount) = case.amount.and_then(|amount| amount.positive().ok()) else { return Ok(Ok(())) };
        // The amount that staff approved must still be the claimed one.
        let is_said = aggregate.state()?.claimed == Some(amount.into());
        if !is_said || command.amount.is_some_and(|seen| seen != amount) {
            return Ok(Err(CaseRefusal::Changed(command.amount.unwrap_or(amount))));
        }
        if approvals::has_uploaded(&mut self.transaction, id, &command.actor).await? {
            return Ok(Err(CaseRefusal::OwnUpload));
        }
        let event_id = format!("{}:approval", command.case_id);
        let people = approvals::record(&mut self.transaction, command.case_id, amount.into(), &command.actor).await?;
        if people < 2 {
            let payers = payers(&batch.invoices, &aggregate.payment.invoices);
            if !self.may_approve_alone_today(&event_id, &command.actor, &payers, amount.into()).await? {
                return Ok(Err(CaseRefusal::SecondPerson));
            }
        }
        let approval = NewFact {
            id: Uuid::now_v7(),
            payment_id: id,
            fact: Fact {
                kind: FactKind::Capture,
                amount: Some(amount),
                channel: EvidenceChannel::Staff,
                transaction_id: Some(aggregate.payment.transaction_id.clone()),
                origin: None,
                event_id,
                movement: aggregate.payment.transaction_id.to_string(),
                invoices: aggregate.payment.invoices.clone(),
                occurred_at: self.changes.now,
            },
            actor: command.actor.clone(),
            reason: Some(kept_reason(&command.reason)),
        };
        facts::insert(&mut self.transaction, std::slice::from_ref(&approval)).await?;
        aggregate.facts.push(approval.fact);
        Ok(Ok(()))
    }
}
