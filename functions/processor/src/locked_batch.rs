//! The payments and invoices of a batch, loaded under their locks.

use std::collections::{BTreeMap, BTreeSet};

use quittance_domain::case::CaseKind;
use quittance_domain::fact::Fact;
use quittance_domain::id::{ClientId, InvoiceId, PaymentId};
use quittance_domain::money::{Money, MoneyError};
use quittance_domain::party::ClientDetails;
use quittance_domain::payment::PaymentState;
use quittance_domain::refund::{self, RefundRequest};
use quittance_domain::refund_reason::RefundTermsByMovement;
use quittance_domain::settlement::{self, Entitlement, LockedInvoices, PaymentFunds};
use quittance_store::cases::{self, KnownCase};
use quittance_store::invoices::{self, InvoiceRecord};
use quittance_store::payments::{self, KnownPayment};
use quittance_store::{
    StoreError, Transaction, allocations, clients, credits, exclusions, facts, refund_terms, refunds,
};

/// A payment with its facts, funds, refunds and cases.
#[derive(Debug)]
pub(crate) struct PaymentAggregate {
    pub(crate) payment: KnownPayment,
    /// Whether it has no row yet.
    pub(crate) is_new: bool,
    /// Its state before new evidence; none for a new payment.
    pub(crate) before: Option<PaymentState>,
    pub(crate) facts: Vec<Fact>,
    /// Invoices from which staff unapplied it.
    pub(crate) excluded: BTreeSet<InvoiceId>,
    pub(crate) funds: PaymentFunds,
    pub(crate) refunds: Vec<RefundRequest>,
    /// The reasons of its refunds.
    pub(crate) terms: RefundTermsByMovement,
    pub(crate) cases: Vec<KnownCase>,
}

impl PaymentAggregate {
    fn new(payment: KnownPayment, new: &BTreeSet<PaymentId>) -> Self {
        let is_new = new.contains(&payment.id);
        let (facts, refunds, cases) = (Vec::new(), Vec::new(), Vec::new());
        let (excluded, funds, terms) = (BTreeSet::new(), PaymentFunds::default(), RefundTermsByMovement::default());
        Self { payment, is_new, before: None, facts, excluded, funds, refunds, terms, cases }
    }

    /// Its state, computed from its facts without the excluded invoices.
    pub(crate) fn state(&self) -> Result<PaymentState, StoreError> {
        let mut state = PaymentState::with_terms(&self.facts, &self.terms).map_err(|error| self.corrupt(error))?;
        state.invoices.retain(|id| !self.excluded.contains(id));
        Ok(state)
    }

    /// The amount to distribute; none while nothing is proven.
    pub(crate) fn entitlement(&self, state: &PaymentState) -> Result<Option<Entitlement>, StoreError> {
        let net = state.net_without_goodwill().map_err(|error| self.corrupt(error))?;
        let (Some(net), Some(gross), Some(from_credit)) = (net, state.captured, state.from_credit) else {
            return Ok(None);
        };
        let sums = || -> Result<_, MoneyError> {
            let mut kept =
                self.cases.iter().filter_map(|case| case.kept).filter(|amount| amount.currency() == net.currency());
            let pinned = kept.try_fold(Money::zero(net.currency()), Money::checked_add)?;
            Ok((refund::reserved_without_goodwill(&self.refunds, net)?, pinned))
        };
        let (reserved, pinned) = sums().map_err(|error| self.corrupt(error))?;
        Ok(Some(Entitlement { net, gross, from_credit, invoices: state.invoices.clone(), reserved, pinned }))
    }

    /// Unapplied cash that waits for a decision; none while nothing is proven.
    pub(crate) fn undecided_unapplied_cash(&self) -> Result<Option<Money>, StoreError> {
        let entitled = self.entitlement(&self.state()?)?;
        let undecided =
            entitled.map(|entitled| settlement::undecided_unapplied_cash(&entitled, &self.funds)).transpose();
        undecided.map_err(|error| self.corrupt(error))
    }

    /// The open case of the given kind.
    pub(crate) fn open_case(&self, kind: CaseKind) -> Option<&KnownCase> {
        self.cases.iter().find(|case| case.kind == kind && case.resolution.is_none())
    }

    /// The error for stored data of this payment that is inconsistent.
    pub(crate) fn corrupt(&self, reason: impl std::fmt::Display) -> StoreError {
        let reason = format!("payment {} ({}): {reason}", self.payment.id, self.payment.transaction_id);
        StoreError::Corrupt { table: "payments", reason }
    }

    /// Whether it may have allocations or unapplied cash.
    pub(crate) fn has_money(&self) -> bool {
        self.payment.status.is_proven()
    }
}

/// The payments and invoices of a batch.
#[derive(Debug, Default)]
pub(crate) struct LockedBatch {
    pub(crate) payments: BTreeMap<PaymentId, PaymentAggregate>,
    /// Invoices with the data that events carry.
    pub(crate) records: BTreeMap<InvoiceId, InvoiceRecord>,
    /// The clients of the invoices and of unapplied cash.
    pub(crate) clients: BTreeMap<ClientId, ClientDetails>,
    /// The invoices as settlement changes them.
    pub(crate) invoices: LockedInvoices,
}

impl LockedBatch {
    /// Loads locked payments without their funds, which the invoices' locks guard as well.
    pub(crate) async fn load(
        transaction: &mut Transaction,
        payments: Vec<KnownPayment>,
        new: &BTreeSet<PaymentId>,
    ) -> Result<Self, StoreError> {
        let known: Vec<PaymentId> = payments.iter().map(|payment| payment.id).filter(|id| !new.contains(id)).collect();
        let payments = payments.into_iter().map(|payment| (payment.id, PaymentAggregate::new(payment, new))).collect();
        let mut batch = Self { payments, ..Self::default() };
        if !known.is_empty() {
            batch.read_evidence(transaction, &known).await?;
        }
        Ok(batch)
    }

    async fn read_evidence(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for (id, fact) in facts::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.facts.push(fact));
        }
        for (id, invoice) in exclusions::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.excluded.extend([invoice]));
        }
        for (id, movement, terms) in refund_terms::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.terms.insert(movement, terms));
        }
        for (id, request) in refunds::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.refunds.push(request));
        }
        for id in ids {
            if let Some(aggregate) = self.payments.get_mut(id) {
                aggregate.before = Some(aggregate.state()?);
            }
        }
        Ok(())
    }

    /// Locks the invoices that the payments name or are allocated to, and `further`; then loads the funds.
    pub(crate) async fn lock_invoices(
        &mut self,
        transaction: &mut Transaction,
        further: &[InvoiceId],
    ) -> Result<(), StoreError> {
        let known = self.payments.values().filter(|aggregate| !aggregate.is_new);
        let known: Vec<PaymentId> = known.map(|aggregate| aggregate.payment.id).collect();
        let with_money = self.payments.values().filter(|aggregate| aggregate.has_money());
        let with_money: Vec<PaymentId> = with_money.map(|aggregate| aggregate.payment.id).collect();
        let mut wanted: BTreeSet<InvoiceId> = further.iter().copied().collect();
        for aggregate in self.payments.values() {
            wanted.extend(aggregate.facts.iter().flat_map(|fact| &fact.invoices));
            wanted.extend(&aggregate.payment.invoices);
        }
        if !with_money.is_empty() {
            wanted.extend(allocations::invoices_of_payments(transaction, &with_money).await?);
        }
        if !wanted.is_empty() {
            let wanted: Vec<InvoiceId> = wanted.into_iter().collect();
            for record in invoices::lock(transaction, &wanted).await? {
                self.invoices.insert(record.invoice.id(), record.invoice.clone());
                self.records.insert(record.invoice.id(), record);
            }
        }
        if !known.is_empty() {
            self.read_cases(transaction, &known).await?;
        }
        if !with_money.is_empty() {
            self.read_holdings(transaction, &with_money).await?;
        }
        self.read_clients(transaction).await
    }

    /// Loads cases, which the invoices' locks guard too, as they follow unapplied cash.
    async fn read_cases(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for case in cases::of_payments(transaction, ids).await? {
            self.with(case.payment_id, |aggregate| aggregate.cases.push(case));
        }
        Ok(())
    }

    async fn read_holdings(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for (id, allocation) in allocations::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.funds.allocations.push(allocation));
        }
        for (id, credit) in credits::of_payments(transaction, ids).await? {
            self.with(id, |aggregate| aggregate.funds.credits.push(credit));
        }
        Ok(())
    }

    /// Loads other payments with unapplied cash that name one of the locked invoices; moving money between these needs
    /// no lock on the payments.
    pub(crate) async fn read_waiting(
        &mut self,
        transaction: &mut Transaction,
        invoices: &[InvoiceId],
    ) -> Result<Vec<PaymentId>, StoreError> {
        let at_hand: Vec<PaymentId> = self.payments.keys().copied().collect();
        let waiting = payments::with_unapplied_cash_for(transaction, invoices, &at_hand).await?;
        if !waiting.is_empty() {
            for payment in payments::read(transaction, &waiting).await? {
                self.payments.insert(payment.id, PaymentAggregate::new(payment, &BTreeSet::new()));
            }
            self.read_evidence(transaction, &waiting).await?;
            self.read_cases(transaction, &waiting).await?;
            self.read_holdings(transaction, &waiting).await?;
            self.read_clients(transaction).await?;
        }
        Ok(waiting)
    }

    /// Loads the clients of unapplied cash whose invoices are not in the batch: events name them.
    async fn read_clients(&mut self, transaction: &mut Transaction) -> Result<(), StoreError> {
        self.clients.extend(self.records.values().map(|record| (record.client.id, record.client.clone())));
        let owners = self.payments.values().flat_map(|aggregate| &aggregate.funds.credits);
        let unknown = owners.filter_map(|credit| credit.client_id).filter(|id| !self.clients.contains_key(id));
        let unknown: Vec<ClientId> = unknown.collect();
        if !unknown.is_empty() {
            let read = clients::read(transaction, &unknown).await?;
            self.clients.extend(read.into_iter().map(|client| (client.id, client)));
        }
        Ok(())
    }

    fn with(&mut self, id: PaymentId, change: impl FnOnce(&mut PaymentAggregate)) {
        if let Some(aggregate) = self.payments.get_mut(&id) {
            change(aggregate);
        }
    }
}
