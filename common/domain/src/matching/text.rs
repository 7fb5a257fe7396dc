//! Reads a bank line's free text for invoice numbers, creditor references and payment references.

use std::collections::{BTreeMap, BTreeSet};

use crate::creditor_reference::CreditorReference;

/// A remittance text has 140 characters in SEPA and 9,000 in the longest formats; references beyond this length are
/// ignored.
const TEXT_LENGTH_MAX: usize = 2_000;

/// A number is written in at most this many pieces: `RE 2026 / 00 01`.
const PIECES_MAX: usize = 6;

/// Shorter keys occur in any text by chance.
const KEY_LENGTH_MIN: usize = 3;

/// No invoice number is longer.
const KEY_LENGTH_MAX: usize = 50;

/// A key is certain only with at least this many characters and digits: `2026-0001` has eight.
const SURE_LENGTH_MIN: usize = 5;
const SURE_DIGITS_MIN: usize = 3;

/// How certainly a text names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// In separate pieces, or within a longer word or number: it may be chance.
    Weak,
    /// In one piece.
    Sure,
}

/// The separator between two pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// None: letters and digits are adjacent.
    None,
    /// `-`, `/`, `.`, `_`, `#`.
    Mark,
    /// Spaces or other characters; the start and the end of the text.
    Gap,
}

#[derive(Debug)]
struct TextToken {
    text: String,
    /// The separator before it.
    before: Separator,
}

/// Splits a text into runs of letters and runs of digits.
fn pieces(text: &str) -> Vec<TextToken> {
    let mut pieces: Vec<TextToken> = Vec::new();
    let mut before = Separator::Gap;
    for letter in text.chars().take(TEXT_LENGTH_MAX) {
        if !letter.is_ascii_alphanumeric() {
            let is_mark = matches!(letter, '-' | '/' | '.' | '_' | '#');
            before = if is_mark && before == Separator::None { Separator::Mark } else { Separator::Gap };
            continue;
        }
        let is_same_kind =
            |piece: &TextToken| piece.text.ends_with(|last: char| last.is_ascii_digit() == letter.is_ascii_digit());
        match pieces.last_mut().filter(|piece| before == Separator::None && is_same_kind(piece)) {
            Some(piece) => piece.text.push(letter.to_ascii_uppercase()),
            None => pieces.push(TextToken { text: letter.to_ascii_uppercase().to_string(), before }),
        }
        before = Separator::None;
    }
    pieces
}

/// Words that introduce a credit note number, attached to it or in front of it.
const CREDIT_NOTES: [&str; 17] = [
    "CN",
    "CRN",
    "CREDITNOTE",
    "CREDITNOTES",
    "CREDITMEMO",
    "GS",
    "GUTSCHRIFT",
    "GUTSCHRIFTS",
    "GUTSCHRIFTSNUMMER",
    "RECHNUNGSKORREKTUR",
    "STORNORECHNUNG",
    "AVOIR",
    "CREDITNOTA",
    "CREDITFACTUUR",
    "KREDITNOTA",
    "NOTACREDITO",
    "NOTADICREDITO",
];

/// Words that may stand between such a word and the number.
const FILLERS: [&str; 8] = ["NO", "NR", "NUM", "NUMBER", "NUMMER", "N", "VOM", "REF"];

/// The pieces that form credit note numbers: without their leading letters, which people omit, they could be mistaken
/// for invoice numbers.
fn credit_note_numbers(pieces: &[TextToken]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let text = |place: usize| pieces.get(place).map_or("", |piece| piece.text.as_str());
    for place in 0..pieces.len() {
        let two_words =
            || ["NOTE", "NOTES", "MEMO", "NOTA"].contains(&text(place)) && text(place.wrapping_sub(1)) == "CREDIT";
        if !CREDIT_NOTES.contains(&text(place)) && !two_words() {
            continue;
        }
        let first = (place + 1..pieces.len()).find(|next| !FILLERS.contains(&text(*next)));
        let Some(first) = first.filter(|first| text(*first).starts_with(|letter: char| letter.is_ascii_digit())) else {
            continue;
        };
        let rest = pieces.iter().enumerate().skip(first + 1).take_while(|(_, piece)| piece.before != Separator::Gap);
        found.extend(std::iter::once(first).chain(rest.map(|(place, _)| place)));
    }
    found
}

/// All possible invoice numbers in a text, normalised by [`number_key`](crate::creditor_reference::number_key), with
/// their certainty.
pub(super) fn number_mentions(text: &str) -> BTreeMap<String, Certainty> {
    let mut mentions = BTreeMap::new();
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return mentions;
    }
    let pieces = pieces(text);
    let of_credit_notes = credit_note_numbers(&pieces);
    for from in (0..pieces.len()).filter(|from| !of_credit_notes.contains(from)) {
        let mut key = String::new();
        let mut is_in_one = true;
        for (place, piece) in pieces.iter().enumerate().skip(from).take(PIECES_MAX) {
            is_in_one &= place == from || piece.before != Separator::Gap;
            key.push_str(&piece.text);
            if key.len() > KEY_LENGTH_MAX {
                break;
            }
            let digits = key.bytes().filter(u8::is_ascii_digit).count();
            if key.len() < KEY_LENGTH_MIN || digits == 0 {
                continue;
            }
            let is_long = key.len() >= SURE_LENGTH_MIN && digits >= SURE_DIGITS_MIN;
            let is_sure = is_in_one && is_long && stands_alone(&pieces, from, place);
            let strength = if is_sure { Certainty::Sure } else { Certainty::Weak };
            let known = mentions.entry(key.clone()).or_insert(strength);
            *known = (*known).max(strength);
        }
    }
    mentions
}

/// Whether no further digits belong to the number in this range of pieces. Letters may precede it (`RE2026`,
/// `INV-2026`), but not follow it.
fn stands_alone(pieces: &[TextToken], from: usize, to: usize) -> bool {
    let is_word = |piece: &TextToken| piece.text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let begin = pieces.get(from).map_or(Separator::Gap, |piece| piece.before);
    let previous = from.checked_sub(1).and_then(|place| pieces.get(place));
    let is_begun = begin == Separator::Gap || previous.is_some_and(is_word) && is_single_word(pieces, from);
    let is_ended = pieces.get(to + 1).is_none_or(|next| next.before == Separator::Gap);
    is_begun && is_ended
}

/// Whether a piece is preceded by a single attached word and nothing before that.
fn is_single_word(pieces: &[TextToken], from: usize) -> bool {
    from.checked_sub(1).and_then(|place| pieces.get(place)).is_none_or(|word| word.before == Separator::Gap)
}

/// The creditor references in a text that have valid check digits.
pub(super) fn creditor_references(text: &str) -> Vec<CreditorReference> {
    if !text.as_bytes().windows(2).any(|letters| letters.eq_ignore_ascii_case(b"RF")) {
        return Vec::new();
    }
    let short: String = text.chars().take(TEXT_LENGTH_MAX).collect::<String>().to_ascii_uppercase();
    let words: Vec<&str> = short.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    for from in 0..words.len() {
        let mut joined = String::new();
        for word in words.iter().skip(from).take(PIECES_MAX + 1) {
            joined.push_str(word);
            if !joined.starts_with("RF") {
                break;
            }
            found.extend(joined.parse::<CreditorReference>().ok().filter(|reference| !found.contains(reference)));
        }
    }
    found
}

/// Words that may be a payment reference that a client chose for a transfer.
pub(super) fn payment_names(text: &str) -> impl Iterator<Item = &str> {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
    text.split(move |letter: char| !is_inside(letter))
        .map(|word| word.trim_matches(['.', '_', ':', '-']))
        .filter(|word| word.len() > SURE_LENGTH_MIN && word.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(text: &str, key: &str) -> Option<Certainty> {
        number_mentions(text).get(key).copied()
    }

    #[test]
    fn a_number_is_found_however_people_write_it() {
        for text in [
            "2026-0001",
            "Rechnung 2026-0001 vom 3.11.",
            "RE2026-0001",
            "INV-2026-0001",
            "Rg.Nr. 2026/0001, danke",
            "20260001",
            "RG#2026.0001",
            "invoice:2026_0001",
            "(2026-0001)",
        ] {
            assert_eq!(strength(text, "20260001"), Some(Certainty::Sure), "{text}");
        }
        assert_eq!(strength("RE-2026-0001", "RE20260001"), Some(Certainty::Sure));
    }

    #[test]
    fn the_number_of_a_credit_note_is_no_invoices() {
        for text in [
            "Refund of CN-2026-0001",
            "CN 2026-0001",
            "CN2026/0001",
            "Credit note 2026-0001",
            "credit note no. 2026-0001, thanks",
            "Gutschrift Nr. 2026-0001",
            "GS-2026-0001",
            "avoir n° 2026-0001",
        ] {
            assert_eq!(strength(text, "20260001"), None, "{text}");
            assert_eq!(strength(text, "0001"), None, "{text}");
        }
        assert_eq!(strength("Refund of CN-2026-0001", "CN20260001"), Some(Certainty::Sure), "a number that begins so");
        for text in ["INV-2026-0042 less CN-2026-0001", "CN-2026-0001 off INV-2026-0042", "Credit note for 2026-0042"] {
            assert_eq!(strength(text, "20260042"), Some(Certainty::Sure), "{text}");
        }
    }

    #[test]
    fn what_may_be_chance_is_weak() {
        for text in
            ["2026 0001", "2026-00 01", "4711-2026-0001", "2026-0001-2", "A-B-2026-0001", "2026-0001X", "2026- 0001"]
        {
            assert_eq!(strength(text, "20260001"), Some(Certainty::Weak), "{text}");
        }
        assert_eq!(strength("Nr. 4711", "4711"), Some(Certainty::Weak), "too short");
        for text in ["12026-0001", "2026-00011", "2026-001"] {
            assert_eq!(strength(text, "20260001"), None, "{text}");
        }
    }

    #[test]
    fn references_are_found_between_words_and_in_groups() {
        let references = |text: &str| creditor_references(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(references("pay RF18 5390 0754 7034 thanks"), ["RF18539007547034"]);
        assert_eq!(references("RF18539007547034/RF712348231"), ["RF18539007547034", "RF712348231"]);
        assert_eq!(references("RF19 5390 0754 7034"), Vec::<String>::new());
    }

    #[test]
    fn names_of_payments_are_words_with_digits() {
        let names: Vec<&str> = payment_names("SVWZ: WIRE-2026.77, thanks; ref 12").collect();
        assert_eq!(names, ["WIRE-2026.77"]);
    }

    #[test]
    fn any_text_is_read_in_bounded_work() {
        let long = "1-a ".repeat(100_000);
        assert!(number_mentions(&long).len() < TEXT_LENGTH_MAX * PIECES_MAX);
        assert_eq!(number_mentions("ÄÖ€\u{0}\n"), BTreeMap::new());
    }
}
