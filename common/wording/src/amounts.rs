//! Formats amounts of money for the readers of a language.

use fixed_decimal::Decimal as Digits;
use icu_decimal::DecimalFormatter;
use quittance_domain::language::Language;
use quittance_domain::money::Money;
use rust_decimal::Decimal;

use crate::words;

/// `EUR 1,234.50` or `1.234,50 EUR`: with the currency's code, because several currencies share a symbol, and grouped
/// digits. The digits are the amount's own: none passes through a float.
#[must_use]
pub fn amount(language: Language, money: Money) -> String {
    let number = number(language, money.amount());
    words(language).fill("format.amount", &[("currency", money.currency().code()), ("number", &number)])
}

/// `1,234.50` or `1.234,50`, with the number's decimals.
#[must_use]
pub fn number(language: Language, number: Decimal) -> String {
    let plain = number.to_string();
    let formatter = DecimalFormatter::try_new(words(language).locale().into(), Default::default()).ok();
    let number = formatter.zip(plain.parse::<Digits>().ok());
    let number = number.map(|(formatter, number)| formatter.format(&number).to_string());
    // Only a text that is not a number has no such form, and an amount is one.
    number.unwrap_or(plain)
}

/// `19%` or `5,5 %`.
#[must_use]
pub fn percent(language: Language, percent: Decimal) -> String {
    words(language).fill("format.percent", &[("number", &number(language, percent.normalize()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(language: &str, value: &str, currency: &str) -> String {
        let text = amount(language.parse().unwrap(), Money::parse(value, currency).unwrap());
        // A non-breaking space keeps number and currency on one line.
        assert!(text.contains('\u{a0}') && !text.contains(' '), "{text:?}");
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn amounts_have_groups_and_the_currencys_own_decimals() {
        for (value, currency, english, german) in [
            ("1234.5", "EUR", "EUR 1,234.50", "1.234,50 EUR"),
            ("0.05", "EUR", "EUR 0.05", "0,05 EUR"),
            ("999", "JPY", "JPY 999", "999 JPY"),
            ("-1000", "KWD", "KWD -1,000.000", "-1.000,000 KWD"),
            ("99999999999", "EUR", "EUR 99,999,999,999.00", "99.999.999.999,00 EUR"),
        ] {
            assert_eq!(written("en", value, currency), english);
            assert_eq!(written("de", value, currency), german);
        }
    }

    #[test]
    fn a_percentage_has_the_decimals_that_it_has() {
        let [whole, part] = ["19.00", "5.50"].map(|text| text.parse().unwrap());
        let german = "de".parse().unwrap();
        assert_eq!([percent(Language::ENGLISH, whole), percent(german, part)], ["19%", "5,5\u{a0}%"]);
    }

    #[test]
    fn no_digit_of_a_sum_is_lost() {
        let sum = Money::sum("1234567890123456789012.34".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
        let text = amount(Language::ENGLISH, sum);
        assert_eq!(text, "EUR\u{a0}1,234,567,890,123,456,789,012.34");
    }
}
