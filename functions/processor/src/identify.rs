//! Identifies the payment of each piece of evidence: by our own id, then by transaction id, then by its counterpart, an
//! open claim or an unclaimed proof.

use std::collections::{BTreeMap, BTreeSet};

use quittance_domain::command::{Evidence, InvoiceReference};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{InvoiceId, PaymentId, TransactionId};
use quittance_domain::money::Money;
use quittance_store::invoices::NamedInvoice;
use quittance_store::payments::{self, KnownPayment};
use quittance_store::references::{self, KnownReferences};
use quittance_store::{StoreError, Transaction, entries_by_hand};
use uuid::Uuid;

use crate::settle::EvidenceInstruction;

/// Evidence with its payment and the invoices that it names.
#[derive(Debug)]
pub(crate) struct IdentifiedEvidence<'a> {
    pub(crate) instruction: &'a EvidenceInstruction,
    pub(crate) payment_id: PaymentId,
    pub(crate) invoices: Vec<InvoiceId>,
}

/// The payments of a batch, locked.
#[derive(Debug)]
pub(crate) struct IdentifiedPayments<'a> {
    pub(crate) evidence: Vec<IdentifiedEvidence<'a>>,
    pub(crate) payments: Vec<KnownPayment>,
    /// Payments that this batch adds.
    pub(crate) new: BTreeSet<PaymentId>,
    /// Suspected duplicates: the payment that a message counts for, and another that it names as well.
    pub(crate) duplicates: BTreeSet<(PaymentId, PaymentId)>,
}

/// Finds, adds and locks the payments.
///
/// # Errors
/// [`StoreError::Moved`] if another transaction added or merged one of them meanwhile.
pub(crate) async fn identify<'a>(
    transaction: &mut Transaction,
    instructions: &[&'a EvidenceInstruction],
    named: &[NamedInvoice],
) -> Result<IdentifiedPayments<'a>, StoreError> {
    let evidence = || instructions.iter().map(|instruction| &instruction.evidence);
    let names: BTreeSet<TransactionId> = evidence().flat_map(names_of).cloned().collect();
    let names: Vec<TransactionId> = names.into_iter().collect();
    let ids: Vec<PaymentId> = evidence().filter_map(|evidence| evidence.payment_id).collect();
    let known = references::find(transaction, &names, &ids).await?;
    let mut search = PaymentSearch {
        known,
        fresh: BTreeMap::new(),
        aliases: Vec::new(),
        duplicates: BTreeSet::new(),
        met: BTreeSet::new(),
    };
    search.lock_searches(transaction, instructions, named).await?;
    let mut identified = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        let invoices = invoices_named(&instruction.evidence, named);
        let payment_id = search.payment_of(transaction, &instruction.evidence, &invoices).await?;
        identified.push(IdentifiedEvidence { instruction, payment_id, invoices });
    }
    let payments = search.lock(transaction, &identified).await?;
    let new = search.fresh.into_keys().collect();
    Ok(IdentifiedPayments { evidence: identified, payments, new, duplicates: search.duplicates })
}

fn names_of(evidence: &Evidence) -> impl Iterator<Item = &TransactionId> {
    std::iter::once(&evidence.transaction_id).chain(&evidence.references)
}

/// The existing invoices that the evidence names. Evidence on behalf of one client cannot name another's invoices; the
/// API refuses it before.
fn invoices_named(evidence: &Evidence, named: &[NamedInvoice]) -> Vec<InvoiceId> {
    let found = |hint: &InvoiceReference| {
        let invoice = named.iter().find(|invoice| match hint {
            InvoiceReference::Id(id) => invoice.id == *id,
            InvoiceReference::Number(number) => invoice.number.as_ref() == Some(number),
        })?;
        let may_name = evidence.client_id.is_none_or(|client_id| client_id == invoice.client_id);
        may_name.then_some(invoice.id)
    };
    let mut invoices = Vec::new();
    for id in evidence.invoices().filter_map(found) {
        if !invoices.contains(&id) {
            invoices.push(id);
        }
    }
    invoices
}

struct PaymentSearch<'a> {
    known: KnownReferences,
    fresh: BTreeMap<PaymentId, (&'a Evidence, Vec<InvoiceId>)>,
    aliases: Vec<(TransactionId, PaymentId)>,
    duplicates: BTreeSet<(PaymentId, PaymentId)>,
    /// Payments that were matched to their counterpart in this batch.
    met: BTreeSet<PaymentId>,
}

/// The invoice by which evidence of a bank transfer may be matched to its counterpart.
fn searched_invoice(evidence: &Evidence, invoices: &[InvoiceId]) -> Option<InvoiceId> {
    let is_fit = evidence.provider.is_manual() && (evidence.kind == FactKind::Claim || evidence.kind.proves_money());
    match invoices {
        [invoice] if is_fit => Some(*invoice),
        _ => None,
    }
}

impl<'a> PaymentSearch<'a> {
    /// Takes the advisory locks of this batch's counterpart searches, ordered by invoice.
    async fn lock_searches(
        &self,
        transaction: &mut Transaction,
        instructions: &[&EvidenceInstruction],
        named: &[NamedInvoice],
    ) -> Result<(), StoreError> {
        let unknown = instructions
            .iter()
            .map(|instruction| &instruction.evidence)
            .filter(|evidence| !names_of(evidence).any(|name| self.known.names.contains_key(name)));
        let searched = unknown.filter_map(|evidence| searched_invoice(evidence, &invoices_named(evidence, named)));
        for invoice in searched.collect::<BTreeSet<_>>() {
            references::lock_search(transaction, invoice).await?;
        }
        Ok(())
    }

    async fn payment_of(
        &mut self,
        transaction: &mut Transaction,
        evidence: &'a Evidence,
        invoices: &[InvoiceId],
    ) -> Result<PaymentId, StoreError> {
        let by_id = evidence.payment_id.and_then(|id| self.known.ids.get(&id));
        let by_name = names_of(evidence).filter_map(|name| self.known.names.get(name));
        let found: Vec<PaymentId> = by_id.into_iter().chain(by_name).copied().collect();
        let payment_id = match found.first() {
            Some(first) => *first,
            None => match self.counterpart(transaction, evidence, invoices).await? {
                Some(counterpart) => {
                    self.met.insert(counterpart);
                    counterpart
                }
                None => self.add(evidence, invoices),
            },
        };
        self.duplicates.extend(found.iter().filter(|other| **other != payment_id).map(|other| (payment_id, *other)));
        for name in names_of(evidence) {
            if !self.known.names.contains_key(name) {
                self.known.names.insert(name.clone(), payment_id);
                let is_main = self.fresh.get(&payment_id).is_some_and(|(first, _)| first.transaction_id == *name);
                if !is_main {
                    self.aliases.push((name.clone(), payment_id));
                }
            }
        }
        Ok(payment_id)
    }

    fn add(&mut self, evidence: &'a Evidence, invoices: &[InvoiceId]) -> PaymentId {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        self.fresh.insert(id, (evidence, invoices.to_vec()));
        id
    }

    /// Finds the counterpart of a bank transfer. A client claims it under one reference and the bank reports it under
    /// another: a claim and a proof of one invoice and one amount are the same money, in either order.
    async fn counterpart(
        &self,
        transaction: &mut Transaction,
        evidence: &Evidence,
        invoices: &[InvoiceId],
    ) -> Result<Option<PaymentId>, StoreError> {
        let is_claim = evidence.kind == FactKind::Claim;
        let Some(invoice) = searched_invoice(evidence, invoices) else { return Ok(None) };
        let is_counterpart = |other: &Evidence, named: &[InvoiceId]| {
            let is_opposite = if is_claim { other.kind.proves_money() } else { other.kind == FactKind::Claim };
            is_opposite && other.provider == evidence.provider && other.amount == evidence.amount && named == invoices
        };
        let mut fresh = self.fresh.iter().filter(|(id, _)| !self.met.contains(id));
        if let Some((id, _)) = fresh.find(|(_, (other, named))| is_counterpart(other, named)) {
            return Ok(Some(*id));
        }
        let Some(amount) = evidence.amount.map(Money::from) else { return Ok(None) };
        let provider = &evidence.provider;
        let mut met: Vec<Uuid> = self.met.iter().map(|id| id.as_uuid()).collect();
        if evidence.channel == EvidenceChannel::Staff {
            let waiting = entries_by_hand::waiting_payments(transaction, invoice).await?;
            met.extend(waiting.into_iter().map(PaymentId::as_uuid));
        }
        if is_claim {
            references::unclaimed(transaction, invoice, provider, amount, &met).await
        } else {
            references::open_claim(transaction, invoice, provider, amount, &met).await
        }
    }

    /// Reserves the transaction ids of new payments and locks the others, ordered by id. New rows are written at the
    /// end, in their final state.
    async fn lock(
        &self,
        transaction: &mut Transaction,
        identified: &[IdentifiedEvidence<'_>],
    ) -> Result<Vec<KnownPayment>, StoreError> {
        let new = |(id, (evidence, _)): (&PaymentId, &(&Evidence, Vec<InvoiceId>))| {
            KnownPayment::new(*id, evidence.transaction_id.clone(), evidence.provider.clone())
        };
        let new: Vec<KnownPayment> = self.fresh.iter().map(new).collect();
        let names: Vec<_> = new.iter().map(|payment| (payment.transaction_id.clone(), payment.id)).collect();
        take(transaction, &names).await?;
        let known: BTreeSet<PaymentId> = identified.iter().map(|evidence| evidence.payment_id).collect();
        let known: Vec<PaymentId> = known.into_iter().filter(|id| !self.fresh.contains_key(id)).collect();
        let mut payments = lock_unmerged(transaction, &known).await?;
        take(transaction, &self.aliases).await?;
        payments.extend(new);
        Ok(payments)
    }
}

/// Reserves transaction ids that were free when they were looked up.
pub(crate) async fn take(
    transaction: &mut Transaction,
    names: &[(TransactionId, PaymentId)],
) -> Result<(), StoreError> {
    let taken = references::take(transaction, names).await?;
    match names.iter().find(|(name, _)| !taken.contains(name)) {
        Some((lost, _)) => Err(StoreError::Moved { payment: lost.to_string() }),
        None => Ok(()),
    }
}

/// Locks payments, and fails if one was merged into another since it was looked up.
pub(crate) async fn lock_unmerged(
    transaction: &mut Transaction,
    ids: &[PaymentId],
) -> Result<Vec<KnownPayment>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let payments = payments::lock(transaction, ids).await?;
    match payments.iter().find(|payment| payment.merged_into.is_some()) {
        Some(merged) => Err(StoreError::Moved { payment: merged.id.to_string() }),
        None => Ok(payments),
    }
}
