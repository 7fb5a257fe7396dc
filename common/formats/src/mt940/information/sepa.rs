//! `EREF+…KREF+…MREF+…SVWZ+…`: the SEPA keywords in the text of an entry (DFÜ agreement, annex 3, 8.2.4).

use super::Information;
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::text::{named, reference, tidy};

/// `MTLG:` is a bank's own keyword (Commerzbank).
const MARKS: [&str; 15] = [
    "EREF+", "KREF+", "MREF+", "CRED+", "DEBT+", "COAM+", "OAMT+", "SVWZ+", "ABWA+", "ABWE+", "IBAN+", "BREF+",
    "RREF+", "PURP+", "MTLG:",
];

/// Parses a text with keywords; none if it has none.
///
/// A keyword counts at the start of a subfield (`starts`), where it belongs; only if there is none, anywhere. The first
/// of each kind counts: later ones may be the payer's own words.
pub(super) fn read(text: &str, starts: &[usize]) -> Option<Information> {
    let found = found(text, |at| starts.contains(&at));
    let found = if found.is_empty() { self::found(text, |_| true) } else { found };
    let first = found.first()?.0;
    let ends = found.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let mut read = Information::default();
    // What precedes the first keyword is remittance text.
    let mut remittance = text.get(..first).unwrap_or_default().to_owned();
    for ((at, mark), end) in found.iter().zip(ends) {
        let value = text.get(at.saturating_add(mark.len())..end).unwrap_or_default();
        let kept = match *mark {
            "EREF+" => &mut read.end_to_end_id,
            "KREF+" => &mut read.instruction_id,
            "MREF+" => &mut read.mandate_id,
            "ABWA+" | "ABWE+" => &mut read.ultimate_name,
            "IBAN+" => &mut read.account,
            "OAMT+" => &mut read.original_amount,
            "COAM+" => &mut read.charges,
            "SVWZ+" | "MTLG:" => {
                remittance.push(' ');
                remittance.push_str(value);
                continue;
            }
            _ => continue,
        };
        let value = if mark.contains("REF") { reference(value) } else { named(value) };
        *kept = kept.take().or(value);
    }
    read.remittance = tidy(&remittance, REMITTANCE_LENGTH_MAX);
    Some(read)
}

fn found(text: &str, is_place: impl Fn(usize) -> bool) -> Vec<(usize, &'static str)> {
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for (plus, _) in text.match_indices(['+', ':']) {
        let at = plus.saturating_sub(4);
        let mark = MARKS.iter().find(|mark| text.get(at..=plus) == Some(**mark));
        let Some(mark) = mark.filter(|mark| is_place(at) && !found.iter().any(|(_, other)| other == *mark)) else {
            continue;
        };
        found.push((at, mark));
    }
    found
}
