//! Which invoices a bank line pays, with a score and the reason in words.
//!
//! Precision comes before recall: a wrong match costs more than a case. So a number in a text is never enough by itself
//! (people mistype it, and the next number is another client's invoice); it needs the amount or the payer beside it. Only
//! a creditor reference, whose check digits tell a slip of the pen, stands alone. Whatever contradicts a match (the payer
//! is another client, the text names another invoice) makes it a case.
//!
//! The scores: see [`weights`]. From [`THRESHOLD`] up a line is matched, below it staff decide, with the best candidates.

mod finding;
mod names;
mod signs;
mod text;
pub mod weights;

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::creditor_reference::CreditorReference;
use crate::id::{ClientId, InvoiceId, PaymentId};
use crate::money::{Money, PositiveMoney};

pub use finding::find;
pub use names::{NameSimilarity, likeness, name_key};
use signs::NamedReferences;

/// A line whose best match has less is left to staff.
pub const THRESHOLD: u8 = 70;

/// So many candidates are shown to staff.
pub const CANDIDATES_MAX: usize = 5;

/// What a bank tells of money that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankLine {
    /// How much was booked.
    pub amount: PositiveMoney,
    /// How much the payer sent, before banks took their fees.
    pub sent: Option<Money>,
    /// When it was booked.
    pub booked_on: NaiveDate,
    /// References in fields of their own: creditor references, numbers of documents.
    pub references: Vec<String>,
    /// Free text: remittance information, the payer's own end-to-end id.
    pub texts: Vec<String>,
    /// Who paid, as the bank knows them.
    pub payer: Option<String>,
    /// Clients whose payments came from the payer's account before.
    pub clients_by_account: BTreeSet<ClientId>,
    /// Clients who bear the payer's name.
    pub clients_by_name: BTreeSet<ClientId>,
}

impl BankLine {
    /// What is to be looked up before [`find`] can say anything.
    #[must_use]
    pub fn keys(&self) -> LookupKeys {
        let naming = NamedReferences::read(self);
        let of_references = naming.references.iter().map(|reference| reference.body().to_owned());
        let mentioned = naming.numbers.iter().map(|(number, _)| number.clone());
        let numbers = naming.documents.iter().cloned().chain(of_references).chain(mentioned).collect();
        let payer = self.payer.as_deref().map(name_key).filter(|key| !key.is_empty());
        LookupKeys { numbers, payments: naming.payments.iter().cloned().collect(), payer, naming }
    }

    /// The creditor references that it carries, in their field or in the text.
    fn creditor_references(&self) -> Vec<CreditorReference> {
        self.references.iter().chain(&self.texts).flat_map(|text| text::creditor_references(text)).collect()
    }
}

/// An invoice that a line may pay.
#[derive(Debug, Clone)]
pub struct OpenItem {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub client_id: ClientId,
    /// Their name.
    pub client: String,
    /// What it is about.
    pub total: Money,
    /// What is left to pay; zero if it is paid or void.
    pub outstanding: Money,
    /// When it was issued.
    pub issued_on: NaiveDate,
}

/// A payment that somebody says they made and that nothing proves yet.
#[derive(Debug, Clone)]
pub struct OpenClaim {
    /// The payment.
    pub payment_id: PaymentId,
    /// The name that the payer gave it, without its provider.
    pub name: String,
    /// How much they say they paid.
    pub amount: Money,
    /// What they say it pays.
    pub invoice_id: InvoiceId,
}

/// What is to be looked up to match a line, and what was read to say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupKeys {
    /// Numbers of invoices, as [`number_key`](crate::creditor_reference::number_key) writes them.
    pub numbers: BTreeSet<String>,
    /// Names of payments, without their provider.
    pub payments: BTreeSet<String>,
    /// The payer, as [`name_key`] writes it.
    pub payer: Option<String>,
    naming: NamedReferences,
}

/// What was found out about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchResult {
    /// It pays these.
    Match(Match),
    /// Staff have to say; the best candidates first.
    Unsure(Vec<Candidate>),
}

/// What a line pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The invoices, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// The claim that it proves.
    pub payment_id: Option<PaymentId>,
    /// The text or reference of the line that names the invoice, or the first of several; none if nothing names it.
    pub text: Option<String>,
    /// How sure it is, from [`THRESHOLD`] to 100.
    pub score: u8,
    /// Why, in words.
    pub reason: String,
}

/// What a line may pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// How sure it is, from 0 to 100.
    pub score: u8,
    /// What speaks for it and against it, in words.
    pub reason: String,
}
