//! Carries out staff commands, each in a transaction of its own.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use quittance_domain::calendar::day_in;
use quittance_domain::case::{CaseDecision, CaseKind, CaseRefusal, Resolution};
use quittance_domain::command::{DecideCase, RequestRefund};
use quittance_domain::event::ReleaseReason;
use quittance_domain::id::{AuditId, InvoiceId, PaymentId, RefundId, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::refund::{RefundRequest, RefundStatus};
use quittance_domain::refund_reason::RefundTerms;
use quittance_domain::settlement;
use quittance_store::audit::{AuditRecord, Json};
use quittance_store::cases::{self, ClosedCase, KnownCase};
use quittance_store::decisions::{self, RecordedRequest};
use quittance_store::payments::KnownPayment;
use quittance_store::refunds::NewRefund;
use quittance_store::retry::TransactionRetries;
use quittance_store::{Database, StoreError, Transaction, audit, references, refund_terms};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::changes::{BatchChanges, Trigger};
use crate::emitted_events::EmittedEvents;
use crate::identify::{lock_unmerged, take};
use crate::locked_batch::{LockedBatch, PaymentAggregate};
pub use crate::staff_command::{StaffCommand, StaffInstruction};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaffCommandResult {
    /// It was carried out or refused, now or before, with the messages committed now.
    Committed(EmittedEvents),
    /// The request's name belongs to another request, which stands. Nothing has changed.
    OtherContent,
}

/// Carries a command out once, however often it is delivered. A refusal is recorded with its reason.
///
/// # Errors
/// [`StoreError`]; nothing has changed then.
pub async fn decide(
    database: &Database,
    decision: &StaffInstruction,
    now: DateTime<Tz>,
) -> Result<StaffCommandResult, StoreError> {
    let mut attempts = TransactionRetries::new();
    loop {
        match attempt(database, decision, now).await {
            Ok(decided) => return Ok(decided),
            Err(error) => attempts.pause(error).await?,
        }
    }
}

async fn attempt(
    database: &Database,
    decision: &StaffInstruction,
    now: DateTime<Tz>,
) -> Result<StaffCommandResult, StoreError> {
    match prepare(database.begin().await?, decision, now).await? {
        PreparedCommand::Written(transaction, emitted) => {
            transaction.commit().await?;
            Ok(StaffCommandResult::Committed(emitted))
        }
        PreparedCommand::Known => Ok(StaffCommandResult::Committed(EmittedEvents::default())),
        PreparedCommand::OtherContent => Ok(StaffCommandResult::OtherContent),
    }
}

/// The outcome of a command before the commit.
pub(crate) enum PreparedCommand {
    Written(Transaction, EmittedEvents),
    /// The command was carried out or refused before.
    Known,
    /// The request's name belongs to another request, which stands.
    OtherContent,
}

/// Locks, loads, decides and writes; the caller commits.
pub(crate) async fn prepare(
    mut transaction: Transaction,
    decision: &StaffInstruction,
    now: DateTime<Tz>,
) -> Result<PreparedCommand, StoreError> {
    let (request, subject, content) = decision
        .command
        .request()
        .map_err(|error| StoreError::Corrupt { table: "payments.decisions", reason: error.to_string() })?;
    match decisions::record(&mut transaction, &request, &subject, &content).await? {
        RecordedRequest::New => {}
        RecordedRequest::Known => return Ok(PreparedCommand::Known),
        RecordedRequest::OtherContent => return Ok(PreparedCommand::OtherContent),
    }
    let mut deciding = StaffCommandExecution {
        transaction,
        changes: BatchChanges::new(now),
        correlation_id: &decision.correlation_id,
        decided_on: day_in(now.timezone(), decision.decided_at),
    };
    match &decision.command {
        StaffCommand::Entry(evidence) => deciding.enter(evidence).await?,
        StaffCommand::Refund(command) => deciding.refund(command).await?,
        StaffCommand::Credit(command) => deciding.release_credited(command).await?,
        StaffCommand::Case(command) => deciding.case(command).await?,
        StaffCommand::Merge(command) => deciding.merge(command).await?,
        StaffCommand::Unmatch(command) => deciding.unmatch(command).await?,
        StaffCommand::Charge(command) => deciding.charge(command).await?,
        StaffCommand::Escalation(command) => deciding.escalate(command).await?,
    }
    Ok(PreparedCommand::Written(deciding.transaction, deciding.changes.emitted))
}

/// A command in progress.
pub(crate) struct StaffCommandExecution<'a> {
    pub(crate) transaction: Transaction,
    pub(crate) changes: BatchChanges,
    pub(crate) correlation_id: &'a str,
    /// The accounting date of the decision.
    pub(crate) decided_on: NaiveDate,
}

impl<'a> StaffCommandExecution<'a> {
    async fn refund(&mut self, command: &'a RequestRefund) -> Result<(), StoreError> {
        let mut batch = match self.find(&command.transaction_id).await? {
            Some(id) => self.batch(&[id]).await?,
            None => self.add(&command.transaction_id).await?,
        };
        let Some(aggregate) = batch.payments.values_mut().next() else { return Ok(()) };
        let id = aggregate.payment.id;
        let request = RefundRequest {
            id: command.refund_id,
            amount: command.amount,
            status: RefundStatus::Waiting,
            terms: command.terms,
        };
        self.ask_for(aggregate, request, &command.reason, &command.actor);
        batch.lock_invoices(&mut self.transaction, &[]).await?;
        let trigger = self.trigger(
            &command.actor,
            "payment.refund_requested",
            format!("refund of {}", command.amount),
            &command.reason,
        );
        self.changes.settle(&mut batch, id, &trigger, None)?;
        self.changes.write(&mut self.transaction, &batch).await
    }

    /// Records the reason of a payment's unexplained refunds.
    async fn classify(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        terms: RefundTerms,
        command: &DecideCase,
    ) -> Result<(), StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
        let refunds = aggregate.state()?.refunds.into_iter().filter(|refund| !refund.failed);
        let unexplained = refunds.filter(|refund| aggregate.terms.get(&refund.movement).is_unexplained());
        let movements: Vec<String> = unexplained.map(|refund| refund.movement).collect();
        refund_terms::insert(&mut self.transaction, id, &movements, terms, &command.actor, &command.reason).await?;
        for movement in movements {
            aggregate.terms.insert(movement, terms);
        }
        Ok(())
    }

    async fn case(&mut self, command: &'a DecideCase) -> Result<(), StoreError> {
        let Some(id) = self.find(&command.transaction_id).await? else {
            return self.refuse_case(command, &CaseRefusal::Closed(Resolution::Merged)).await;
        };
        let mut batch = self.batch(&[id]).await?;
        let further: Vec<InvoiceId> = match command.decision {
            CaseDecision::Apply { invoice_id } => vec![invoice_id],
            CaseDecision::Refund | CaseDecision::Dismiss | CaseDecision::Approve | CaseDecision::Classify { .. } => {
                vec![]
            }
        };
        batch.lock_invoices(&mut self.transaction, &further).await?;
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(()) };
        let Some(case) = aggregate.cases.iter().find(|case| case.id == command.case_id).cloned() else {
            // Its payment was merged into this one and the case was closed with it.
            return self.refuse_case(command, &CaseRefusal::Closed(Resolution::Merged)).await;
        };
        if let Some(refusal) = refusal_of(&case, command) {
            return self.refuse_case(command, &refusal).await;
        }
        let moves_unapplied_cash = matches!(command.decision, CaseDecision::Apply { .. } | CaseDecision::Refund);
        if moves_unapplied_cash && self.is_own_entry(id, &command.actor).await? {
            return self.refuse_case(command, &CaseRefusal::OwnEntry).await;
        }
        if case.kind == CaseKind::Undecided && command.decision == CaseDecision::Dismiss {
            self.give_up(&mut batch, id, command).await?;
        }
        if let CaseDecision::Classify { terms } = command.decision {
            self.classify(&mut batch, id, terms, command).await?;
        }
        if command.decision == CaseDecision::Approve {
            let approved = match case.kind {
                CaseKind::EnteredByHand => self.approve_entry(&mut batch, id, &case, command).await?,
                _ => self.approve(&mut batch, id, &case, command).await?,
            };
            if let Err(refusal) = approved {
                return self.refuse_case(command, &refusal).await;
            }
        }
        match self.decide_case(&mut batch, id, &case, command)? {
            Ok(()) => {
                self.changes.fill_reopened(&mut self.transaction, &mut batch).await?;
                self.changes.write(&mut self.transaction, &batch).await
            }
            Err(refusal) => self.refuse_case(command, &refusal).await,
        }
    }

    fn decide_case(
        &mut self,
        batch: &mut LockedBatch,
        id: PaymentId,
        case: &KnownCase,
        command: &'a DecideCase,
    ) -> Result<Result<(), CaseRefusal>, StoreError> {
        let Some(aggregate) = batch.payments.get_mut(&id) else { return Ok(Ok(())) };
        let mut closed = ClosedCase {
            id: case.id,
            resolution: command.decision.resolution(),
            kept: None,
            decided_by: Some(command.actor.clone()),
            decision_reason: Some(command.reason.clone()),
        };
        let mut to = None;
        match command.decision {
            CaseDecision::Apply { invoice_id } => {
                if !takes(batch, id, invoice_id) {
                    return Ok(Err(CaseRefusal::NotApplicable(invoice_id)));
                }
                to = Some(invoice_id);
            }
            CaseDecision::Refund => {
                let Some(request) =
                    aggregate.undecided_unapplied_cash()?.and_then(|undecided| refund_of(case, undecided, command))
                else {
                    return Ok(Err(CaseRefusal::NothingToMove(case.kind)));
                };
                self.ask_for(aggregate, request, &command.reason, &command.actor);
            }
            CaseDecision::Approve | CaseDecision::Classify { .. } => {}
            CaseDecision::Dismiss => {
                if let Some(dismissed) = aggregate.cases.iter_mut().find(|dismissed| dismissed.id == case.id) {
                    dismissed.dismiss();
                    closed.kept = dismissed.kept;
                }
            }
        }
        let what = format!("{} case {}", case.kind, command.decision.resolution());
        let mut trigger = self.trigger(&command.actor, "case.decided", what, &command.reason);
        if case.kind == CaseKind::UnexplainedRefund {
            trigger.release = ReleaseReason::Refunded;
        }
        if case.kind == CaseKind::EnteredByHand
            && command.decision == CaseDecision::Approve
            && let Some(entered) = batch.payments.get(&id).and_then(|aggregate| aggregate.facts.last())
        {
            trigger.count_as(entered.kind, entered.happened(), self.changes.zone);
        }
        self.changes.settle(batch, id, &trigger, to)?;
        if !is_left_over(batch, id, case.kind)? {
            self.changes.decide_case(closed);
        }
        Ok(Ok(()))
    }

    async fn refuse_case(&mut self, command: &DecideCase, refusal: &CaseRefusal) -> Result<(), StoreError> {
        cases::refuse(&mut self.transaction, command.case_id, &refusal.to_string()).await?;
        let after = json!({"decision": command.decision, "refusal": refusal.to_string()});
        let subject = command.case_id.to_string();
        self.audit_refusal("case.decision_refused", subject, &command.actor, &refusal.to_string(), after).await
    }

    pub(crate) async fn audit_refusal(
        &mut self,
        action: &'static str,
        subject: String,
        actor: &str,
        refusal: &str,
        after: Value,
    ) -> Result<(), StoreError> {
        let record = AuditRecord {
            id: AuditId::from_uuid(Uuid::now_v7()),
            actor: actor.to_owned(),
            action,
            subject,
            reason: refusal.to_owned(),
            before: Json::serialize(&()),
            after: Json::serialize(&after),
            correlation_id: self.correlation_id.to_owned(),
        };
        audit::append(&mut self.transaction, &[record]).await
    }

    pub(crate) async fn find(&mut self, name: &TransactionId) -> Result<Option<PaymentId>, StoreError> {
        let known = references::find(&mut self.transaction, std::slice::from_ref(name), &[]).await?;
        Ok(known.names.get(name).copied())
    }

    pub(crate) async fn batch(&mut self, ids: &[PaymentId]) -> Result<LockedBatch, StoreError> {
        let locked = lock_unmerged(&mut self.transaction, ids).await?;
        LockedBatch::load(&mut self.transaction, locked, &Default::default()).await
    }

    /// Adds a payment: a refund may be requested before any evidence of it.
    pub(crate) async fn add(&mut self, name: &TransactionId) -> Result<LockedBatch, StoreError> {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        take(&mut self.transaction, &[(name.clone(), id)]).await?;
        let payment = KnownPayment::new(id, name.clone(), name.provider());
        LockedBatch::load(&mut self.transaction, vec![payment], &[id].into()).await
    }

    pub(crate) fn ask_for(
        &mut self,
        aggregate: &mut PaymentAggregate,
        request: RefundRequest,
        reason: &str,
        actor: &str,
    ) {
        self.changes.new_refund = Some(NewRefund {
            request: request.clone(),
            payment_id: aggregate.payment.id,
            reason: reason.to_owned(),
            requested_by: actor.to_owned(),
            refusal: None,
        });
        aggregate.terms.insert(request.id.to_string(), request.terms);
        aggregate.refunds.push(request);
    }

    pub(crate) fn trigger(&self, actor: &'a str, action: &'static str, what: String, reason: &str) -> Trigger<'a> {
        Trigger {
            actor,
            action,
            reason: format!("{what} ({reason})"),
            release: ReleaseReason::Corrected,
            is_proof: false,
            accounted_on: self.decided_on,
            source_text: None,
            correlation_id: self.correlation_id,
        }
    }
}

/// Why a case cannot be decided this way, checked before anything is recorded.
fn refusal_of(case: &KnownCase, command: &DecideCase) -> Option<CaseRefusal> {
    if let Some(resolution) = case.resolution {
        return Some(CaseRefusal::Closed(resolution));
    }
    if let Err(refusal) = command.decision.fits(case.kind) {
        return Some(refusal);
    }
    let shown = case.amount.map(|amount| if amount.is_negative() { amount.negated() } else { amount });
    let seen = command.amount.filter(|seen| shown != Some(Money::from(*seen)));
    seen.map(CaseRefusal::Changed)
}

/// The refund of a case's unapplied cash; its id is the same for every delivery of the command.
fn refund_of(case: &KnownCase, undecided: Money, command: &DecideCase) -> Option<RefundRequest> {
    let amount = undecided.positive().ok()?;
    let id = RefundId::from_uuid(Uuid::new_v5(&case.id.as_uuid(), command.request.as_bytes()));
    Some(RefundRequest::of_credit(id, amount))
}

/// Whether unapplied cash of the payment may be applied to an invoice: it is open, in the same currency, and of the
/// client who owns the cash. Suspense may be applied to any client's invoice.
pub(crate) fn takes(batch: &LockedBatch, id: PaymentId, invoice_id: InvoiceId) -> bool {
    let (Some(aggregate), Some(invoice)) = (batch.payments.get(&id), batch.invoices.get(&invoice_id)) else {
        return false;
    };
    let is_open = invoice.is_payable() && invoice.outstanding().is_ok_and(|left| left.is_positive());
    let fits = |credit: &settlement::UnappliedCash| {
        credit.amount.currency() == invoice.total().currency()
            && credit.client_id.is_none_or(|client_id| client_id == invoice.client_id())
    };
    is_open && aggregate.funds.credits.iter().any(fits)
}

/// Whether unapplied cash is left to decide about.
fn is_left_over(batch: &LockedBatch, id: PaymentId, kind: CaseKind) -> Result<bool, StoreError> {
    let Some(aggregate) = batch.payments.get(&id).filter(|_| kind == CaseKind::UnappliedCash) else { return Ok(false) };
    Ok(aggregate.undecided_unapplied_cash()?.is_some_and(Money::is_positive))
}
