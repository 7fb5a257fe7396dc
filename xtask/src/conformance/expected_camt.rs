//! The result of genkgo/camt for a message, as its tests store it.

use anyhow::{Context, Result};
use quittance_domain::money::Currency;
use rust_decimal::Decimal;
use serde_json::Value;

use super::statements::{Entry, Expected, plain};

/// Placeholders for missing references.
const NONE: [&str; 3] = ["NOTPROVIDED", "NONREF", ""];

/// Parses the expected result.
///
/// # Errors
/// When it does not have that project's format.
pub(super) fn read(text: &str) -> Result<Expected> {
    let message: Value = serde_json::from_str(text)?;
    let mut expected = Expected { has_all_balances: true, ..Expected::default() };
    walk(&message, &mut |object| {
        let class = object.get("__CLASS__").and_then(Value::as_str).unwrap_or_default();
        if class.ends_with("\\DTO\\Entry") {
            expected.entries.push(entry(object)?);
        }
        if class.ends_with("\\DTO\\Balance") {
            let kind = object.get("getType").and_then(Value::as_str).unwrap_or_default();
            if kind == "opening" || kind == "closing" {
                expected.balances.push(amount(object.get("getAmount"))?);
            }
        }
        if class.ends_with("\\DTO\\Reference") {
            let names =
                ["getEndToEndId", "getTransactionId", "getInstructionId", "getMandateId", "getUuidEndToEndReference"];
            let reported =
                names.iter().filter_map(|name| object.get(*name)?.as_str()).filter(|text| !NONE.contains(text));
            expected.references.extend(reported.map(ToOwned::to_owned));
        }
        Ok(())
    })?;
    // For several statements the dump keeps the entries of the last one.
    let records = message.get("getRecords").and_then(Value::as_array).map_or(0, Vec::len);
    expected.is_partial = records > 1;
    Ok(expected)
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value) -> Result<()>) -> Result<()> {
    match value {
        Value::Object(members) => {
            visit(value)?;
            members.values().try_for_each(|member| walk(member, visit))
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, visit)),
        _ => Ok(()),
    }
}

fn entry(object: &Value) -> Result<Entry> {
    let text =
        |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    // Times are in UTC, so their day may differ from the bank's.
    let day = |name: &str| {
        let time = object.pointer(&format!("/{name}/0")).and_then(Value::as_str)?;
        let (day, time) = time.split_once('T')?;
        time.starts_with("00:00:00").then(|| day.to_owned())
    };
    Ok(Entry {
        amount: amount(object.get("getAmount"))?,
        booked_on: day("getBookingDate"),
        value_on: day("getValueDate"),
        // The reference of a detail takes precedence.
        bank_reference: text("getAccountServicerReference").filter(|_| details_have_none(object)),
    })
}

fn details_have_none(object: &Value) -> bool {
    let details = object.get("getTransactionDetails").and_then(Value::as_array);
    let none = |detail: &Value| detail.pointer("/getReference/getAccountServicerReference").is_none_or(Value::is_null);
    details.is_none_or(|details| details.iter().all(none))
}

/// An amount in minor units.
fn amount(money: Option<&Value>) -> Result<String> {
    let money = money.context("an amount is missing")?;
    let units = money.get("getAmount").and_then(Value::as_str).context("an amount has no units")?;
    let code = money.pointer("/getCurrency/getCode").and_then(Value::as_str).context("an amount has no currency")?;
    let currency: Currency = code.parse()?;
    let units: i64 = units.parse().context("an amount's units are not a number")?;
    Ok(plain(Decimal::new(units, currency.minor_digits()), code))
}
