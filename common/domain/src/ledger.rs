//! Double entry: what each event posts to which account.
//!
//! Amounts are signed: a debit is positive, a credit negative; every posting sums to zero in one currency.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | `invoice.issued` | receivable of the client | revenue; tax |
//! | `invoice.voided` | revenue; tax | receivable of the client |
//! | `credit_note.issued` | revenue; tax | receivable of the client |
//! | `invoice.paid`, `invoice.partially_paid` | clearing of the provider | receivable of the client |
//! | `payment.surplus_recorded`, of a known client | clearing of the provider | credit of the client |
//! | `payment.surplus_recorded`, of an unknown payer | clearing of the provider | suspense |
//! | `invoice.reopened` | receivable of the client | clearing of the provider |
//! | `payment.unapplied` | receivable of the client | clearing of the provider |
//! | `payment.surplus_reduced` | credit of the client, or suspense | clearing of the provider |
//! | `payment.refunded` | clearing of the provider | refunds of the provider |
//! | `payment.refund_failed` | refunds of the provider | clearing of the provider |
//! | `payment.goodwill_recorded` | goodwill | clearing of the provider |
//! | `payment.goodwill_reversed` | clearing of the provider | goodwill |
//! | `payment.disputed` | disputes of the provider | clearing of the provider |
//! | `payment.dispute_closed` | clearing of the provider | disputes of the provider |
//! | `adjustment.recorded`, of a fee | fees of the provider | clearing of the provider |
//! | `adjustment.recorded`, of a refunded fee | clearing of the provider | fees of the provider |
//! | `adjustment.recorded`, of a rounding loss | rounding | clearing of the provider |
//! | `adjustment.recorded`, of a rounding gain | clearing of the provider | rounding |
//!
//! Credit that is applied to an invoice passes through clearing: `payment.surplus_reduced` and `invoice.paid` are two
//! postings that cancel each other there. A refund takes the money out of its invoice or unapplied cash
//! (`invoice.reopened` or `payment.surplus_reduced`, through clearing) and is also emitted as a refund, so that
//! clearing shows what came in and the refunds account what we sent back. Goodwill does not touch the invoice or
//! unapplied cash: `payment.goodwill_recorded` books it as an expense instead. A credit note on a paid invoice moves
//! the money from the invoice to the client's credit (`payment.unapplied` and `payment.surplus_recorded`). A lost
//! dispute ends the withholding (`payment.dispute_closed`) and books the loss (`invoice.reopened` or
//! `payment.surplus_reduced`); a won dispute only ends the withholding. What a provider owes us is the sum of its three
//! accounts.

mod account;
pub mod journal;
pub mod reconciliation;

use crate::adjustment::AdjustmentKind;
use crate::event::{
    AdjustmentSummary, CreditNoteIssued, InvoiceChanged, InvoiceEvent, InvoiceReopened, InvoiceSettled,
    PaymentAdjusted, PaymentUnapplied, UnappliedCashRecorded, UnappliedCashReduced,
};
use crate::id::{ClientId, InvoiceId, PaymentId};
use crate::money::{Money, MoneyError};
use crate::party::ClientDetails;

pub use account::{Account, AccountKind, UnknownAccount};

/// The balanced entries that one event adds to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The accounts with their signed amounts: each account once, none with zero, summing to zero.
    pub entries: Vec<(Account, Money)>,
    /// A description for people.
    pub description: String,
    /// The invoice concerned.
    pub invoice_id: Option<InvoiceId>,
    /// The payment concerned.
    pub payment_id: Option<PaymentId>,
}

/// The posting of an event; none for events that move no money.
///
/// # Errors
/// [`MoneyError`] if an invoice's tax is in a different currency from its total.
pub fn posting(event: &InvoiceEvent) -> Result<Option<Posting>, MoneyError> {
    let (entries, description) = match event {
        InvoiceEvent::Issued(changed) => (issued(changed)?, format!("Invoice {} issued", changed.invoice.number)),
        InvoiceEvent::Voided(changed) => (voided(changed)?, format!("Invoice {} voided", changed.invoice.number)),
        InvoiceEvent::CreditNoteIssued(issued) => {
            let what = format!("Credit note {} for invoice {}", issued.credit_note.number, issued.invoice.number);
            (taken_off(issued)?, what)
        }
        InvoiceEvent::Paid(settled) | InvoiceEvent::PartiallyPaid(settled) => allocated(settled),
        InvoiceEvent::UnappliedCashRecorded(surplus) => credited(surplus),
        InvoiceEvent::Reopened(reopened) => released(reopened),
        InvoiceEvent::UnappliedCashReduced(reduced) => debited(reduced),
        InvoiceEvent::Refunded(adjusted) => adjustment(adjusted, Account::Clearing, Account::Refunds, "refunded"),
        InvoiceEvent::RefundFailed(adjusted) => {
            adjustment(adjusted, Account::Refunds, Account::Clearing, "was not refunded after all")
        }
        InvoiceEvent::Unapplied(unapplied) => unapply(unapplied),
        InvoiceEvent::GoodwillRecorded(adjusted) => {
            adjustment(adjusted, |_| Account::Goodwill, Account::Clearing, "refunded as goodwill")
        }
        InvoiceEvent::GoodwillReversed(adjusted) => {
            adjustment(adjusted, Account::Clearing, |_| Account::Goodwill, "was no goodwill after all")
        }
        InvoiceEvent::Disputed(adjusted) => adjustment(adjusted, Account::Disputes, Account::Clearing, "disputed"),
        InvoiceEvent::DisputeClosed(adjusted) => {
            adjustment(adjusted, Account::Clearing, Account::Disputes, "disputed no more")
        }
        InvoiceEvent::AdjustmentRecorded(recorded) => adjusted(&recorded.adjustment),
        InvoiceEvent::DuplicateRecorded(_)
        | InvoiceEvent::ContradictionFound(_)
        | InvoiceEvent::RefundRefused(_)
        | InvoiceEvent::ReceiptIssued(_)
        | InvoiceEvent::RefundReceiptIssued(_) => return Ok(None),
    };
    let (invoice_id, payment_id) =
        (event.invoice().map(|invoice| invoice.id), event.payment().map(|payment| payment.id));
    Ok(Some(Posting { entries, description, invoice_id, payment_id }))
}

type Entries = Vec<(Account, Money)>;

fn moved(debit: Account, credit: Account, amount: Money) -> Entries {
    vec![(debit, amount), (credit, amount.negated())]
}

fn charged(client: ClientId, total: Money, tax: Money) -> Result<Entries, MoneyError> {
    let revenue = total.checked_sub(tax)?;
    let entries =
        [(Account::Receivable(client), total), (Account::Revenue, revenue.negated()), (Account::Tax, tax.negated())];
    Ok(entries.into_iter().filter(|(_, amount)| !amount.is_zero()).collect())
}

fn opposite(entries: Entries) -> Entries {
    entries.into_iter().map(|(account, amount)| (account, amount.negated())).collect()
}

fn issued(changed: &InvoiceChanged) -> Result<Entries, MoneyError> {
    let total = changed.invoice.total;
    charged(changed.client.id, total, changed.invoice.tax.unwrap_or_else(|| Money::zero(total.currency())))
}

fn voided(changed: &InvoiceChanged) -> Result<Entries, MoneyError> {
    issued(changed).map(opposite)
}

fn taken_off(issued: &CreditNoteIssued) -> Result<Entries, MoneyError> {
    charged(issued.client.id, issued.credit_note.total, issued.credit_note.tax).map(opposite)
}

fn allocated(settled: &InvoiceSettled) -> (Entries, String) {
    let clearing = Account::Clearing(settled.payment.provider.clone());
    let entries = moved(clearing, Account::Receivable(settled.client.id), settled.allocated);
    (entries, format!("Payment {} of invoice {}", settled.payment.transaction_id, settled.invoice.number))
}

fn credited(surplus: &UnappliedCashRecorded) -> (Entries, String) {
    let clearing = Account::Clearing(surplus.payment.provider.clone());
    let entries = moved(clearing, unapplied_cash_account(surplus.client.as_ref()), surplus.amount);
    (entries, format!("Surplus of payment {}: {}", surplus.payment.transaction_id, surplus.reason))
}

fn released(reopened: &InvoiceReopened) -> (Entries, String) {
    let InvoiceReopened { payment, invoice, reason, .. } = reopened;
    let clearing = Account::Clearing(payment.provider.clone());
    let entries = moved(Account::Receivable(reopened.client.id), clearing, reopened.released);
    (entries, format!("Payment {} taken back from invoice {}: {reason}", payment.transaction_id, invoice.number))
}

fn unapply(unapplied: &PaymentUnapplied) -> (Entries, String) {
    let PaymentUnapplied { payment, invoice, client, amount, .. } = unapplied;
    let entries = moved(Account::Receivable(client.id), Account::Clearing(payment.provider.clone()), *amount);
    (entries, format!("Payment {} credited off invoice {}", payment.transaction_id, invoice.number))
}

fn debited(reduced: &UnappliedCashReduced) -> (Entries, String) {
    let clearing = Account::Clearing(reduced.payment.provider.clone());
    let entries = moved(unapplied_cash_account(reduced.client.as_ref()), clearing, reduced.amount);
    (entries, format!("Surplus of payment {} reduced: {}", reduced.payment.transaction_id, reduced.reason))
}

fn adjustment(
    adjusted: &PaymentAdjusted,
    debit: fn(crate::id::Provider) -> Account,
    credit: fn(crate::id::Provider) -> Account,
    what: &str,
) -> (Entries, String) {
    let provider = || adjusted.payment.provider.clone();
    let entries = moved(debit(provider()), credit(provider()), adjusted.amount);
    (entries, format!("{} of payment {} {what}", adjusted.amount, adjusted.payment.transaction_id))
}

fn adjusted(adjustment: &AdjustmentSummary) -> (Entries, String) {
    let AdjustmentSummary { kind, provider, amount, reference, .. } = adjustment;
    let (cost, what) = match kind {
        AdjustmentKind::Fee => (Account::Fees(provider.clone()), "Fee"),
        AdjustmentKind::FeeReturned => (Account::Fees(provider.clone()), "Fee given back"),
        AdjustmentKind::RoundingLoss | AdjustmentKind::RoundingGain => (Account::Rounding, "Rounding"),
    };
    let clearing = Account::Clearing(provider.clone());
    let (debit, credit) = if kind.is_loss() { (cost, clearing) } else { (clearing, cost) };
    (moved(debit, credit, *amount), format!("{what} of {provider}: {reference}"))
}

fn unapplied_cash_account(client: Option<&ClientDetails>) -> Account {
    client.map_or(Account::Suspense, |client| Account::Credit(client.id))
}
