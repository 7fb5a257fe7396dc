//! All that is known of the payments and invoices of a batch, read under their locks.

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

/// All that is known of one payment.
#[derive(Debug)]
pub(crate) struct PaymentAggregate {
    pub(crate) payment: KnownPayment,
    /// It has no row yet.
    pub(crate) is_new: bool,
    /// What its facts added up to before anything new was told; none of a new payment.
    pub(crate) before: Option<PaymentState>,
    pub(crate) facts: Vec<Fact>,
    /// Invoices that it does not pay, whatever its evidence says.
    pub(crate) excluded: BTreeSet<InvoiceId>,
    pub(crate) funds: PaymentFunds,
    pub(crate) refunds: Vec<RefundRequest>,
    /// Why its refunds were made.
    pub(crate) terms: RefundTermsByMovement,
    pub(crate) cases: Vec<KnownCase>,
}

impl PaymentAggregate {
    fn new(payment: KnownPayment, new: &BTreeSet<PaymentId>) -> Self {
        let is_new = new.contains(&payment.id);
        let (facts, refunds, cases) = (Vec::new(), Vec::new(), Vec::new());
        let (excluded, holdings, terms) = (BTreeSet::new(), PaymentFunds::default(), RefundTermsByMovement::default());
        Self { payment, is_new, before: None, facts, excluded, funds: holdings, refunds, terms, cases }
    }

    /// What the facts add up to, and which invoices staff left it.
    pub(crate) fn state(&self) -> Result<PaymentState, StoreError> {
        let mut state = PaymentState::with_terms(&self.facts, &self.terms).map_err(|error| self.corrupt(error))?;
        state.invoices.retain(|id| !self.excluded.contains(id));
        Ok(state)
    }

    /// What the evidence entitles the payment to; none while nothing is proven.
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

    /// Surplus that waits for a decision; none while nothing is proven.
    pub(crate) fn loose_surplus(&self) -> Result<Option<Money>, StoreError> {
        let entitled = self.entitlement(&self.state()?)?;
        let loose = entitled.map(|entitled| settlement::loose_surplus(&entitled, &self.funds)).transpose();
        loose.map_err(|error| self.corrupt(error))
    }

    /// The open case of a kind.
    pub(crate) fn open_case(&self, kind: CaseKind) -> Option<&KnownCase> {
        self.cases.iter().find(|case| case.kind == kind && case.resolution.is_none())
    }

    /// What is kept of this payment does not fit together.
    pub(crate) fn corrupt(&self, reason: impl std::fmt::Display) -> StoreError {
        let reason = format!("payment {} ({}): {reason}", self.payment.id, self.payment.transaction_id);
        StoreError::Corrupt { table: "payments", reason }
    }

    /// Whether money may stand somewhere: it was proven before.
    pub(crate) fn has_money(&self) -> bool {
        self.payment.status.is_proven()
    }
}

/// The payments and invoices of a batch.
#[derive(Debug, Default)]
pub(crate) struct LockedBatch {
    pub(crate) payments: BTreeMap<PaymentId, PaymentAggregate>,
    /// Invoices with what events print of them.
    pub(crate) records: BTreeMap<InvoiceId, InvoiceRecord>,
    /// Everyone whose invoice or credit is at hand.
    pub(crate) clients: BTreeMap<ClientId, ClientDetails>,
    /// The same invoices as they stand while money moves.
    pub(crate) invoices: LockedInvoices,
}

impl LockedBatch {
    /// Reads what is kept of locked payments, but for their money, which their invoices' locks guard too.
    pub(crate) async fn load(
        transaction: &mut Transaction,
        payments: Vec<KnownPayment>,
        new: &BTreeSet<PaymentId>,
    ) -> Result<Self, StoreError> {
        let known: Vec<PaymentId> = payments.iter().map(|payment| payment.id).filter(|id| !new.contains(id)).collect();
        let dossiers = payments.into_iter().map(|payment| (payment.id, PaymentAggregate::new(payment, new))).collect();
        let mut ground = Self { payments: dossiers, ..Self::default() };
        if !known.is_empty() {
            ground.read_evidence(transaction, &known).await?;
        }
        Ok(ground)
    }

    async fn read_evidence(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for (id, fact) in facts::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.facts.push(fact));
        }
        for (id, invoice) in exclusions::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.excluded.extend([invoice]));
        }
        for (id, movement, terms) in refund_terms::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.terms.insert(movement, terms));
        }
        for (id, request) in refunds::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.refunds.push(request));
        }
        for id in ids {
            if let Some(dossier) = self.payments.get_mut(id) {
                dossier.before = Some(dossier.state()?);
            }
        }
        Ok(())
    }

    /// Locks the invoices that the payments name or have money at, and `further`; then reads where the money stands.
    pub(crate) async fn lock_invoices(
        &mut self,
        transaction: &mut Transaction,
        further: &[InvoiceId],
    ) -> Result<(), StoreError> {
        let known = self.payments.values().filter(|dossier| !dossier.is_new);
        let known: Vec<PaymentId> = known.map(|dossier| dossier.payment.id).collect();
        let with_money = self.payments.values().filter(|dossier| dossier.has_money());
        let with_money: Vec<PaymentId> = with_money.map(|dossier| dossier.payment.id).collect();
        let mut wanted: BTreeSet<InvoiceId> = further.iter().copied().collect();
        for dossier in self.payments.values() {
            wanted.extend(dossier.facts.iter().flat_map(|fact| &fact.invoices));
            wanted.extend(&dossier.payment.invoices);
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

    /// Cases follow the surplus, so the invoices' locks guard them too.
    async fn read_cases(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for case in cases::of_payments(transaction, ids).await? {
            self.with(case.payment_id, |dossier| dossier.cases.push(case));
        }
        Ok(())
    }

    async fn read_holdings(&mut self, transaction: &mut Transaction, ids: &[PaymentId]) -> Result<(), StoreError> {
        for (id, allocation) in allocations::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.funds.allocations.push(allocation));
        }
        for (id, credit) in credits::of_payments(transaction, ids).await? {
            self.with(id, |dossier| dossier.funds.credits.push(credit));
        }
        Ok(())
    }

    /// Reads other payments that have surplus and name one of the invoices, which are locked; their own locks are not
    /// needed to move money between those invoices and their surplus.
    pub(crate) async fn read_waiting(
        &mut self,
        transaction: &mut Transaction,
        invoices: &[InvoiceId],
    ) -> Result<Vec<PaymentId>, StoreError> {
        let at_hand: Vec<PaymentId> = self.payments.keys().copied().collect();
        let waiting = payments::with_surplus_for(transaction, invoices, &at_hand).await?;
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

    /// Reads those who have credit and whose invoices are not at hand: events name them.
    async fn read_clients(&mut self, transaction: &mut Transaction) -> Result<(), StoreError> {
        self.clients.extend(self.records.values().map(|record| (record.client.id, record.client.clone())));
        let owners = self.payments.values().flat_map(|dossier| &dossier.funds.credits);
        let unknown = owners.filter_map(|credit| credit.client_id).filter(|id| !self.clients.contains_key(id));
        let unknown: Vec<ClientId> = unknown.collect();
        if !unknown.is_empty() {
            let read = clients::read(transaction, &unknown).await?;
            self.clients.extend(read.into_iter().map(|client| (client.id, client)));
        }
        Ok(())
    }

    fn with(&mut self, id: PaymentId, change: impl FnOnce(&mut PaymentAggregate)) {
        if let Some(dossier) = self.payments.get_mut(&id) {
            change(dossier);
        }
    }
}
