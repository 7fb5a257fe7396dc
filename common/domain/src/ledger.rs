//! Double entry: what each event posts to which account.
//!
//! Amounts are signed: a debit is positive, a credit negative; every posting sums to zero in one currency.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | invoice issued | receivable of the client | revenue |
//! | invoice voided | revenue | receivable of the client |
//! | payment allocated to an invoice | clearing of the provider | receivable of the client |
//! | surplus of a known client | clearing of the provider | credit of the client |
//! | surplus of an unknown payer | clearing of the provider | suspense |
//! | money taken back from an invoice | receivable of the client | clearing of the provider |
//! | surplus reduced | credit of the client, or suspense | clearing of the provider |
//!
//! Money that moves from surplus to an invoice passes through clearing: two events, two postings, nothing left there.

use std::fmt;

use crate::event::{InvoiceChanged, InvoiceEvent, InvoiceReopened, InvoiceSettled, SurplusRecorded, SurplusReduced};
use crate::id::{ClientId, Provider};
use crate::money::Money;
use crate::party::ClientDetails;

/// An account of the chart. Its text is its code in the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// What a client owes us (asset).
    Receivable(ClientId),
    /// What we owe a client (liability).
    Credit(ClientId),
    /// Money on its way through a provider (asset).
    Clearing(Provider),
    /// What we earned.
    Revenue,
    /// Money of unknown payers (liability).
    Suspense,
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receivable(client) => write!(formatter, "receivable:{client}"),
            Self::Credit(client) => write!(formatter, "credit:{client}"),
            Self::Clearing(provider) => write!(formatter, "clearing:{provider}"),
            Self::Revenue => formatter.write_str("revenue"),
            Self::Suspense => formatter.write_str("suspense"),
        }
    }
}

/// An amount debited to one account and credited to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The account debited.
    pub debit: Account,
    /// The account credited.
    pub credit: Account,
    /// The amount, above zero.
    pub amount: Money,
    /// What happened, for people.
    pub description: String,
}

impl Posting {
    /// The two signed entries.
    #[must_use]
    pub fn entries(&self) -> [(&Account, Money); 2] {
        [(&self.debit, self.amount), (&self.credit, self.amount.negated())]
    }
}

/// What an event posts; nothing for events that move no money.
#[must_use]
pub fn posting(event: &InvoiceEvent) -> Option<Posting> {
    match event {
        InvoiceEvent::Issued(changed) => Some(issued(changed)),
        InvoiceEvent::Voided(changed) => Some(voided(changed)),
        InvoiceEvent::Paid(settled) | InvoiceEvent::PartiallyPaid(settled) => Some(allocated(settled)),
        InvoiceEvent::SurplusRecorded(surplus) => Some(credited(surplus)),
        InvoiceEvent::Reopened(reopened) => Some(released(reopened)),
        InvoiceEvent::SurplusReduced(reduced) => Some(debited(reduced)),
        InvoiceEvent::DuplicateRecorded(_)
        | InvoiceEvent::ContradictionFound(_)
        | InvoiceEvent::RefundRefused(_)
        | InvoiceEvent::ReceiptIssued(_) => None,
    }
}

fn issued(changed: &InvoiceChanged) -> Posting {
    Posting {
        debit: Account::Receivable(changed.client.id),
        credit: Account::Revenue,
        amount: changed.invoice.total,
        description: format!("Invoice {} issued", changed.invoice.number),
    }
}

fn voided(changed: &InvoiceChanged) -> Posting {
    Posting {
        debit: Account::Revenue,
        credit: Account::Receivable(changed.client.id),
        amount: changed.invoice.total,
        description: format!("Invoice {} voided", changed.invoice.number),
    }
}

fn allocated(settled: &InvoiceSettled) -> Posting {
    Posting {
        debit: Account::Clearing(settled.payment.provider.clone()),
        credit: Account::Receivable(settled.client.id),
        amount: settled.allocated,
        description: format!("Payment {} of invoice {}", settled.payment.transaction_id, settled.invoice.number),
    }
}

fn credited(surplus: &SurplusRecorded) -> Posting {
    Posting {
        debit: Account::Clearing(surplus.payment.provider.clone()),
        credit: surplus_account(surplus.client.as_ref()),
        amount: surplus.amount,
        description: format!("Surplus of payment {}: {}", surplus.payment.transaction_id, surplus.reason),
    }
}

fn released(reopened: &InvoiceReopened) -> Posting {
    let (payment, reason) = (&reopened.payment, reopened.reason);
    Posting {
        debit: Account::Receivable(reopened.client.id),
        credit: Account::Clearing(payment.provider.clone()),
        amount: reopened.released,
        description: format!(
            "Payment {} taken back from invoice {}: {reason}",
            payment.transaction_id, reopened.invoice.number
        ),
    }
}

fn debited(reduced: &SurplusReduced) -> Posting {
    Posting {
        debit: surplus_account(reduced.client.as_ref()),
        credit: Account::Clearing(reduced.payment.provider.clone()),
        amount: reduced.amount,
        description: format!("Surplus of payment {} reduced: {}", reduced.payment.transaction_id, reduced.reason),
    }
}

fn surplus_account(client: Option<&ClientDetails>) -> Account {
    client.map_or(Account::Suspense, |client| Account::Credit(client.id))
}
