//! Simple values of ISO 20022: amounts, days, directions, codes.

use chrono::NaiveDate;
use quittance_domain::calendar::plausible_day;

use crate::error::{ReadError, broken, quote};
use crate::movement::{BookingStatus, Direction, EntryAmount};
use crate::returns::{MAY_RETURN_DEBIT, RETURNS_DEBIT};
use crate::text::{named, plain_decimal};
use crate::value_error::ValueError;
use crate::xml::Element;

/// The maximum number of decimals of an amount (`ActiveOrHistoricCurrencyAndAmount`: fractionDigits 5).
const DECIMALS_MAX: u32 = 5;

/// An amount with its currency. Zeros beyond the fifth decimal are accepted, other digits are refused.
pub(super) fn amount(element: &Element) -> Result<EntryAmount, ReadError> {
    let read = || {
        let value = plain_decimal(element.text.trim(), '.', false)?;
        if value.normalize().scale() > DECIMALS_MAX {
            return Err(ValueError::TooManyDecimals(DECIMALS_MAX));
        }
        let currency = element.attribute("Ccy").ok_or(ValueError::NoCurrency)?;
        EntryAmount::new(value, currency.trim())
    };
    read().or_else(|error| broken(element.line, format!("{}: {error}", element.name)))
}

/// `CdtDbtInd`.
pub(super) fn direction(parent: &Element) -> Result<Option<Direction>, ReadError> {
    let Some(element) = parent.child("CdtDbtInd") else { return Ok(None) };
    match element.text.trim() {
        "CRDT" => Ok(Some(Direction::Credit)),
        "DBIT" => Ok(Some(Direction::Debit)),
        other => broken(element.line, format!("CdtDbtInd is `{}`; it is CRDT or DBIT", quote(other))),
    }
}

/// `RvslInd` and similar flags (`xs:boolean`).
pub(super) fn flag(parent: &Element, name: &str) -> Result<Option<bool>, ReadError> {
    let Some(element) = parent.child(name) else { return Ok(None) };
    match element.text.trim() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        other => broken(element.line, format!("{name} is `{}`; it is true or false", quote(other))),
    }
}

/// A day: `Dt` or `DtTm` of `parent`, or its own text. It is the day as the bank wrote it, not the day in UTC.
pub(super) fn day(parent: Option<&Element>) -> Result<Option<NaiveDate>, ReadError> {
    let Some(parent) = parent else { return Ok(None) };
    let element = parent.child("Dt").or_else(|| parent.child("DtTm")).unwrap_or(parent);
    let text = element.text.trim();
    let wrong = || {
        broken(
            element.line,
            format!("{} is `{}`, not a day from 1970 to 2199, such as 2026-11-22", parent.name, quote(text)),
        )
    };
    let (Some(start), Some(rest)) = (text.get(..10), text.get(10..)) else { return wrong() };
    let is_plain = start.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    // A time, or a UTC offset of the day.
    let is_rest = rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-']);
    match NaiveDate::parse_from_str(start, "%Y-%m-%d").ok().and_then(|day| plausible_day(day).ok()) {
        Some(day) if is_plain && is_rest => Ok(Some(day)),
        _ => wrong(),
    }
}

/// `Sts`: a text up to version 6, a choice of code and the bank's own text from version 7 on.
pub(super) fn status(entry: &Element) -> Option<BookingStatus> {
    let element = entry.child("Sts")?;
    let text = element.text_at(&["Cd"]).or_else(|| element.text_at(&["Prtry"])).unwrap_or(element.text.trim());
    match text {
        "" => None,
        "BOOK" => Some(BookingStatus::Booked),
        "PDNG" => Some(BookingStatus::Pending),
        "INFO" => Some(BookingStatus::Information),
        "FUTR" => Some(BookingStatus::Future),
        other => named(other).map(BookingStatus::Other),
    }
}

/// `BkTxCd`: domain, family and sub-family, otherwise the bank's own code.
pub(super) fn bank_code(parent: &Element) -> Option<String> {
    let code = parent.child("BkTxCd")?;
    let parts = [&["Domn", "Cd"][..], &["Domn", "Fmly", "Cd"], &["Domn", "Fmly", "SubFmlyCd"]];
    let parts: Vec<&str> = parts.iter().filter_map(|path| code.text_at(path)).collect();
    if parts.is_empty() { named(code.text_at(&["Prtry", "Cd"])?) } else { named(&parts.join("-")) }
}

/// Whether the code marks the return of a direct debit that we collected: ISO 20022's sub-family, or the proprietary
/// code of German banks, `NDDT+109+00931+914` (type of field 61, business transaction code, number, text key).
pub(super) fn returned(parent: &Element, direction: Direction) -> ReturnInformation {
    let Some(code) = parent.child("BkTxCd").filter(|_| direction == Direction::Debit) else {
        return ReturnInformation::default();
    };
    let family = code.text_at(&["Domn", "Fmly", "Cd"]);
    let sub_family = code.text_at(&["Domn", "Fmly", "SubFmlyCd"]).unwrap_or_default();
    let is_of_family = family == Some("IDDT") && RETURNED_COLLECTIONS.contains(&sub_family);
    let mut parts = code.text_at(&["Prtry", "Cd"]).unwrap_or_default().split('+');
    let (kind, business, reason) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.nth(1));
    let is_of_bank = RETURNS_DEBIT.contains(&business) || kind.len() == 4 && kind.ends_with("RTI");
    ReturnInformation {
        is_sure: is_of_family || is_of_bank,
        is_possible: MAY_RETURN_DEBIT.contains(&business),
        reason: reason.filter(|_| is_of_bank).and_then(named),
    }
}

/// What a code implies about a return.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ReturnInformation {
    pub(super) is_sure: bool,
    pub(super) is_possible: bool,
    pub(super) reason: Option<String>,
}

/// Sub-families of issued direct debits (`IDDT`): unpaid, reversed, cancelled.
const RETURNED_COLLECTIONS: [&str; 3] = ["UPDD", "PRDD", "RCDD"];

/// An account: IBAN or another number (`Othr`; `BBAN`, `UPIC` and `PrtryAcct` in version 1).
pub(super) fn account(account: &Element) -> Option<String> {
    let id = account.child("Id")?;
    let paths = [&["IBAN"][..], &["Othr", "Id"], &["BBAN"], &["UPIC"], &["PrtryAcct", "Id"]];
    named(paths.iter().find_map(|path| id.text_at(path))?)
}

/// The name of a party (`Nm`; from version 8 on `Pty/Nm`, or a bank's `Agt/FinInstnId/Nm`).
pub(super) fn party_name(party: &Element) -> Option<String> {
    let paths = [&["Nm"][..], &["Pty", "Nm"], &["Agt", "FinInstnId", "Nm"]];
    named(paths.iter().find_map(|path| party.text_at(path))?)
}
