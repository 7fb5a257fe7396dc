//! The result of wolph/mt940 for a statement, as its tests store it: a dump of Python objects in YAML.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::statements::{Entry, Expected, plain};

/// Placeholders for missing references, or for references elsewhere.
const NONE: [&str; 6] = ["NOTPROVIDED", "NONREF", "", "EREF", "KREF+", "EREF+"];

/// Parses the expected result.
///
/// # Errors
/// When it does not have that project's format.
pub(super) fn read(text: &str) -> Result<Expected> {
    // The tag of bytes means base64, which is decoded below.
    let documents = Yaml::load_from_str(&text.replace("!!binary ", ""))?;
    let dump = bare(documents.first().context("it is empty")?);
    let data = member(dump, "data").context("there is no data")?;
    let mut expected = Expected::default();
    for name in ["final_opening_balance", "final_closing_balance"] {
        if let Some(balance) = member(data, name) {
            let value = amount(member(balance, "amount"))?;
            let is_debit = member(balance, "status").and_then(string) == Some("D");
            let (value, currency) = value;
            let signed = if is_debit && value > Decimal::ZERO { -value } else { value };
            expected.balances.push(plain(signed, &currency));
        }
    }
    let transactions = member(dump, "transactions").and_then(Yaml::as_vec).context("there are no transactions")?;
    for transaction in transactions {
        let data = member(bare(transaction), "data").context("a transaction has no data")?;
        let (value, currency) = amount(member(data, "amount"))?;
        // That project does not invert the sign of a reversal.
        let value = match member(data, "status").and_then(string) {
            Some("RC") => -value.abs(),
            Some("RD") => value.abs(),
            _ => value,
        };
        let text = |name: &str| {
            member(data, name).and_then(string).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let is_reference =
            |text: &String| !NONE.contains(&text.as_str()) && !text.starts_with("KREF+") && !text.starts_with("EREF+");
        expected.references.extend(text("customer_reference").filter(is_reference));
        expected.entries.push(Entry {
            amount: plain(value, &currency),
            booked_on: member(data, "entry_date")
                .and_then(day)
                .or_else(|| member(data, "guessed_entry_date").and_then(day)),
            value_on: member(data, "date").and_then(day),
            bank_reference: text("bank_reference").filter(|text| !NONE.contains(&text.as_str())),
        });
    }
    Ok(expected)
}

/// A node without its tag.
fn bare<'a, 'b>(node: &'a Yaml<'b>) -> &'a Yaml<'b> {
    match node {
        Yaml::Tagged(_, inner) => bare(inner),
        node => node,
    }
}

fn member<'a, 'b>(node: &'a Yaml<'b>, name: &str) -> Option<&'a Yaml<'b>> {
    bare(node).as_mapping_get(name).map(bare)
}

fn string<'a>(node: &'a Yaml<'_>) -> Option<&'a str> {
    match node {
        Yaml::Value(Scalar::String(text)) => Some(text),
        Yaml::Representation(text, ..) => Some(text),
        _ => None,
    }
}

fn amount(node: Option<&Yaml<'_>>) -> Result<(Decimal, String)> {
    let node = node.context("an amount is missing")?;
    let value = member(node, "amount").and_then(|value| value.as_vec()?.first()).map(bare).and_then(string);
    let currency = member(node, "currency").and_then(string).context("an amount has no currency")?;
    let value = value.context("an amount has no value")?;
    Ok((value.parse().context("an amount is not a decimal")?, currency.to_owned()))
}

/// The year in two bytes, then month and day.
fn day(node: &Yaml<'_>) -> Option<String> {
    let text = bare(bare(node).as_vec()?.first()?);
    let bytes = STANDARD.decode(string(text)?.trim()).ok()?;
    let [high, low, month, day] = bytes.try_into().ok()?;
    NaiveDate::from_ymd_opt(i32::from(u16::from_be_bytes([high, low])), u32::from(month), u32::from(day))
        .map(|day| day.to_string())
}
