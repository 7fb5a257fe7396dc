//! The structured reference in a payer's remittance that identifies the invoice (ISO 11649, "RF Creditor Reference").

use std::fmt;
use std::str::FromStr;

/// Length of `RF` and the two check digits.
const HEAD_LENGTH: usize = 4;

/// The maximum number of characters after the check digits (ISO 11649:2009, clause 5).
pub const BODY_LENGTH_MAX: usize = 21;

/// Why a text is not a creditor reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCreditorReference {
    /// It has another format.
    #[error("a creditor reference is RF, two check digits and 1 to {BODY_LENGTH_MAX} letters and digits")]
    Shape,
    /// The check digits are wrong: it was mistyped.
    #[error("the reference's check digits are wrong; it was mistyped")]
    CheckDigits,
}

/// A creditor reference with valid check digits. Leading zeros of its body are ignored, because banks pad it with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditorReference {
    body: String,
}

impl CreditorReference {
    /// The reference of an invoice, made of its number's letters and digits. None if there are none, or too many.
    #[must_use]
    pub fn of_number(number: &str) -> Option<Self> {
        let key = number_key(number);
        let body = key.trim_start_matches('0').to_owned();
        (1..=BODY_LENGTH_MAX).contains(&body.len()).then_some(Self { body })
    }

    /// The part after the check digits, in capitals.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// 98 minus the remainder modulo 97 of the body followed by `RF00`, with letters as numbers from 10 (ISO/IEC 7064,
    /// MOD 97-10).
    fn check_digits(&self) -> u32 {
        98_u32.saturating_sub(remainder(&self.body, "RF00"))
    }
}

/// The part of an invoice number that people copy reliably: its ASCII letters and digits, in capitals.
#[must_use]
pub fn number_key(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// The lookup keys of a number: the whole number, and the number without its leading letters, which people leave out.
#[must_use]
pub fn number_keys(number: &str) -> Vec<String> {
    let whole = number_key(number);
    let bare = whole.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).to_owned();
    if bare.is_empty() || bare == whole { vec![whole] } else { vec![whole, bare] }
}

fn remainder(body: &str, head: &str) -> u32 {
    let digits = body.chars().chain(head.chars()).filter_map(|letter| letter.to_digit(36));
    digits.fold(0, |sum, value| {
        let shifted = if value < 10 { sum * 10 } else { sum * 100 };
        (shifted + value) % 97
    })
}

impl FromStr for CreditorReference {
    type Err = InvalidCreditorReference;

    /// Parses a reference as printed (in groups of four) or as sent (without spaces).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text.chars().filter(|letter| *letter != ' ').collect();
        let plain = plain.to_ascii_uppercase();
        let (Some(head), Some(body)) = (plain.get(..HEAD_LENGTH), plain.get(HEAD_LENGTH..)) else {
            return Err(InvalidCreditorReference::Shape);
        };
        let digits = head.strip_prefix("RF").ok_or(InvalidCreditorReference::Shape)?;
        let is_built_so = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=BODY_LENGTH_MAX).contains(&body.len())
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_built_so {
            return Err(InvalidCreditorReference::Shape);
        }
        let trimmed = body.trim_start_matches('0');
        if trimmed.is_empty() || remainder(body, head) != 1 {
            return Err(InvalidCreditorReference::CheckDigits);
        }
        Ok(Self { body: trimmed.to_owned() })
    }
}

impl fmt::Display for CreditorReference {
    /// Without spaces, as in payment orders.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RF{:02}{}", self.check_digits(), self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_references_are_read_and_written_as_they_are() {
        for (printed, sent) in [
            ("RF18 5390 0754 7034", "RF18539007547034"),
            ("RF18 0000 0000 0539 0075 4703 4", "RF18539007547034"),
            ("rf712348231", "RF712348231"),
        ] {
            assert_eq!(printed.parse::<CreditorReference>().unwrap().to_string(), sent);
        }
    }

    #[test]
    fn one_wrong_digit_or_letter_or_two_swapped_ones_are_noticed() {
        let right = CreditorReference::of_number("INV-2026/0001").unwrap().to_string();
        assert_eq!(right.parse::<CreditorReference>().unwrap().body(), "INV20260001");
        let letters: Vec<char> = right.chars().collect();
        let is_alike = |left: char, right: char| left.is_ascii_digit() == right.is_ascii_digit();
        let refuse = |wrong: Vec<char>| {
            let wrong: String = wrong.into_iter().collect();
            assert!(wrong == right || wrong.parse::<CreditorReference>().is_err(), "{wrong}");
        };
        for (place, letter) in letters.iter().enumerate().skip(2) {
            for other in ('0'..='9').chain('A'..='Z').filter(|other| is_alike(*letter, *other)) {
                let mut wrong = letters.clone();
                wrong[place] = other;
                refuse(wrong);
            }
            if is_alike(*letter, letters[place - 1]) {
                let mut swapped = letters.clone();
                swapped.swap(place, place - 1);
                refuse(swapped);
            }
        }
    }

    #[test]
    fn what_is_too_long_empty_or_built_otherwise_is_no_reference() {
        assert_eq!(CreditorReference::of_number("1234567890123456789012"), None);
        assert_eq!(CreditorReference::of_number("--"), None);
        for text in ["", "RF", "RF18", "DE18539007547034", "RFX8539007547034", "RF18 5390-0754", "RF18ä", "RF9700"] {
            assert!(text.parse::<CreditorReference>().is_err(), "{text}");
        }
    }
}
