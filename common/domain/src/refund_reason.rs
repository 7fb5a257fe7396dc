//! Why money is given back, and what that means for the invoice and the books.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::stored_name;

/// Why a refund is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The client's credit is paid out: of a credit note, or of money that no invoice took.
    Credited,
    /// Given away, without a credit note.
    Goodwill,
    /// The client paid twice.
    Duplicate,
    /// The payer took the money back through a dispute.
    Chargeback,
    /// The payer's bank took the money back.
    ReturnedByBank,
    /// Nobody has said why.
    #[default]
    Unspecified,
}

stored_name!(RefundReason {
    Credited => "credited",
    Goodwill => "goodwill",
    Duplicate => "duplicate",
    Chargeback => "chargeback",
    ReturnedByBank => "returned_by_bank",
    Unspecified => "unspecified",
});

/// Where refunded money comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundEffect {
    /// From what the payment paid: the invoice is owed again.
    Reopens,
    /// From the client's credit, which may become negative; the invoice stays paid.
    TakesCredit,
    /// From our own pocket: an expense; invoice and credit stay as they are.
    Goodwill,
}

/// Why a refund was made, and whether somebody said that its invoice is owed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RefundTerms {
    /// Why.
    pub reason: RefundReason,
    /// The invoice is owed again, whatever the reason.
    pub reopens: bool,
}

impl RefundTerms {
    /// What the refund does to invoice and credit.
    #[must_use]
    pub const fn effect(self) -> RefundEffect {
        match self.reason {
            _ if self.reopens => RefundEffect::Reopens,
            RefundReason::Chargeback | RefundReason::ReturnedByBank => RefundEffect::Reopens,
            RefundReason::Goodwill => RefundEffect::Goodwill,
            RefundReason::Credited | RefundReason::Duplicate | RefundReason::Unspecified => RefundEffect::TakesCredit,
        }
    }

    /// Whether somebody still has to say what the refund is.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        *self == Self::default()
    }
}

/// The terms of a payment's refunds, by their movement. A refund that is not listed was first seen at the gateway: nobody
/// has said why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefundTermsByMovement(BTreeMap<String, RefundTerms>);

impl RefundTermsByMovement {
    /// The terms of one refund.
    #[must_use]
    pub fn get(&self, movement: &str) -> RefundTerms {
        self.0.get(movement).copied().unwrap_or_default()
    }

    /// Says what a refund's terms are; what is said later counts.
    pub fn insert(&mut self, movement: String, terms: RefundTerms) {
        self.0.insert(movement, terms);
    }

    /// Takes over the terms of a payment that is merged into this one; what is known of this one stays.
    pub fn merge(&mut self, other: Self) {
        for (movement, terms) in other.0 {
            self.0.entry(movement).or_insert(terms);
        }
    }
}

impl FromIterator<(String, RefundTerms)> for RefundTermsByMovement {
    fn from_iter<T: IntoIterator<Item = (String, RefundTerms)>>(terms: T) -> Self {
        Self(terms.into_iter().collect())
    }
}
