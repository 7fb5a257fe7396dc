//! Tax on an invoice's lines, calculated by rate rather than by line (EN 16931-1).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api_schema::text_schema;
use crate::money::{Currency, Money, MoneyError};

/// A rate in percent, from 0 to 100, with at most two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaxPercent(Decimal);

/// The text or number is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a percentage from 0 to 100 with at most two decimals, as in \"19\" or \"5.5\"")]
pub struct InvalidTaxPercent;

impl Serialize for TaxPercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for TaxPercent {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^(100(\.0{1,2})?|(0|[1-9][0-9]?)(\.[0-9]{1,2})?)$";
        text_schema(pattern, "A rate in percent, from 0 to 100, with at most two decimals.", "19")
    }
}

impl ToSchema for TaxPercent {}

impl TaxPercent {
    /// The percentage.
    #[must_use]
    pub const fn value(self) -> Decimal {
        self.0
    }
}

impl TryFrom<Decimal> for TaxPercent {
    type Error = InvalidTaxPercent;

    fn try_from(percent: Decimal) -> Result<Self, Self::Error> {
        let percent = percent.normalize();
        let is_rate = (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&percent) && percent.scale() <= 2;
        is_rate.then_some(Self(percent)).ok_or(InvalidTaxPercent)
    }
}

impl FromStr for TaxPercent {
    type Err = InvalidTaxPercent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As in JSON numbers: no leading zeros, and digits on both sides of the point.
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_canonical = whole == "0" || !whole.starts_with('0');
        if !is_digits(whole) || !is_canonical || !fraction.is_none_or(is_digits) {
            return Err(InvalidTaxPercent);
        }
        Decimal::from_str_exact(text).map_err(|_| InvalidTaxPercent)?.try_into()
    }
}

impl fmt::Display for TaxPercent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The tax of one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateTax {
    /// The rate.
    pub percent: TaxPercent,
    /// The sum of the rate's net amounts.
    pub net: Money,
    /// The tax on them.
    pub tax: Money,
}

/// The tax on net amounts, for all rates together (EN 16931-1, BR-CO-14).
///
/// # Errors
/// [`MoneyError`] if a sum is too large or the currencies differ.
pub fn tax(currency: Currency, amounts: impl IntoIterator<Item = (Money, TaxPercent)>) -> Result<Money, MoneyError> {
    let rates = taxes(currency, amounts)?;
    rates.into_iter().try_fold(Money::zero(currency), |sum, rate| sum.checked_add(rate.tax))
}

/// The tax on net amounts: for each rate, the sum of its amounts times the rate, rounded half up to the currency's
/// decimals (EN 16931-1, BR-CO-17). Ordered by rate.
///
/// # Errors
/// [`MoneyError`] if a sum is too large or the currencies differ.
pub fn taxes(
    currency: Currency,
    amounts: impl IntoIterator<Item = (Money, TaxPercent)>,
) -> Result<Vec<RateTax>, MoneyError> {
    let mut taxable: BTreeMap<TaxPercent, Money> = BTreeMap::new();
    for (amount, percent) in amounts {
        let sum = taxable.entry(percent).or_insert_with(|| Money::zero(currency));
        *sum = sum.checked_add(amount)?;
    }
    let of_rate = |(percent, net): (TaxPercent, Money)| {
        let exact = net.amount().checked_mul(percent.value()).ok_or(MoneyError::Overflow)?;
        let exact = exact.checked_div(Decimal::ONE_HUNDRED).ok_or(MoneyError::Overflow)?;
        let rounded = exact.round_dp_with_strategy(currency.minor_digits(), RoundingStrategy::MidpointAwayFromZero);
        Ok(RateTax { percent, net, tax: Money::new(rounded, currency)? })
    };
    taxable.into_iter().map(of_rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taxed(currency: &str, amounts: &[(&str, &str)]) -> String {
        let money = |value: &str| Money::parse(value, currency).unwrap();
        let amounts = amounts.iter().map(|(value, percent)| (money(value), percent.parse().unwrap()));
        tax(currency.parse().unwrap(), amounts).unwrap().to_string()
    }

    #[test]
    fn tax_is_rounded_once_for_each_rate() {
        assert_eq!(taxed("EUR", &[("0.10", "19"), ("0.10", "19"), ("0.10", "19")]), "0.06 EUR", "not three times 0.02");
        assert_eq!(taxed("EUR", &[("10.50", "19"), ("10.50", "7")]), "2.74 EUR", "2.00 and 0.74, half up");
        assert_eq!(taxed("JPY", &[("105", "10")]), "11 JPY");
        assert_eq!(taxed("KWD", &[("1.005", "5")]), "0.050 KWD");
        assert_eq!(taxed("EUR", &[]), "0.00 EUR");
    }

    #[test]
    fn a_rate_is_a_percentage() {
        for text in ["0", "19", "5.5", "7.00", "100"] {
            assert!(text.parse::<TaxPercent>().is_ok(), "{text}");
        }
        for text in ["0019", "00", ".5", "5.", "", "-1", "100.01", "1.005", "19%", "1e1", "+5"] {
            assert!(text.parse::<TaxPercent>().is_err(), "{text}");
        }
    }
}
