//! Adjustments of the money at a provider that only finance learns of: fees, and rounding differences in payouts.

use crate::money::{Money, PositiveMoney};
use crate::names::stored_name;

use rust_decimal::Decimal;

/// The largest rounding difference, in the currency's smallest units; a larger difference has another cause.
pub const ROUNDING_UNITS_MAX: i64 = 100;

/// The kind of an adjustment of the money at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentKind {
    /// The provider charged a fee.
    Fee,
    /// The provider refunded a fee.
    FeeReturned,
    /// Less was paid out than was collected, because of rounding.
    RoundingLoss,
    /// More was paid out than was collected, because of rounding.
    RoundingGain,
}

stored_name!(AdjustmentKind {
    Fee => "fee",
    FeeReturned => "fee_returned",
    RoundingLoss => "rounding_loss",
    RoundingGain => "rounding_gain",
});

impl AdjustmentKind {
    /// Whether it reduces what the provider owes us.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Fee | Self::RoundingLoss)
    }

    /// Whether the amount is plausible for the kind: rounding differences are small.
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
