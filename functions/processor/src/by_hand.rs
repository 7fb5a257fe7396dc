//! Evidence that staff enter: at once up to a limit, above it when a second person approves.

use std::collections::BTreeSet;

use quittance_domain::calendar::day_in;
use quittance_domain::case::{CaseKind, CaseRefusal, may_approve_alone};
use quittance_domain::command::{DecideCase, Evidence};
use quittance_domain::fact::{Fact, FactKind, kept_reason};
use quittance_domain::id::{ClientId, InvoiceId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::settlement::LockedInvoices;
use quittance_store::cases::KnownCase;
use quittance_store::entries_by_hand::{self, EntryByHand};
use quittance_store::facts::{self, NewFact};
use quittance_store::single_person_approvals::{self, SinglePersonApproval};
use quittance_store::{StoreError, Transaction};
use serde_json::json;
use uuid::Uuid;

use crate::decide::StaffCommandExecution;
use crate::identify::identify;
use crate::locked_batch::{LockedBatch, PaymentAggregate};
use crate::settle::{EvidenceInstruction, named_invoices, release_reason_for};

impl<'a> StaffCommandExecution<'a> {
    /// Records evidence entered by staff, or opens a case for a second person's approval.
    pub(crate) async fn enter(&mut self, evidence: &'a Evidence) -> Result<(), StoreError> {
        let (id, mut batch, invoices) = self.identify_entry(evidence).await?;
        batch.lock_invoices(&mut self.transaction, &invoices).await?;
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(()) };
        if let Some(refusal) = refusal(aggregate, evidence)? {
            return self.refuse_entry(evidence, &refusal).await;
        }
        let fact = evidence.fact(invoices);
        let named = if fact.invoices.is_empty() { &aggregate.payment.invoices } else { &fact.invoices };
        let payers = payers(&batch.invoices, named);
        let Some(amount) = fact.amount.map(Money::from) else {
            return Err(aggregate.corrupt(format!("evidence {} has no amount", fact.event_id)));
        };
        let what = format!("{} of {amount} entered by hand", evidence.kind);
        let reason = evidence.reason.clone().unwrap_or_default();
        let mut trigger = self.trigger(&evidence.actor, "payment.evidence_recorded", what, &reason);
        if self.may_approve_alone_today(&evidence.event_id, &evidence.actor, &payers, amount).await? {
            trigger.count_as(fact.kind, fact.happened(), self.changes.zone);
            add(&mut self.transaction, &mut batch, id, fact, evidence).await?;
        } else {
            self.propose(&mut batch, id, evidence, fact.invoices).await?;
            trigger.action = "payment.evidence_proposed";
        }
        self.changes.settle(&mut batch, id, &trigger, None)?;
        self.changes.fill_reopened(&mut self.transaction, &mut batch).await?;
        self.changes.write(&mut self.transaction, &batch).await
    }

    /// Identifies the payment and the invoices, as for evidence of any other source.
    async fn identify_entry(
        &mut self,
        evidence: &Evidence,
    ) -> Result<(PaymentId, LockedBatch, Vec<InvoiceId>), StoreError> {
        let instruction =
            EvidenceInstruction { evidence: evidence.clone(), correlation_id: self.correlation_id.to_owned() };
        let named = named_invoices(&mut self.transaction, &[&instruction]).await?;
        let mut found = identify(&mut self.transaction, &[&instruction], &named).await?;
        let Some(identified) = found.evidence.pop() else {
            return Err(StoreError::corrupt("payments.payments", "evidence belongs to no payment"));
        };
        let batch = LockedBatch::load(&mut self.transaction, found.payments, &found.new).await?;
        Ok((identified.payment_id, batch, identified.invoices))
    }

    /// Opens a case about evidence above the limit. Until approval, a capture counts as a claim, so that reminders
    /// pause and the bank line finds the payment.
    async fn propose(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        evidence: &Evidence,
        invoices: Vec<InvoiceId>,
    ) -> Result<(), StoreError> {
        if evidence.kind == FactKind::Capture {
            let event_id = format!("claim:{}", evidence.event_id);
            let claim = Fact { kind: FactKind::Claim, event_id, ..evidence.fact(invoices.clone()) };
            add(&mut self.transaction, batch, id, claim, evidence).await?;
        }
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(()) };
        let entry = EntryByHand { evidence: evidence.clone(), invoices, returned: aggregate.state()?.returned };
        let amount = evidence.amount.map(Money::from);
        let went_back = release_reason_for(evidence.kind).is_some();
        let amount = if went_back { amount.map(Money::negated) } else { amount };
        let reason = evidence.reason.as_deref().unwrap_or_default();
        let words = format!("{} entered {} by hand: {reason}", evidence.actor, evidence.kind);
        let case = self.changes.open_case(aggregate, CaseKind::EnteredByHand, amount, words);
        entries_by_hand::insert(&mut self.transaction, case, &entry).await
    }

    /// Records evidence that a second person approves, unless outflows were reported meanwhile that may be the same
    /// money.
    pub(crate) async fn approve_entry(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        case: &KnownCase,
        decision: &DecideCase,
    ) -> Result<Result<(), CaseRefusal>, StoreError> {
        let Some(entry) = entries_by_hand::find(&mut self.transaction, case.id).await? else {
            return Err(StoreError::corrupt("payments.entries_by_hand", format!("case {} has no evidence", case.id)));
        };
        if entry.evidence.actor == decision.actor {
            return Ok(Err(CaseRefusal::OwnEntry));
        }
        let Some(aggregate) = batch.payments.get(&id) else { return Ok(Ok(())) };
        let gone = |returned: Option<Money>| returned.filter(|returned| !returned.is_zero());
        if gone(aggregate.state()?.returned) != gone(entry.returned) {
            return Ok(Err(CaseRefusal::Overtaken));
        }
        let fact = entry.evidence.fact(entry.invoices.clone());
        add(&mut self.transaction, batch, id, fact, &entry.evidence).await?;
        Ok(Ok(()))
    }

    /// Whether the actor entered the payment's money by hand, so that somebody else has to decide about its unapplied
    /// cash.
    pub(crate) async fn is_own_entry(&mut self, id: PaymentId, actor: &str) -> Result<bool, StoreError> {
        facts::is_entered_by(&mut self.transaction, id, actor).await
    }

    /// Whether one person may approve the amount alone, given what single persons entered or approved today for each
    /// payer; if so, it is added to their sums.
    pub(crate) async fn may_approve_alone_today(
        &mut self,
        event_id: &str,
        approved_by: &str,
        payers: &BTreeSet<Option<ClientId>>,
        amount: Money,
    ) -> Result<bool, StoreError> {
        let day = day_in(self.changes.zone, self.changes.now);
        let approval =
            |payer: &Option<ClientId>| SinglePersonApproval { event_id, payer: *payer, day, amount, approved_by };
        for payer in payers {
            let sum = single_person_approvals::lock_sum(&mut self.transaction, &approval(payer)).await?;
            let sum = sum.checked_add(amount).map_err(|error| StoreError::corrupt("payments.vouched_alone", error))?;
            if !may_approve_alone(sum) {
                return Ok(false);
            }
        }
        for payer in payers {
            single_person_approvals::insert(&mut self.transaction, &approval(payer)).await?;
        }
        Ok(true)
    }

    async fn refuse_entry(&mut self, evidence: &Evidence, refusal: &str) -> Result<(), StoreError> {
        let after = json!({"kind": evidence.kind, "amount": evidence.amount, "refusal": refusal});
        let subject = evidence.transaction_id.to_string();
        self.audit_refusal("payment.evidence_refused", subject, &evidence.actor, refusal, after).await
    }
}

/// Why evidence about a payment cannot be entered.
fn refusal(aggregate: &PaymentAggregate, evidence: &Evidence) -> Result<Option<String>, StoreError> {
    if aggregate.open_case(CaseKind::EnteredByHand).is_some() {
        return Ok(Some("another entry about the payment waits for a second person".to_owned()));
    }
    let state = aggregate.state()?;
    if evidence.kind == FactKind::Capture && state.captured.is_some() {
        return Ok(Some("the payment is proven already; money beyond it is a payment of its own".to_owned()));
    }
    let is_about_refund = matches!(evidence.kind, FactKind::Refund | FactKind::RefundFailure);
    let requested = aggregate.refunds.iter().map(|request| (request.id.to_string(), Money::from(request.amount)));
    let reported = state.refunds.iter().map(|refund| (refund.movement.clone(), refund.amount));
    let same = requested.chain(reported).find(|(movement, _)| is_about_refund && *movement == evidence.movement);
    Ok(match same {
        Some((movement, amount)) if evidence.amount.map(Money::from) != Some(amount) => {
            Some(format!("refund {movement} is of {amount}"))
        }
        _ => None,
    })
}

/// The clients of the invoices that money is for; none stands for an unknown payer.
pub(crate) fn payers(known: &LockedInvoices, named: &[InvoiceId]) -> BTreeSet<Option<ClientId>> {
    let payers: BTreeSet<_> =
        named.iter().filter_map(|id| known.get(id)).map(|invoice| Some(invoice.client_id())).collect();
    if payers.is_empty() { [None].into() } else { payers }
}

/// Records a fact that staff entered.
async fn add(
    transaction: &mut Transaction,
    batch: &mut LockedBatch,
    id: PaymentId,
    fact: Fact,
    evidence: &Evidence,
) -> Result<(), StoreError> {
    let new = NewFact {
        id: Uuid::now_v7(),
        payment_id: id,
        fact,
        actor: evidence.actor.clone(),
        reason: evidence.reason.as_deref().map(kept_reason),
    };
    let inserted = facts::insert(transaction, std::slice::from_ref(&new)).await?;
    if let Some(aggregate) = batch.payments.get_mut(&id) {
        if inserted.is_empty() {
            return Err(aggregate.corrupt(format!("fact {} is there already", new.fact.event_id)));
        }
        aggregate.facts.push(new.fact);
    }
    Ok(())
}
