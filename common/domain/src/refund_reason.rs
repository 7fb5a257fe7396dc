//! Reasons of refunds, and their effect on the invoice and the books.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::stored_name;

/// The reason of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The client's credit is paid out, from a credit note or from unapplied cash.
    Credited,
    /// A refund without a credit note, as goodwill.
    Goodwill,
    /// The client paid twice.
    Duplicate,
    /// The payer took the money back through a dispute.
    Chargeback,
    /// The payer's bank took the money back.
    ReturnedByBank,
    /// The reason is unknown.
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

/// The source of refunded money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundEffect {
    /// The payment's allocations: the invoice is owed again.
    Reopens,
    /// The client's credit, which may become negative; the invoice stays paid.
    TakesCredit,
    /// Our own funds, as an expense; invoice and credit do not change.
    Goodwill,
}

/// The reason of a refund, and whether it was explicitly stated that the invoice is owed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RefundTerms {
    /// The reason.
    pub reason: RefundReason,
    /// The invoice is owed again, regardless of the reason.
    pub reopens: bool,
}

impl RefundTerms {
    /// The effect of the refund on invoice and credit.
    #[must_use]
    pub const fn effect(self) -> RefundEffect {
        match self.reason {
            _ if self.reopens => RefundEffect::Reopens,
            RefundReason::Chargeback | RefundReason::ReturnedByBank => RefundEffect::Reopens,
            RefundReason::Goodwill => RefundEffect::Goodwill,
            RefundReason::Credited | RefundReason::Duplicate | RefundReason::Unspecified => RefundEffect::TakesCredit,
        }
    }

    /// Whether staff still have to give the reason.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        *self == Self::default()
    }
}

/// The terms of a payment's refunds, by movement. A refund without an entry was first seen at the gateway, and its
/// reason is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefundTermsByMovement(BTreeMap<String, RefundTerms>);

impl RefundTermsByMovement {
    /// The terms of one refund.
    #[must_use]
    pub fn get(&self, movement: &str) -> RefundTerms {
        self.0.get(movement).copied().unwrap_or_default()
    }

    /// Sets the terms of a refund; later terms replace earlier ones.
    pub fn insert(&mut self, movement: String, terms: RefundTerms) {
        self.0.insert(movement, terms);
    }

    /// Adds the terms of a payment that is merged into this one; this payment's own terms take precedence.
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
