//! Bank statements, compared with the results of other projects.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use anyhow::anyhow;
use quittance_formats::{Check, CsvOptions, FileItem, Format, Movement, ReadError, StatementSummary, StatementUpload};

use super::{Verdict, expected_camt, expected_mt940};

/// Parts of the names of samples that are invalid on purpose.
const MADE_WRONG: [&str; 3] = ["wrong", "invalid", "broken"];

/// The result of parsing a sample.
pub(super) struct Read {
    /// The sample's format.
    pub(super) format: Option<Format>,
    /// The first movement of each entry: the others belong to the same entry.
    pub(super) entries: Vec<Movement>,
    /// All movements.
    pub(super) movements: Vec<Movement>,
    /// The ends of statements.
    pub(super) ends: Vec<StatementSummary>,
    /// Why it was refused.
    pub(super) refusal: Option<String>,
}

/// The result for a statement; none if the file is not a statement.
pub(super) fn sample(path: &Path, bytes: &[u8]) -> Option<(&'static str, Verdict)> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let start = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(bytes)).into_owned();
    let is_statement = match ending.as_str() {
        "xml" => start.contains(":xsd:camt."),
        "sta" | "940" | "mt940" | "csv" | "zip" | "txt" => true,
        _ => false,
    };
    if !is_statement {
        return None;
    }
    let read = read(bytes);
    let format = match (&read.format, ending.as_str()) {
        (Some(Format::Camt(_)), _) | (None, "xml") => "camt",
        (Some(Format::Mt940(_)), _) | (None, "sta" | "940" | "mt940") => "MT940",
        (Some(Format::Csv(_)), _) => "CSV",
        // Text of another kind.
        (None, _) => return None,
    };
    Some((format, verdict(path, &read)))
}

fn read(bytes: &[u8]) -> Read {
    let mut read = Read { format: None, entries: Vec::new(), movements: Vec::new(), ends: Vec::new(), refusal: None };
    let refusal = |error: ReadError| Some(error.to_string());
    let mut reader = match StatementUpload::open(Cursor::new(bytes), &CsvOptions::default()) {
        Ok(reader) => reader,
        Err(error) => {
            read.refusal = refusal(error);
            return read;
        }
    };
    loop {
        match reader.next_item() {
            Ok(Some(FileItem::Movement(movement))) => {
                let of = |movement: &Movement| {
                    (movement.place.member.clone(), movement.place.statement, movement.place.entry)
                };
                if read.movements.last().map(of) != Some(of(&movement)) {
                    read.entries.push((*movement).clone());
                }
                read.movements.push(*movement);
            }
            Ok(Some(FileItem::StatementEnd(end))) => read.ends.push(*end),
            Ok(None) => break,
            Err(error) => {
                read.refusal = refusal(error);
                break;
            }
        }
    }
    read.format = Some(reader.format());
    read
}

fn verdict(path: &Path, read: &Read) -> Verdict {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_made_wrong = MADE_WRONG.iter().any(|part| name.contains(part));
    let expected = expected(path);
    if let Some(refusal) = &read.refusal {
        let is_right = is_made_wrong && expected.is_none();
        return if is_right { Ok(format!("refused: {refusal}")) } else { Err(anyhow!("refused: {refusal}")) };
    }
    let words = words(read);
    match expected {
        Some(Ok(expected)) => match expected.differences(read) {
            differences if differences.is_empty() => Ok(format!("{words}; as expected")),
            differences => Err(anyhow!("{words}; {}", differences.join("; "))),
        },
        Some(Err(error)) => Err(anyhow!("{words}; the expected result cannot be read: {error}")),
        None if is_made_wrong && read.ends.iter().all(StatementSummary::is_sound) => {
            Err(anyhow!("{words}; not refused"))
        }
        None => Ok(words),
    }
}

fn words(read: &Read) -> String {
    let mut sums: BTreeMap<&str, rust_decimal::Decimal> = BTreeMap::new();
    for (currency, sum) in read.ends.iter().flat_map(|end| &end.totals.sums) {
        *sums.entry(currency).or_default() += sum;
    }
    let sums: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
    let format = read.format.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut checks: Vec<String> = read.ends.iter().map(check).collect();
    checks.extend(read.ends.iter().flat_map(|end| end.contradictions.clone()));
    checks.dedup();
    format!(
        "{format}: {} entries, {} movements, booked {}; {}",
        read.entries.len(),
        read.movements.len(),
        if sums.is_empty() { "nothing".to_owned() } else { sums.join(", ") },
        checks.join(", "),
    )
}

fn check(end: &StatementSummary) -> String {
    match &end.check {
        Check::AddsUp => "adds up".to_owned(),
        Check::Contradicts { expected, found } => {
            format!("CONTRADICTS ITSELF (closing {found}, by its entries {expected})")
        }
        Check::Incomplete(why) => format!("incomplete: {why}"),
        Check::CannotBeSaid(why) => format!("cannot be checked: {why}"),
    }
}

/// Another project's result for a sample.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Entries: signed amount and currency, days, references.
    pub(super) entries: Vec<Entry>,
    /// Signed opening and closing balances.
    pub(super) balances: Vec<String>,
    /// Whether these are all the balances, or only some.
    pub(super) has_all_balances: bool,
    /// Whether entries may be missing from the expectation.
    pub(super) is_partial: bool,
    /// References of payments that must be found.
    pub(super) references: Vec<String>,
}

/// An entry as another project parsed it; data that is missing there is none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) amount: String,
    pub(super) booked_on: Option<String>,
    pub(super) value_on: Option<String>,
    pub(super) bank_reference: Option<String>,
}

fn expected(path: &Path) -> Option<anyhow::Result<Expected>> {
    let beside = |ending: &str| std::fs::read_to_string(path.with_extension(ending)).ok();
    beside("json")
        .map(|text| expected_camt::read(&text))
        .or_else(|| beside("yml").map(|text| expected_mt940::read(&text)))
}

impl Expected {
    fn differences(&self, read: &Read) -> Vec<String> {
        let mut differences = Vec::new();
        let mut left: Vec<Entry> = read.entries.iter().map(entry).collect();
        for wanted in &self.entries {
            match left.iter().position(|found| is_same(wanted, found)) {
                Some(place) => drop(left.remove(place)),
                None => differences.push(format!("there is no entry {wanted:?}")),
            }
        }
        if !left.is_empty() && !self.is_partial {
            differences.push(format!("{} unexpected entries, such as {:?}", left.len(), left.first()));
        }
        let balances: Vec<String> = read
            .ends
            .iter()
            .flat_map(|end| end.opening.iter().chain(&end.closing))
            .map(|balance| plain(balance.signed(), balance.amount.currency()))
            .collect();
        let is_all = self.has_all_balances && !self.is_partial;
        let (of, among) = if is_all { (&balances, &self.balances) } else { (&self.balances, &balances) };
        let missing = of.iter().filter(|wanted| !among.contains(wanted));
        differences.extend(missing.map(|wanted| format!("the balance of {wanted} is not among {among:?}")));
        let references: Vec<&String> = read.movements.iter().flat_map(references).collect();
        // Other projects truncate references to the length in the standard.
        let is_told = |wanted: &str| references.iter().any(|found| found.starts_with(wanted));
        let missing = self.references.iter().filter(|wanted| !is_told(wanted));
        differences.extend(missing.map(|wanted| format!("the reference {wanted} is missing")));
        differences
    }
}

fn entry(movement: &Movement) -> Entry {
    let signed = movement.entry_direction.signed(movement.entry_amount.value());
    Entry {
        amount: plain(signed, movement.entry_amount.currency()),
        booked_on: movement.booked_on.map(|day| day.to_string()),
        value_on: movement.value_on.map(|day| day.to_string()),
        bank_reference: movement.bank_reference.clone(),
    }
}

/// An amount that can be compared as text.
pub(super) fn plain(value: rust_decimal::Decimal, currency: &str) -> String {
    let value = if value.is_zero() { rust_decimal::Decimal::ZERO } else { value };
    format!("{} {currency}", value.normalize())
}

fn is_same(wanted: &Entry, found: &Entry) -> bool {
    let fits = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    wanted.amount == found.amount
        && fits(&wanted.booked_on, &found.booked_on)
        && fits(&wanted.value_on, &found.value_on)
        && wanted
            .bank_reference
            .as_ref()
            .is_none_or(|wanted| found.bank_reference.as_ref().is_some_and(|found| found.starts_with(wanted)))
}

fn references(movement: &Movement) -> impl Iterator<Item = &String> {
    let own = [
        &movement.end_to_end_id,
        &movement.transaction_id,
        &movement.instruction_id,
        &movement.mandate_id,
        &movement.uetr,
        &movement.customer_reference,
        &movement.bank_reference,
        &movement.message_id,
        &movement.payment_information_id,
    ];
    own.into_iter().flatten().chain(&movement.further_references).chain(&movement.creditor_references)
}
