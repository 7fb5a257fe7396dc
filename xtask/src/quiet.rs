//! Checks that logs contain nothing confidential (I13): secrets, tokens, full account and card numbers, bodies.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    aws::{Aws, ROOT_KEY},
    stack::Stack,
};

/// A shorter secret may occur by chance.
const SECRET_LENGTH_MIN: usize = 8;

/// Texts that occur in bodies of ours and of gateways, and nowhere else in a log line.
const BODIES: [&str; 4] = ["\"specversion\"", "\\\"specversion\\\"", "\"unit_amount\"", "\\\"payment_method\\\""];

/// What logs must not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secrecy {
    /// A value of Secrets Manager.
    Secret,
    /// A bearer token (JSON Web Token, RFC 7519).
    Token,
    /// A full account number (IBAN, ISO 13616).
    Account,
    /// A full card number (ISO/IEC 7812).
    Card,
    /// A URL that grants read or write access to an object.
    Link,
    /// A body of a message or a request.
    Body,
}

impl fmt::Display for Secrecy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Secret => "a secret",
            Self::Token => "a bearer token",
            Self::Account => "an account number",
            Self::Card => "a card number",
            Self::Link => "a signed link",
            Self::Body => "a body",
        })
    }
}

/// The confidential content of a line.
#[must_use]
pub fn said(line: &str, secrets: &BTreeSet<String>) -> BTreeSet<Secrecy> {
    let words = || line.split(|character: char| !character.is_ascii_alphanumeric());
    let found = [
        (Secrecy::Secret, secrets.iter().any(|secret| line.contains(secret.as_str()))),
        (Secrecy::Token, line.split("eyJ").skip(1).any(|rest| rest.contains(".eyJ") || starts_like_a_token(rest))),
        (Secrecy::Account, words().any(is_iban) || is_grouped(line, is_iban)),
        (Secrecy::Card, words().any(is_card_number) || is_grouped(line, is_card_number)),
        (Secrecy::Link, line.contains("X-Amz-Signature=")),
        (Secrecy::Body, BODIES.iter().any(|member| line.contains(member))),
    ];
    found.into_iter().filter(|(_, is_said)| *is_said).map(|(secrecy, _)| secrecy).collect()
}

/// Whether the line contains such a number written in groups of four, as people and forms write it.
fn is_grouped(line: &str, is_one: fn(&str) -> bool) -> bool {
    let parts = line.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, ' ' | '-')));
    parts.into_iter().any(|part| {
        let words: Vec<&str> = part.split([' ', '-']).collect();
        (0..words.len()).any(|begin| {
            let mut number = String::new();
            let mut longer = words.iter().skip(begin).scan(true, |goes_on, word| {
                let is_next = std::mem::replace(goes_on, word.len() == 4);
                is_next.then(|| number.push_str(word)).map(|()| number.clone())
            });
            longer.any(|number| is_one(&number))
        })
    })
}

/// Starts with a token's header followed by a dot.
fn starts_like_a_token(rest: &str) -> bool {
    let header =
        rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '-' && character != '_');
    header.is_some_and(|end| end > 10 && rest.get(end..).is_some_and(|rest| rest.starts_with('.')))
}

/// Country, two check digits, and a number; the remainder modulo 97 (ISO 7064) is one.
fn is_iban(word: &str) -> bool {
    let is_shaped = (15..=34).contains(&word.len())
        && word.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
        && word.bytes().skip(2).take(2).all(|byte| byte.is_ascii_digit());
    let (front, back) = word.split_at_checked(4).unwrap_or_default();
    is_shaped
        && back.chars().chain(front.chars()).try_fold(0, |rest: u32, character| {
            let digit = character.to_digit(36)?;
            Some(if digit < 10 { (rest * 10 + digit) % 97 } else { (rest * 100 + digit) % 97 })
        }) == Some(1)
}

/// 15 or 16 digits of a card scheme, with a valid Luhn check digit.
fn is_card_number(word: &str) -> bool {
    let is_shaped = (15..=16).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_digit())
        && word.starts_with(['3', '4', '5', '6']);
    let sum: u32 = word
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    is_shaped && sum.is_multiple_of(10)
}

/// Reads all logs of a stack's functions, and returns which lines contain what, without repeating it.
///
/// # Errors
/// When the logs or the secrets cannot be read.
pub fn leaks(stack: &Stack) -> Result<Vec<String>> {
    let aws = stack.aws()?;
    let secrets = secrets(&aws)?;
    let mut leaks = BTreeSet::new();
    for group in aws.log_groups()? {
        for event in aws.log_events(&group)? {
            for what in said(&event.message, &secrets) {
                let place = telling(&event.message);
                leaks.insert(format!("{group} contains {what} at {} ({place})", event.timestamp_ms));
            }
        }
    }
    Ok(leaks.into_iter().collect())
}

/// The message of a log line, which is one of our own texts.
fn telling(line: &str) -> String {
    let message = serde_json::from_str::<Value>(line).ok();
    let message = message.as_ref().and_then(|line| line.get("message")?.as_str());
    message.unwrap_or("a line that is not JSON").to_owned()
}

/// All values in Secrets Manager; of a JSON object each member, except user names.
fn secrets(aws: &Aws) -> Result<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    let mut token = Value::Null;
    loop {
        let request = if token.is_null() { json!({}) } else { json!({"NextToken": token}) };
        let page = aws.json_call("secretsmanager", "ListSecrets", &request)?;
        let listed = page.get("SecretList").and_then(Value::as_array).context("ListSecrets names no secrets")?;
        for arn in listed.iter().filter_map(|secret| secret.get("ARN")?.as_str()) {
            // A secret that is being deleted has no value.
            let Ok(text) = aws.secret_get(arn) else { continue };
            match serde_json::from_str::<Value>(&text) {
                Ok(Value::Object(members)) => values.extend(
                    members
                        .iter()
                        .filter(|(name, _)| *name != "username")
                        .filter_map(|(_, value)| Some(value.as_str()?.to_owned())),
                ),
                _ => values.extend(text.split_whitespace().map(ToOwned::to_owned)),
            }
        }
        token = page.get("NextToken").cloned().unwrap_or_default();
        if token.is_null() {
            values.retain(|value| value.len() >= SECRET_LENGTH_MIN && value != ROOT_KEY);
            return Ok(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_anywhere_in_the_logs() {
        let secrets = ["whsec_c2VjcmV0".to_owned()].into();
        for (line, what) in [
            (r#"{"message":"signed with whsec_c2VjcmV0"}"#, Secrecy::Secret),
            ("Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", Secrecy::Token),
            ("token=eyJhbGciOiJSUzI1NiJ9.cut", Secrecy::Token),
            (r#"{"error":"DE89370400440532013000 is unknown"}"#, Secrecy::Account),
            ("iban:GB82WEST12345698765432;", Secrecy::Account),
            ("card 4242424242424242 declined", Secrecy::Card),
            ("amex 378282246310005", Secrecy::Card),
            ("of DE89 3704 0044 0532 0130 00 to", Secrecy::Account),
            ("card 4242-4242-4242-4242 declined", Secrecy::Card),
            ("https://bucket.example/key?X-Amz-Signature=0123abcd", Secrecy::Link),
            (r#"{"body":"{\"specversion\":\"1.0\"}"}"#, Secrecy::Body),
        ] {
            assert_eq!(said(line, &secrets), [what].into(), "{line}");
        }
    }

    #[test]
    fn ids_amounts_and_times_may_be_said() {
        for line in [
            "pay_01a2034c57f07111b62c26a7936ca1e0 stripe:pi_3SP0AbCdEfGhIjKl1Zz9Yy8X 1190.00 EUR",
            r#"{"timestamp":"2026-11-02T12:00:00.123456Z","duration_ms":1793620800000000}"#,
            "DE89370400440532013001 has wrong check digits, as has 4242424242424241",
            "eyJ is how tokens begin; whsec_other",
            "1793620800000 4242 DE89",
        ] {
            assert_eq!(said(line, &["whsec_c2VjcmV0".to_owned()].into()), BTreeSet::new(), "{line}");
        }
    }
}
