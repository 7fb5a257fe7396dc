//! What speaks for an invoice and against it: each sign with its weight and in words.

use chrono::TimeDelta;

use super::text::{self, Certainty};
use super::{BankLine, NameSimilarity, OpenClaim, OpenItem, likeness, weights};
use crate::creditor_reference::{CreditorReference, number_key, number_keys};
use crate::id::PaymentId;
use crate::money::{Money, MoneyError};

/// Money arrives before an invoice is issued only if that was agreed; longer ahead it is for something else.
const AHEAD_MAX: TimeDelta = TimeDelta::days(31);

/// One sign: what it is worth and what it says.
pub(super) type Signal = (i16, String);

/// What a line names, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedReferences {
    pub(super) references: Vec<CreditorReference>,
    /// Of fields of their own, as numbers are looked up.
    pub(super) documents: Vec<String>,
    pub(super) numbers: Vec<(String, Certainty)>,
    pub(super) payments: Vec<String>,
}

/// How a line names an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvoiceMention {
    pub(super) sign: Signal,
    pub(super) is_sure: bool,
    /// The claim whose name it bears.
    pub(super) payment_id: Option<PaymentId>,
}

/// How the payer and the invoice's client go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayerMatch {
    Account,
    Name,
    SimilarName,
    Unknown,
    OtherName,
    OtherClient,
}

/// How the amount and what is left to pay go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AmountMatch {
    /// It is what is left to pay.
    Fits,
    /// It would be, but for fees of so much.
    LessFee(Money),
    /// So much is left to pay afterwards.
    Part(Money),
    /// It is so much more than what is left to pay.
    Over(Money),
    /// The invoice is paid or void, and this is its total once more.
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

    /// How the line names the debt, by the surest sign.
    pub(super) fn of_debt(&self, line: &BankLine, debt: &OpenItem, claims: &[OpenClaim]) -> Option<InvoiceMention> {
        let sure = |sign: Signal| InvoiceMention { sign, is_sure: true, payment_id: None };
        let (keys, reference) = (number_keys(&debt.number), CreditorReference::of_number(&debt.number));
        if let Some(reference) = reference.filter(|reference| self.references.contains(reference)) {
            return Some(sure((
                weights::REFERENCE,
                format!("it carries {reference}, the reference of {}", debt.number),
            )));
        }
        if let Some(claim) = claims.iter().find(|claim| self.proves(line, debt, claim)) {
            let reason = format!("it names {}, which was claimed to pay {}", claim.name, debt.number);
            return Some(InvoiceMention { payment_id: Some(claim.payment_id), ..sure((weights::CLAIM, reason)) });
        }
        if self.documents.iter().any(|document| keys.contains(document)) {
            return Some(sure((weights::DOCUMENT, format!("it names the document {}", debt.number))));
        }
        let strength =
            self.numbers.iter().filter(|(number, _)| keys.contains(number)).map(|(_, strength)| *strength).max()?;
        Some(match strength {
            Certainty::Sure => sure((weights::NUMBER, format!("its text names {}", debt.number))),
            Certainty::Weak => InvoiceMention {
                sign: (weights::NUMBER_IN_PIECES, format!("its text may name {}", debt.number)),
                is_sure: false,
                payment_id: None,
            },
        })
    }

    /// Whether the line is the transfer that somebody claims: its name and its amount. Anybody may claim a name that is a
    /// common word or a date, so within a text it counts only if the claimant paid.
    fn proves(&self, line: &BankLine, debt: &OpenItem, claim: &OpenClaim) -> bool {
        let is_all = line.texts.iter().any(|text| text.trim() == claim.name);
        let is_theirs = || {
            matches!(PayerMatch::compare(line, debt), PayerMatch::Name | PayerMatch::Account | PayerMatch::SimilarName)
        };
        claim.invoice_id == debt.invoice_id
            && claim.amount == Money::from(line.amount)
            && self.payments.contains(&claim.name)
            && (is_all || is_theirs())
    }
}

impl PayerMatch {
    pub(super) fn compare(line: &BankLine, debt: &OpenItem) -> Self {
        // They were looked up by what of names counts.
        if line.clients_by_name.contains(&debt.client_id) {
            return Self::Name;
        }
        let by_name = line.payer.as_deref().map(|payer| likeness(payer, &debt.client));
        match by_name {
            Some(NameSimilarity::Same) => return Self::Name,
            _ if line.clients_by_account.contains(&debt.client_id) => return Self::Account,
            Some(NameSimilarity::Similar) => return Self::SimilarName,
            _ => {}
        }
        if !line.clients_by_account.is_empty() || !line.clients_by_name.is_empty() {
            return Self::OtherClient;
        }
        by_name.map_or(Self::Unknown, |_| Self::OtherName)
    }

    /// Whether the payer is the client, or paid for them before.
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

    /// Whether it pays what is left, fees apart.
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
            Self::Again => (weights::TOTAL, "nothing is left to pay: it is the total once more".to_owned()),
            Self::NothingLeft => (weights::NOTHING_LEFT, "nothing is left to pay".to_owned()),
            Self::OtherCurrency => (weights::OTHER_CURRENCY, "the invoice is in another currency".to_owned()),
        }
    }
}

/// Money that came before the invoice: by any day if nothing names the invoice, long before if something does.
pub(super) fn too_early(line: &BankLine, debt: &OpenItem, is_named: bool) -> Option<Signal> {
    let ahead = if is_named { AHEAD_MAX } else { TimeDelta::zero() };
    (debt.issued_on - line.booked_on > ahead).then(|| (weights::TOO_EARLY, "it came before the invoice".to_owned()))
}
