//! What cases a payment has, after what changed.

use std::collections::BTreeSet;

use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::fact::{EvidenceChannel, Fact, FactKind};
use quittance_domain::id::{CaseId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::payment::{PaymentState, PaymentStatus};
use quittance_domain::question;
use quittance_domain::settlement::{self, Entitlement, FundsMovement};
use quittance_store::cases::{ClosedCase, KnownCase, NewCase};
use quittance_store::payments::PaymentUpdate;
use quittance_store::{StoreError, Transaction, questions, upload_lines};
use uuid::Uuid;

use super::{BatchChanges, Trigger};
use crate::ground::{LockedBatch, PaymentAggregate};
use crate::records;

impl BatchChanges {
    /// Opens, adjusts and closes cases so that they say what there is to decide about surplus.
    pub(super) fn reconcile_cases(
        &mut self,
        dossier: &PaymentAggregate,
        state: &PaymentState,
        entitled: &Entitlement,
        movements: &[FundsMovement],
    ) -> Result<(), StoreError> {
        let corrupt = |error| dossier.corrupt(error);
        let loose = settlement::loose_surplus(entitled, &dossier.funds).map_err(corrupt)?;
        let unexplained = state.unexplained.unwrap_or(Money::zero(loose.currency()));
        // What refunds took that somebody still has to explain is a case of its own.
        let overdrawn = loose.checked_add(unexplained).map_err(corrupt)?;
        let is_accepted =
            |kind, amount| dossier.cases.iter().any(|case| case.is_dismissed(kind) && case.amount == Some(amount));
        let is_overdrawn = overdrawn.is_negative() && !is_accepted(CaseKind::Overdrawn, overdrawn);
        let is_unexplained = unexplained.is_positive() && !is_accepted(CaseKind::UnexplainedRefund, unexplained);
        let kinds = [
            (CaseKind::Surplus, loose, loose.is_positive()),
            (CaseKind::Overdrawn, overdrawn, is_overdrawn),
            (CaseKind::UnexplainedRefund, unexplained, is_unexplained),
        ];
        for (kind, amount, is_due) in kinds {
            // What this batch said of the case before is out of date.
            let payment_id = dossier.payment.id;
            self.cases.retain(|case| case.payment_id != payment_id || case.kind != kind);
            let open = dossier.open_case(kind);
            self.closed.retain(|closed| open.is_none_or(|case| case.id != closed.id));
            match open {
                Some(case) if !is_due => self.close_case(case.id, Resolution::Settled),
                Some(case) if case.amount == Some(amount) => {}
                _ if is_due => {
                    let reason = match kind {
                        CaseKind::UnexplainedRefund => records::unexplained_refund(),
                        _ => records::surplus_reason(kind, open, movements),
                    };
                    self.open_case(dossier, kind, Some(amount), reason);
                }
                _ => {}
            }
        }
        self.reduce_pins(dossier, entitled.net)
    }

    /// Surplus that staff left where it is may go back all the same; what comes later is not theirs any more.
    fn reduce_pins(&mut self, dossier: &PaymentAggregate, like: Money) -> Result<(), StoreError> {
        let surplus = dossier.funds.surplus(like).map_err(|error| dossier.corrupt(error))?;
        let mut left = surplus.or_zero();
        for case in &dossier.cases {
            let Some(amount) = case.kept.filter(|amount| amount.currency() == left.currency()) else { continue };
            let kept = amount.smaller(left).map_err(|error| dossier.corrupt(error))?;
            left = left.checked_sub(kept).map_err(|error| dossier.corrupt(error))?;
            if kept != amount {
                self.pins.push((case.id, kept));
            }
        }
        Ok(())
    }

    /// Opens a case, or brings the open one of its kind up to date. Answers its id, if it is new.
    pub(crate) fn open_case(
        &mut self,
        dossier: &PaymentAggregate,
        kind: CaseKind,
        amount: Option<Money>,
        reason: String,
    ) -> CaseId {
        let payment_id = dossier.payment.id;
        // A case of this batch is replaced: the table takes one row per payment and kind.
        self.cases.retain(|case| case.payment_id != payment_id || case.kind != kind);
        let case = new_case(dossier, kind, amount, reason);
        let id = case.id;
        self.cases.push(case);
        id
    }

    /// Opens a case about a payment that may be the same money, unless staff have said that it is not.
    pub(crate) fn open_duplicate_case(&mut self, dossier: &PaymentAggregate, other: PaymentId) {
        let is_dismissed =
            |case: &KnownCase| case.is_dismissed(CaseKind::Duplicate) && case.other_payment == Some(other);
        if !dossier.cases.iter().any(is_dismissed) {
            let case =
                new_case(dossier, CaseKind::Duplicate, None, format!("one message names this payment and {other}"));
            self.cases.push(NewCase { other_payment: Some(other), ..case });
        }
    }

    /// Counts the cases that are new: others are brought up to date.
    pub(super) fn count_cases(&mut self, ground: &LockedBatch) {
        let is_open = |new: &NewCase| {
            let is_same = |known: &KnownCase| {
                (known.kind, known.other_payment) == (new.kind, new.other_payment) && known.resolution.is_none()
            };
            ground.payments.get(&new.payment_id).is_some_and(|dossier| dossier.cases.iter().any(is_same))
        };
        for case in self.cases.iter().filter(|case| !is_open(case)) {
            *self.emitted.figures.cases.entry(case.kind).or_default() += 1;
        }
    }

    pub(super) fn close_case(&mut self, id: CaseId, resolution: Resolution) {
        self.closed.push(ClosedCase { id, resolution, kept: None, decided_by: None, decision_reason: None });
    }

    /// Says that staff closed a case, instead of its going away by itself.
    pub(crate) fn decide_case(&mut self, case: ClosedCase) {
        self.closed.retain(|closed| closed.id != case.id);
        self.closed.push(case);
    }

    /// What a bank took back under a name that no money came under takes back another payment, which staff have to find.
    pub(super) fn open_unassigned_return(
        &mut self,
        dossier: &PaymentAggregate,
        state: &PaymentState,
        cause: &Trigger<'_>,
    ) {
        let went =
            dossier.facts.iter().find(|fact| fact.kind == FactKind::Reversal && fact.door == EvidenceChannel::Bank);
        let Some(went) = went.filter(|_| state.captured.is_none()) else { return };
        let is_known = dossier.cases.iter().any(|case| case.kind == CaseKind::Overdrawn);
        if !is_known {
            let reason =
                cause.source_text.clone().unwrap_or_else(|| "a bank took back money that did not come so".to_owned());
            self.open_case(
                dossier,
                CaseKind::Overdrawn,
                went.amount.map(|amount| Money::from(amount).negated()),
                reason,
            );
        }
    }

    /// Bank lines say what their money did.
    pub(super) async fn record_upload_lines(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let moved: BTreeSet<PaymentId> = self
            .allocations
            .iter()
            .map(|allocation| allocation.payment_id)
            .chain(self.credits.iter().map(|credit| credit.payment_id))
            .collect();
        upload_lines::record_settled(transaction, &moved.into_iter().collect::<Vec<_>>()).await
    }

    /// Has gateways asked about what they have not decided, unless they were asked for the last time.
    pub(super) async fn begin_inquiries(
        &self,
        transaction: &mut Transaction,
        ground: &LockedBatch,
    ) -> Result<(), StoreError> {
        let is_given_up = |id: PaymentId| {
            self.cases.iter().any(|case| case.payment_id == id && case.kind == CaseKind::Undecided)
                || ground.payments.get(&id).is_some_and(|dossier| dossier.open_case(CaseKind::Undecided).is_some())
        };
        let undecided = self
            .updates
            .iter()
            .filter(|update| update.status.is_undecided() && !update.provider.is_manual() && !is_given_up(update.id));
        let first = |update: &PaymentUpdate| Some((update.id, question::next(update.id, self.now, 0)?.0));
        let asked: Vec<_> = undecided.filter_map(first).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let is_new_attempt = self.new_charge.as_ref().is_some_and(|charge| charge.refusal.is_none());
        questions::begin(transaction, &asked, self.now, is_new_attempt).await
    }

    /// A payment that is decided needs nobody to look after it.
    pub(super) fn close_undecided(&mut self, dossier: &PaymentAggregate, status: PaymentStatus) {
        let open = dossier.open_case(CaseKind::Undecided).filter(|_| !status.is_undecided());
        if let Some(case) = open {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// What is proven needs nobody to look at the picture.
    pub(super) fn close_claimed(&mut self, dossier: &PaymentAggregate, status: PaymentStatus) {
        if let Some(case) = dossier.open_case(CaseKind::Claimed).filter(|_| status.is_proven()) {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// Money that another source proves by now is not to be approved as well. Until it is approved, an entry of money that
    /// came is a claim; entries of what went back stay for staff.
    pub(super) fn close_entered(&mut self, dossier: &PaymentAggregate, state: &PaymentState) {
        let was_proven = dossier.before.as_ref().is_some_and(|before| before.captured.is_some());
        let is_entry = |fact: &Fact| (fact.kind, fact.door) == (FactKind::Claim, EvidenceChannel::Staff);
        let is_proven = !was_proven && state.captured.is_some() && dossier.facts.iter().any(is_entry);
        if let Some(case) = dossier.open_case(CaseKind::EnteredByHand).filter(|_| is_proven) {
            self.close_case(case.id, Resolution::Settled);
        }
    }

    /// Has staff look at a picture, unless they have, or the payment is proven.
    pub(crate) fn open_picture_case(&mut self, dossier: &PaymentAggregate, state: &PaymentState) {
        let was_decided = dossier.cases.iter().any(|case| case.kind == CaseKind::Claimed && case.resolution.is_some());
        if !was_decided && !state.status.is_proven() {
            let reason = "a client says so and shows a picture".to_owned();
            self.open_case(dossier, CaseKind::Claimed, state.claimed, reason);
        }
    }
}

fn new_case(dossier: &PaymentAggregate, kind: CaseKind, amount: Option<Money>, reason: String) -> NewCase {
    let id = CaseId::from_uuid(Uuid::now_v7());
    let (payment_id, invoice_id) = (dossier.payment.id, dossier.payment.invoices.first().copied());
    NewCase { id, kind, payment_id, invoice_id, other_payment: None, amount, reason }
}
