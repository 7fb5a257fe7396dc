//! Exact amounts of money: a decimal and its ISO 4217 currency.

mod currency;

use std::fmt;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::{PartialSchema, ToSchema};

use crate::api_schema::money_schema;

pub use currency::Currency;

/// The largest amount accepted in one request or line, in major units of any currency: far above a B2B invoice, far
/// below what `numeric(20, 4)` holds, so that sums of thousands of amounts stay exact.
pub const AMOUNT_MAX: Decimal = Decimal::from_parts(1_215_752_191, 23, 0, false, 0);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The code is not a current ISO 4217 currency with a minor unit.
    #[error("`{0}` is not an ISO 4217 currency code in which amounts can be stored")]
    UnknownCurrency(String),
    /// The text is not a plain decimal such as `100.00`.
    #[error("`{0}` is not a decimal amount; write digits with an optional point, as in \"100.00\"")]
    NotADecimal(String),
    /// More decimals than the currency has.
    #[error("`{value}` has more than the {minor_digits} decimals that {currency} has")]
    TooManyDecimals {
        /// The amount as written.
        value: String,
        /// ISO 4217 code.
        currency: Currency,
        /// Decimals of the currency's minor unit.
        minor_digits: u32,
    },
    /// Beyond [`AMOUNT_MAX`] in either direction.
    #[error("`{0}` is beyond the largest amount, 99999999999")]
    TooLarge(String),
    /// Zero or negative, where only a positive amount is meaningful.
    #[error("`{0}` is not positive")]
    NotPositive(String),
    /// Amounts in two currencies.
    #[error("{0} and {1} cannot be added up")]
    CurrencyMismatch(Currency, Currency),
    /// An amount cannot be divided when all weights are zero.
    #[error("an amount cannot be divided by weights that are all zero")]
    NoWeight,
    /// The sum does not fit a decimal.
    #[error("the sum of the amounts is too large to be stored")]
    Overflow,
}

/// An amount in one currency, stored with exactly the currency's decimals. May be negative or zero.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "MoneyText", try_from = "MoneyText")]
#[schemars(with = "MoneyText")]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

/// The JSON form of money: the value is a string, so that no reader parses it as a float.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Money")]
struct MoneyText {
    #[schemars(regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    value: String,
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    currency: String,
}

impl PartialSchema for Money {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        money_schema(r"^-?[0-9]+(\.[0-9]+)?$", "An exact amount of money; may be zero or negative.")
    }
}

impl ToSchema for Money {}

impl Money {
    /// An amount with the currency's decimals.
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] if digits would be lost, [`MoneyError::TooLarge`] beyond [`AMOUNT_MAX`].
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let money = Self::sum(amount, currency)?;
        if amount.abs() > AMOUNT_MAX {
            return Err(MoneyError::TooLarge(amount.to_string()));
        }
        Ok(money)
    }

    /// A sum of amounts, which may exceed the maximum of a single amount.
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] if digits would be lost.
    pub fn sum(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let minor_digits = currency.minor_digits();
        if amount.normalize().scale() > minor_digits {
            return Err(MoneyError::TooManyDecimals { value: amount.to_string(), currency, minor_digits });
        }
        Ok(Self::exact(amount, currency))
    }

    /// Converts a sum that is known to have no more than the currency's decimals.
    fn exact(mut amount: Decimal, currency: Currency) -> Self {
        amount.rescale(currency.minor_digits());
        Self { amount, currency }
    }

    /// Parses the value and the currency code as people and gateways write them.
    ///
    /// # Errors
    /// Any [`MoneyError`] except the arithmetic ones; signs other than a leading `-`, exponents and separators are
    /// refused.
    pub fn parse(value: &str, currency: &str) -> Result<Self, MoneyError> {
        let currency = currency.parse::<Currency>()?;
        let shown = || value.chars().take(40).collect::<String>();
        let digits = value.strip_prefix('-').unwrap_or(value);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(MoneyError::NotADecimal(shown()));
        }
        let amount = Decimal::from_str_exact(value).map_err(|_| MoneyError::TooLarge(shown()))?;
        Self::new(amount, currency)
    }

    /// Converts an amount in minor units (cents), as card gateways send it.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] beyond [`AMOUNT_MAX`].
    pub fn from_minor_units(units: i64, currency: Currency) -> Result<Self, MoneyError> {
        Self::scaled(units, currency.minor_digits(), currency)
    }

    /// Converts an amount in units of `10^-decimals`, for gateways with their own scale for a currency.
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] if the currency does not support the amount's precision,
    /// [`MoneyError::TooLarge`] beyond [`AMOUNT_MAX`].
    pub fn scaled(units: i64, decimals: u32, currency: Currency) -> Result<Self, MoneyError> {
        let amount = Decimal::try_new(units, decimals).map_err(|_| MoneyError::Overflow)?;
        Self::new(amount, currency)
    }

    /// The amount in units of `10^-decimals`, the reverse of [`Self::scaled`].
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] if it is not a whole number of them.
    pub fn in_units(self, decimals: u32) -> Result<i64, MoneyError> {
        let unit = Decimal::try_new(1, decimals).map_err(|_| MoneyError::Overflow)?;
        let units = self.amount.checked_div(unit).ok_or(MoneyError::Overflow)?.normalize();
        if units.scale() > 0 {
            return Err(MoneyError::TooManyDecimals {
                value: self.amount.to_string(),
                currency: self.currency,
                minor_digits: decimals,
            });
        }
        i64::try_from(units.mantissa()).map_err(|_| MoneyError::Overflow)
    }

    /// Zero in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::exact(Decimal::ZERO, currency)
    }

    /// The same amount, if it is above zero.
    ///
    /// # Errors
    /// [`MoneyError::NotPositive`] otherwise.
    pub fn positive(self) -> Result<PositiveMoney, MoneyError> {
        PositiveMoney::try_from(self)
    }

    /// The amount in major units, with the currency's decimals.
    #[must_use]
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// Whether the amount is above zero.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.amount > Decimal::ZERO
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.amount < Decimal::ZERO
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self::exact(amount, self.currency))
    }

    /// The difference of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.checked_add(other.negated())
    }

    /// The amount times a whole number, such as quantity × price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] or [`MoneyError::TooLarge`].
    pub fn checked_mul(self, factor: u32) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(Decimal::from(factor)).ok_or(MoneyError::Overflow)?;
        Self::new(amount, self.currency)
    }

    /// The smaller of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`].
    pub fn smaller(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if other.amount < self.amount { other } else { self })
    }

    /// The larger of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`].
    pub fn larger(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if other.amount > self.amount { other } else { self })
    }

    /// The amount, or zero if it is negative.
    #[must_use]
    pub fn or_zero(self) -> Self {
        if self.is_negative() { Self::zero(self.currency) } else { self }
    }

    /// Divides the amount in proportion to `weights`, without losing or creating a minor unit.
    ///
    /// Remainder rule: each part is rounded towards zero to the minor unit; the remainder goes, one minor unit each, to
    /// the first parts with a weight above zero.
    ///
    /// # Errors
    /// [`MoneyError::NoWeight`] if no weight is above zero, [`MoneyError::Overflow`] if a product overflows.
    pub fn allocate(self, weights: &[u32]) -> Result<Vec<Self>, MoneyError> {
        let weight_sum = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        if weight_sum == 0 {
            return Err(MoneyError::NoWeight);
        }
        let digits = self.currency.minor_digits();
        let unit = Decimal::new(if self.is_negative() { -1 } else { 1 }, digits);
        let mut left = self.amount;
        let mut parts = Vec::with_capacity(weights.len());
        for weight in weights {
            let product = self.amount.checked_mul(Decimal::from(*weight)).ok_or(MoneyError::Overflow)?;
            let quotient = product.checked_div(Decimal::from(weight_sum)).ok_or(MoneyError::Overflow)?;
            let part = quotient.trunc_with_scale(digits);
            left = left.checked_sub(part).ok_or(MoneyError::Overflow)?;
            parts.push(part);
        }
        for (part, _) in parts.iter_mut().zip(weights).filter(|(_, weight)| **weight > 0) {
            if left.is_zero() {
                break;
            }
            *part = part.checked_add(unit).ok_or(MoneyError::Overflow)?;
            left = left.checked_sub(unit).ok_or(MoneyError::Overflow)?;
        }
        Ok(parts.into_iter().map(|part| Self::exact(part, self.currency)).collect())
    }

    /// The amount with the opposite sign.
    #[must_use]
    pub fn negated(self) -> Self {
        // A zero keeps its plus sign: "-0.00" is not an amount.
        if self.is_zero() { self } else { Self { amount: -self.amount, currency: self.currency } }
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl From<Money> for MoneyText {
    fn from(money: Money) -> Self {
        Self { value: money.amount.to_string(), currency: money.currency.code().to_owned() }
    }
}

impl TryFrom<MoneyText> for Money {
    type Error = MoneyError;

    fn try_from(text: MoneyText) -> Result<Self, Self::Error> {
        Self::parse(&text.value, &text.currency)
    }
}

/// An amount above zero: a payment, claim or refund. Parsed like [`Money`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Money", try_from = "Money")]
pub struct PositiveMoney(Money);

impl PartialSchema for PositiveMoney {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        let pattern = r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,20})?$";
        money_schema(pattern, "An exact amount of money above zero, at most 99999999999.")
    }
}

impl ToSchema for PositiveMoney {}

impl std::ops::Deref for PositiveMoney {
    type Target = Money;

    fn deref(&self) -> &Money {
        &self.0
    }
}

impl TryFrom<Money> for PositiveMoney {
    type Error = MoneyError;

    fn try_from(money: Money) -> Result<Self, Self::Error> {
        if money.is_positive() { Ok(Self(money)) } else { Err(MoneyError::NotPositive(money.amount.to_string())) }
    }
}

impl From<PositiveMoney> for Money {
    fn from(money: PositiveMoney) -> Self {
        money.0
    }
}

impl fmt::Display for PositiveMoney {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests;
