//! `166?00GUTSCHRIFT?20EREF+…?30BIC?31IBAN?32NAME`: subfields with two digits (German banks' DFÜ agreement, annex 3,
//! 8.2.1); banks elsewhere write `>20`, `^20` or `~20`.

use super::{Information, sepa};
use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::text::{named, tidy};

/// The separators that may precede a subfield's number.
const SEPARATORS: [char; 7] = ['?', '>', '^', '~', '<', '@', '|'];

/// A number and its text.
pub(super) type Subfield<'a> = (u8, &'a str);

/// The subfields, if the text has one directly at its start (after the transaction code of three digits).
pub(super) fn split(text: &str) -> Option<Vec<Subfield<'_>>> {
    let text = text.trim_start();
    let code_length = text.chars().take(3).take_while(char::is_ascii_digit).count();
    if ![0, 3].contains(&code_length) {
        return None;
    }
    let rest = text.get(code_length..)?;
    let separator = rest.chars().next().filter(|first| SEPARATORS.contains(first))?;
    number(rest.get(separator.len_utf8()..)?)?;
    let mut found: Vec<Subfield<'_>> = Vec::new();
    let mut start = None;
    for (at, _) in rest.match_indices(separator) {
        let behind = at.saturating_add(separator.len_utf8());
        let Some(next) = rest.get(behind..).and_then(number) else { continue };
        if let Some((number, from)) = start.replace((next, behind.saturating_add(2))) {
            found.push((number, rest.get(from..at)?));
        }
    }
    let (number, from) = start?;
    found.push((number, rest.get(from..)?));
    Some(found)
}

fn number(text: &str) -> Option<u8> {
    text.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// Parses subfields: 20 to 29 and 60 to 63 text, 31 account, 32 and 33 name, 38 IBAN (Poland).
pub(super) fn read(subfields: &[Subfield<'_>]) -> Information {
    let of = |wanted: &[u8]| -> String {
        subfields.iter().filter(|(number, _)| wanted.contains(number)).map(|(_, text)| *text).collect()
    };
    let purpose: Vec<&str> = subfields
        .iter()
        .filter(|(number, _)| (20..=29).contains(number) || (60..=63).contains(number))
        .map(|(_, text)| *text)
        .collect();
    let text = purpose.concat();
    let mut starts = vec![0_usize];
    for part in &purpose {
        starts.push(starts.last().copied().unwrap_or_default().saturating_add(part.len()));
    }
    let plain = || Information { remittance: tidy(&text, REMITTANCE_LENGTH_MAX), ..Information::default() };
    let mut read = sepa::read(&text, &starts).unwrap_or_else(plain);
    read.name = named(&of(&[32, 33])).or(read.name);
    read.account = named(&of(&[38])).or_else(|| named(&of(&[31]))).or(read.account);
    // It is the reason of a return; other entries have it too.
    read.return_code = named(&of(&[34])).filter(|code| code.bytes().any(|byte| byte != b'0'));
    read
}
