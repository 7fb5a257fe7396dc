//! `/TRTP/SEPA OVERBOEKING/IBAN/…/NAME/…/REMI/…/EREF/…`: codes between slashes (Dutch banks, and SWIFT's code words of
//! field 86).

use super::Information;
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::text::{add, named, reference, tidy};

const CODES: [&str; 36] = [
    "ACCW", "ADDR", "BENM", "BIC", "BUSP", "CHGS", "CNTP", "CREF", "CSID", "EREF", "EXCH", "IBAN", "ID", "INIT",
    "ISDT", "KREF", "MARF", "NAME", "NRTX", "OCMT", "ORDP", "PREF", "PURP", "REF", "REMI", "RETN", "RREF", "RTRN",
    "SVCL", "SVWZ", "TRCD", "TRTP", "TXTP", "ULTB", "ULTC", "ULTD",
];

/// Parses a text that starts with a code; none if it does not.
pub(in crate::mt940) fn read(text: &str) -> Option<Information> {
    let parts = parts(text.trim_start())?;
    let mut read = Information::default();
    let set = |kept: &mut Option<String>, value: Option<String>| *kept = kept.take().or(value);
    for (code, value) in parts {
        match code {
            "EREF" => set(&mut read.end_to_end_id, reference(value)),
            "KREF" => set(&mut read.instruction_id, reference(value)),
            "MARF" => set(&mut read.mandate_id, reference(value)),
            "PREF" | "CREF" | "REF" => add(&mut read.further_references, reference(value)),
            "NAME" => set(&mut read.name, named(value)),
            "IBAN" => set(&mut read.account, named(value)),
            "ACCW" => set(&mut read.account, named(value.split(',').next().unwrap_or_default())),
            "ULTC" | "ULTD" | "ULTB" => set(&mut read.ultimate_name, named(value.trim_start_matches("NAME/"))),
            "RTRN" | "RETN" => set(&mut read.return_reason, named(value)),
            "OCMT" => set(&mut read.original_amount, named(value)),
            "CHGS" => set(&mut read.charges, named(value)),
            "CNTP" => counterparty(value, &mut read),
            "REMI" => remittance(value, &mut read),
            _ => {}
        }
    }
    Some(read)
}

/// `account/BIC/name/city`, any of them empty.
fn counterparty(value: &str, read: &mut Information) {
    let mut parts = value.split('/');
    read.account = read.account.take().or_else(|| parts.next().and_then(named));
    read.name = read.name.take().or_else(|| parts.nth(1).and_then(named));
}

/// Plain text, or `USTD//text`, or `STRD/CUR/reference`.
fn remittance(value: &str, read: &mut Information) {
    if let Some(structured) = value.strip_prefix("STRD/") {
        let (_, number) = structured.rsplit_once('/').unwrap_or(("", structured.trim_end_matches('/')));
        add(&mut read.creditor_references, reference(number));
        return;
    }
    let text = value.strip_prefix("USTD/").map_or(value, |text| text.trim_matches('/'));
    if read.remittance.is_empty() {
        read.remittance = tidy(text, REMITTANCE_LENGTH_MAX);
    }
}

/// Codes with the text up to the next code.
fn parts(text: &str) -> Option<Vec<(&'static str, &str)>> {
    let mut found: Vec<(&'static str, usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('/') {
        let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
        let Some((word, _)) = rest.split_once('/') else { break };
        let Some(code) = CODES.iter().find(|code| **code == word) else { continue };
        found.push((code, at, at.saturating_add(word.len()).saturating_add(2)));
    }
    // A text that merely contains a code somewhere is not such a field.
    if found.first()?.1 != 0 {
        return None;
    }
    let ends = found.iter().skip(1).map(|(_, at, _)| *at).chain([text.len()]);
    let value = |((code, _, from), end): (&(&'static str, usize, usize), usize)| {
        (*code, text.get(*from..end).unwrap_or_default().trim_end_matches('/'))
    };
    Some(found.iter().zip(ends).map(value).collect())
}
