//! What only finance learns of the money at a provider: fees, and differences of rounding in what is paid out.

use crate::money::{Money, PositiveMoney};
use crate::names::stored_name;

use rust_decimal::Decimal;

/// A difference of rounding is at most so many of the currency's smallest units; what is more has another cause.
pub const ROUNDING_UNITS_MAX: i64 = 100;

/// What happened to the money at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentKind {
    /// The provider kept it for its work.
    Fee,
    /// The provider gave back a fee.
    FeeReturned,
    /// Less was paid out than was taken, by rounding.
    RoundingLoss,
    /// More was paid out than was taken, by rounding.
    RoundingGain,
}

stored_name!(AdjustmentKind {
    Fee => "fee",
    FeeReturned => "fee_returned",
    RoundingLoss => "rounding_loss",
    RoundingGain => "rounding_gain",
});

impl AdjustmentKind {
    /// Whether the provider has less of ours afterwards.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Fee | Self::RoundingLoss)
    }

    /// Whether it may be so much: rounding is small.
    #[must_use]
    pub fn allows(self, amount: PositiveMoney) -> bool {
        let amount: Money = amount.into();
        let limit = Decimal::new(ROUNDING_UNITS_MAX, amount.currency().minor_digits());
        matches!(self, Self::Fee | Self::FeeReturned) || amount.amount() <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_small_in_every_currency_and_fees_may_be_any_amount() {
        for (value, currency, is_rounding) in [
            ("1.00", "EUR", true),
            ("1.01", "EUR", false),
            ("100", "JPY", true),
            ("101", "JPY", false),
            ("0.100", "KWD", true),
            ("0.101", "KWD", false),
        ] {
            let amount = Money::parse(value, currency).unwrap().positive().unwrap();
            for kind in [AdjustmentKind::RoundingLoss, AdjustmentKind::RoundingGain] {
                assert_eq!(kind.allows(amount), is_rounding, "{value} {currency}");
            }
            assert!(AdjustmentKind::Fee.allows(amount) && AdjustmentKind::FeeReturned.allows(amount));
        }
    }
}
