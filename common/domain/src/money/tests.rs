use proptest::prelude::*;

use super::*;

#[test]
fn an_amount_keeps_exactly_the_decimals_of_its_currency() {
    for (value, currency, kept) in
        [("100", "EUR", "100.00"), ("10.5", "EUR", "10.50"), ("7.000", "JPY", "7"), ("1.234", "KWD", "1.234")]
    {
        assert_eq!(Money::parse(value, currency).unwrap().amount().to_string(), kept);
    }
}

#[test]
fn more_decimals_than_the_currency_has_are_refused_never_rounded() {
    for (value, currency) in [("10.5", "JPY"), ("0.001", "EUR"), ("1.2345", "KWD")] {
        assert!(matches!(Money::parse(value, currency), Err(MoneyError::TooManyDecimals { .. })), "{value} {currency}");
    }
}

#[test]
fn only_plain_decimals_are_amounts() {
    for value in ["", "1e5", "+1", " 1", "1,00", "1_000", "NaN", ".5", "5.", "--1", "0x10", "١"] {
        assert!(matches!(Money::parse(value, "EUR"), Err(MoneyError::NotADecimal(_))), "{value:?}");
    }
}

#[test]
fn absurd_amounts_and_unknown_currencies_are_refused() {
    assert_eq!(AMOUNT_MAX.to_string(), "99999999999");
    assert!(Money::parse("99999999999", "EUR").is_ok());
    assert!(matches!(Money::parse("100000000000", "EUR"), Err(MoneyError::TooLarge(_))));
    for code in ["eur", "EURO", "XXX", "XAU", ""] {
        assert!(matches!(Money::parse("1", code), Err(MoneyError::UnknownCurrency(_))), "{code}");
    }
}

#[test]
fn json_writes_the_value_as_a_string_and_refuses_a_number() {
    let money = Money::parse("100", "EUR").unwrap();
    assert_eq!(serde_json::to_string(&money).unwrap(), r#"{"value":"100.00","currency":"EUR"}"#);
    assert!(serde_json::from_str::<Money>(r#"{"value":100.0,"currency":"EUR"}"#).is_err());
}

#[test]
fn what_cannot_be_divided_evenly_goes_to_the_first_parts() {
    let parts = |value: &str, currency: &str, weights: &[u32]| -> Vec<String> {
        let divided = Money::parse(value, currency).unwrap().allocate(weights).unwrap();
        divided.into_iter().map(|part| part.amount().to_string()).collect()
    };
    assert_eq!(parts("100.00", "EUR", &[1, 1, 1]), ["33.34", "33.33", "33.33"]);
    assert_eq!(parts("-100.00", "EUR", &[1, 1, 1]), ["-33.34", "-33.33", "-33.33"]);
    assert_eq!(parts("5", "JPY", &[0, 1, 1]), ["0", "3", "2"]);
    assert_eq!(Money::parse("1", "EUR").unwrap().allocate(&[0, 0]), Err(MoneyError::NoWeight));
}

proptest! {
    #[test]
    fn parts_add_up_to_the_whole(cents in -1_000_000_000_000_i64..1_000_000_000_000, weights in proptest::collection::vec(0..1_000_u32, 1..20)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let whole = Money::from_minor_units(cents, "EUR".parse().unwrap()).unwrap();
        let parts = whole.allocate(&weights).unwrap();
        let sum = parts.iter().try_fold(Money::zero(whole.currency()), |sum, part| sum.checked_add(*part)).unwrap();
        prop_assert_eq!(sum, whole);
        prop_assert!(parts.iter().zip(&weights).all(|(part, weight)| *weight > 0 || part.is_zero()));
    }

    #[test]
    fn minor_units_and_sums_are_exact(left in -1_000_000_000_000_i64..1_000_000_000_000, right in -1_000_000_000_000_i64..1_000_000_000_000) {
        let euro: Currency = "EUR".parse().unwrap();
        let sum = Money::from_minor_units(left, euro).unwrap().checked_add(Money::from_minor_units(right, euro).unwrap()).unwrap();
        prop_assert_eq!(sum, Money::exact(Decimal::new(left + right, 2), euro));
    }
}
