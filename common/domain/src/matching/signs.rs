//! Signals for and against an invoice, each with its weight and its wording.

use chrono::TimeDelta;

use super::text::{self, Certainty};
use super::{BankLine, NameSimilarity, OpenClaim, OpenItem, likeness, weights};
use crate::creditor_reference::{CreditorReference, number_key, number_keys};
use crate::id::PaymentId;
use crate::money::{Money, MoneyError};

/// Money arrives before an invoice is issued only by agreement; if it arrives earlier than this, it is for something
/// else.
const AHEAD_MAX: TimeDelta = TimeDelta::days(31);

/// A signal: its weight and its wording.
pub(super) type Signal = (i16, String);

/// The references in a line, parsed once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedReferences {
    pub(super) references: Vec<CreditorReference>,
    /// Numbers from dedicated fields, in lookup form.
    pub(super) documents: Vec<String>,
    pub(super) numbers: Vec<(String, Certainty)>,
    pub(super) payments: Vec<String>,
}

/// How a line names an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvoiceMention {
    pub(super) sign: Signal,
    pub(super) is_sure: bool,
    /// The claim whose reference it carries.
    pub(super) payment_id: Option<PaymentId>,
}

/// How the payer relates to the invoice's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayerMatch {
    Account,
    Name,
    SimilarName,
    Unknown,
    OtherName,
    OtherClient,
}

/// How the amount compares with the outstanding amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AmountMatch {
    /// It equals the outstanding amount.
    Fits,
    /// It equals the outstanding amount less fees of this amount.
    LessFee(Money),
    /// It leaves this amount outstanding.
    Part(Money),
    /// It exceeds the outstanding amount by this amount.
    Over(Money),
    /// The invoice is paid or void, and the line repeats its total.
    Again,
    /// The invoice is paid or void.
    NothingLeft,
    OtherCurrency,
}

impl NamedReferences {
    pub(super) fn read(line: &BankLine) -> Self {
        let texts = || line.texts.iter();
        Self {
            references: line.creditor_references(),
            documents: line.references.iter().map(|reference| number_key(reference)).collect(),
            numbers: texts().flat_map(|text| text::number_mentions(text)).collect(),
            payments: texts().flat_map(|text| text::payment_names(text)).map(str::to_owned).collect(),
        }
    }

    /// How the line names the item, by the strongest reference.
    pub(super) fn of_open_item(
        &self,
        line: &BankLine,
        open_item: &OpenItem,
        claims: &[OpenClaim],
    ) -> Option<InvoiceMention> {
        let sure = |sign: Signal| InvoiceMention { sign, is_sure: true, payment_id: None };
        let (keys, reference) = (number_keys(&open_item.number), CreditorReference::of_number(&open_item.number));
        if let Some(reference) = reference.filter(|reference| self.references.contains(reference)) {
            return Some(sure((
                weights::REFERENCE,
                format!("it carries {reference}, the reference of {}", open_item.number),
            )));
        }
        if let Some(claim) = claims.iter().find(|claim| self.proves(line, open_item, claim)) {
            let reason = format!("it names {}, which was claimed to pay {}", claim.name, open_item.number);
            return Some(InvoiceMention { payment_id: Some(claim.payment_id), ..sure((weights::CLAIM, reason)) });
        }
        if self.documents.iter().any(|document| keys.contains(document)) {
            return Some(sure((weights::DOCUMENT, format!("it names the document {}", open_item.number))));
        }
        let strength =
            self.numbers.iter().filter(|(number, _)| keys.contains(number)).map(|(_, strength)| *strength).max()?;
        Some(match strength {
            Certainty::Sure => sure((weights::NUMBER, format!("its text names {}", open_item.number))),
            Certainty::Weak => InvoiceMention {
                sign: (weights::NUMBER_IN_PIECES, format!("its text may name {}", open_item.number)),
                is_sure: false,
                payment_id: None,
            },
        })
    }

    /// Whether the line is the claimed transfer: it has the claim's reference and amount. Anybody can claim under a
    /// common word or a date, so a reference found within a text counts only if the claimant paid.
    fn proves(&self, line: &BankLine, open_item: &OpenItem, claim: &OpenClaim) -> bool {
        let is_all = line.texts.iter().any(|text| text.trim() == claim.name);
        let is_theirs = || {
            matches!(
                PayerMatch::compare(line, open_item),
                PayerMatch::Name | PayerMatch::Account | PayerMatch::SimilarName
            )
        };
        claim.invoice_id == open_item.invoice_id
            && claim.amount == Money::from(line.amount)
            && self.payments.contains(&claim.name)
            && (is_all || is_theirs())
    }
}

impl PayerMatch {
    pub(super) fn compare(line: &BankLine, open_item: &OpenItem) -> Self {
        // The clients were looked up by the significant part of their names.
        if line.clients_by_name.contains(&open_item.client_id) {
            return Self::Name;
        }
        let by_name = line.payer.as_deref().map(|payer| likeness(payer, &open_item.client));
        match by_name {
            Some(NameSimilarity::Same) => return Self::Name,
            _ if line.clients_by_account.contains(&open_item.client_id) => return Self::Account,
            Some(NameSimilarity::Similar) => return Self::SimilarName,
            _ => {}
        }
        if !line.clients_by_account.is_empty() || !line.clients_by_name.is_empty() {
            return Self::OtherClient;
        }
        by_name.map_or(Self::Unknown, |_| Self::OtherName)
    }

    /// Whether the payer is the client, or has paid for them before.
    pub(super) const fn is_client(self) -> bool {
        matches!(self, Self::Account | Self::Name)
    }

    pub(super) fn sign(self, client: &str) -> Signal {
        match self {
            Self::Account => (weights::ACCOUNT, format!("the account paid for {client} before")),
            Self::Name => (weights::NAME, format!("the payer is {client}")),
            Self::SimilarName => (weights::SIMILAR_NAME, format!("the payer's name is like {client}")),
            Self::Unknown => (weights::NO_PAYER, "the payer is not named".to_owned()),
            Self::OtherName => (weights::OTHER_NAME, "the payer has another name".to_owned()),
            Self::OtherClient => (weights::OTHER_CLIENT, "the payer is another client".to_owned()),
        }
    }
}

impl AmountMatch {
    pub(super) fn compare(line: &BankLine, due: Money, total: Money) -> Result<Self, MoneyError> {
        let amount = Money::from(line.amount);
        if amount.currency() != due.currency() {
            return Ok(Self::OtherCurrency);
        }
        if due.is_zero() {
            return Ok(if amount == total { Self::Again } else { Self::NothingLeft });
        }
        let missing = due.checked_sub(amount)?;
        Ok(if missing.is_zero() {
            Self::Fits
        } else if line.sent == Some(due) && missing.is_positive() {
            Self::LessFee(missing)
        } else if missing.is_positive() {
            Self::Part(missing)
        } else {
            Self::Over(missing.negated())
        })
    }

    /// Whether it pays the outstanding amount, apart from fees.
    pub(super) const fn fits(self) -> bool {
        matches!(self, Self::Fits | Self::LessFee(_))
    }

    pub(super) fn sign(self) -> Signal {
        match self {
            Self::Fits => (weights::AMOUNT, "the amount is what is left to pay".to_owned()),
            Self::LessFee(fee) => {
                (weights::AMOUNT_LESS_FEE, format!("the amount is what is left to pay less {fee}, which banks took"))
            }
            Self::Part(missing) => (0, format!("it leaves {missing} to pay")),
            Self::Over(more) => (weights::TOO_MUCH, format!("it is {more} more than what is left to pay")),
            Self::Again => (weights::TOTAL, "nothing is left to pay; the amount is the total again".to_owned()),
            Self::NothingLeft => (weights::NOTHING_LEFT, "nothing is left to pay".to_owned()),
            Self::OtherCurrency => (weights::OTHER_CURRENCY, "the invoice is in another currency".to_owned()),
        }
    }
}

/// Whether the money came before the invoice: by any number of days if nothing names the invoice, long before if
/// something does.
pub(super) fn too_early(line: &BankLine, open_item: &OpenItem, is_named: bool) -> Option<Signal> {
    let ahead = if is_named { AHEAD_MAX } else { TimeDelta::zero() };
    (open_item.issued_on - line.booked_on > ahead)
        .then(|| (weights::TOO_EARLY, "it came before the invoice".to_owned()))
}
