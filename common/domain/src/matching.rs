//! Matches bank lines to invoices, with a score and a reason.
//!
//! Precision takes priority over recall: a wrong match costs more than a case. So a number in a text is never
//! sufficient on its own (people mistype it, and the next number is another client's invoice); the amount or the payer
//! has to support it. Only a creditor reference is sufficient alone, because its check digits reveal typing errors. Any
//! contradiction (the payer is another client, the text names another invoice) makes it a case.
//!
//! For the scores see [`weights`]. From [`THRESHOLD`] up a line is matched; below it staff decide, with the best
//! candidates shown.

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

/// The minimum score of a match; below it staff decide.
pub const THRESHOLD: u8 = 70;

/// The maximum number of candidates shown to staff.
pub const CANDIDATES_MAX: usize = 5;

/// A bank's report of incoming money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankLine {
    /// The booked amount.
    pub amount: PositiveMoney,
    /// The amount that the payer sent, before banks deducted their fees.
    pub sent: Option<Money>,
    /// When it was booked.
    pub booked_on: NaiveDate,
    /// References in dedicated fields: creditor references, document numbers.
    pub references: Vec<String>,
    /// Free text: remittance information, the payer's end-to-end id.
    pub texts: Vec<String>,
    /// The payer's name, as the bank reports it.
    pub payer: Option<String>,
    /// Clients for whom earlier payments came from the payer's account.
    pub clients_by_account: BTreeSet<ClientId>,
    /// Clients with the payer's name.
    pub clients_by_name: BTreeSet<ClientId>,
}

impl BankLine {
    /// The keys to look up before calling [`find`].
    #[must_use]
    pub fn keys(&self) -> LookupKeys {
        let naming = NamedReferences::read(self);
        let of_references = naming.references.iter().map(|reference| reference.body().to_owned());
        let mentioned = naming.numbers.iter().map(|(number, _)| number.clone());
        let numbers = naming.documents.iter().cloned().chain(of_references).chain(mentioned).collect();
        let payer = self.payer.as_deref().map(name_key).filter(|key| !key.is_empty());
        LookupKeys { numbers, payments: naming.payments.iter().cloned().collect(), payer, naming }
    }

    /// The creditor references of the line, from the dedicated field or the text.
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
    /// The client who owes it.
    pub client_id: ClientId,
    /// The client's name.
    pub client: String,
    /// Its total.
    pub total: Money,
    /// The outstanding amount; zero if it is paid or void.
    pub outstanding: Money,
    /// Date of issue.
    pub issued_on: NaiveDate,
}

/// A claimed payment that no evidence proves yet.
#[derive(Debug, Clone)]
pub struct OpenClaim {
    /// The payment.
    pub payment_id: PaymentId,
    /// The payer's reference of the payment, without its provider.
    pub name: String,
    /// The claimed amount.
    pub amount: Money,
    /// The claimed invoice.
    pub invoice_id: InvoiceId,
}

/// The keys to look up for a line, as read from the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupKeys {
    /// Invoice numbers, normalised by [`number_key`](crate::creditor_reference::number_key).
    pub numbers: BTreeSet<String>,
    /// Payment references, without their provider.
    pub payments: BTreeSet<String>,
    /// The payer's name, normalised by [`name_key`].
    pub payer: Option<String>,
    naming: NamedReferences,
}

/// The result of matching a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchResult {
    /// It settles these open items.
    Match(Match),
    /// Staff have to decide; the best candidates come first.
    Unsure(Vec<Candidate>),
}

/// The open items that a line settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The invoices, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
    /// The claim that it proves.
    pub payment_id: Option<PaymentId>,
    /// The line's text or reference that names the invoice, or the first of several; none if nothing names it.
    pub text: Option<String>,
    /// The score, from [`THRESHOLD`] to 100.
    pub score: u8,
    /// The reason, as text for people.
    pub reason: String,
}

/// An open item that a line may settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// The score, from 0 to 100.
    pub score: u8,
    /// The signals for and against it, as text for people.
    pub reason: String,
}
