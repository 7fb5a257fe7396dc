//! Compares payer names.

use unicode_normalization::UnicodeNormalization;

/// Legal forms and filler words, which banks and people omit or abbreviate.
const FILLERS: [&str; 44] = [
    "AB",
    "AG",
    "AND",
    "AS",
    "ASA",
    "APS",
    "BV",
    "BVBA",
    "CO",
    "COMPANY",
    "CORP",
    "CORPORATION",
    "CV",
    "EG",
    "EK",
    "ET",
    "GBR",
    "GMBH",
    "INC",
    "INCORPORATED",
    "KG",
    "KGAA",
    "LIMITED",
    "LLC",
    "LLP",
    "LTD",
    "MBH",
    "NV",
    "OHG",
    "OY",
    "OYJ",
    "PLC",
    "PTY",
    "SA",
    "SARL",
    "SAS",
    "SE",
    "SL",
    "SPA",
    "SRL",
    "SRO",
    "UG",
    "UND",
    "THE",
];

/// Banks truncate names at 27 (MT940), 35 or 70 characters; a shorter common prefix is not significant.
const CUT_LENGTH_MIN: usize = 12;

/// One typing error is tolerated for every this many characters.
const LETTERS_PER_SLIP: usize = 10;

/// The similarity of two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameSimilarity {
    /// Different names.
    Other,
    /// One is truncated or mistyped.
    Similar,
    /// Equal except for accents, case and legal form.
    Same,
}

/// A name without accents, punctuation, case and legal form, with its words in order: the lookup key of names. Empty if
/// nothing is left.
#[must_use]
pub fn name_key(name: &str) -> String {
    let plain = plain(name);
    let mut words: Vec<String> = Vec::new();
    let mut is_initial = false;
    for word in plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // "A/S" and "J P" count as one word each.
        let continues = is_initial && word.chars().count() == 1;
        is_initial = word.chars().count() == 1;
        match words.last_mut().filter(|_| continues) {
            Some(initials) => initials.push_str(word),
            None => words.push(word.to_owned()),
        }
    }
    let telling: Vec<&str> = words.iter().map(String::as_str).filter(|word| !FILLERS.contains(word)).collect();
    if telling.is_empty() { words.join(" ") } else { telling.join(" ") }
}

/// Capitals without diacritics. `MÜLLER` and `MUELLER` become equal, because both lose what the other lacks; so do
/// `G.m.b.H.` and `GmbH`.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.nfkd().flat_map(char::to_uppercase) {
        match letter {
            '\u{300}'..='\u{36f}' | '.' | '\'' | '\u{2019}' => {}
            'Ø' | 'Œ' => plain.push('O'),
            'Æ' => plain.push('A'),
            'Ł' => plain.push('L'),
            'Đ' | 'Ð' => plain.push('D'),
            other => plain.push(other),
        }
    }
    plain.replace("AE", "A").replace("OE", "O").replace("UE", "U")
}

/// Compares two names.
#[must_use]
pub fn likeness(left: &str, right: &str) -> NameSimilarity {
    let (left, right) = (name_key(left), name_key(right));
    let (short, long) = if left.len() <= right.len() { (&left, &right) } else { (&right, &left) };
    if short.is_empty() {
        return NameSimilarity::Other;
    }
    if short == long {
        return NameSimilarity::Same;
    }
    let letters = short.chars().count();
    let is_cut = letters >= CUT_LENGTH_MIN && long.starts_with(short.as_str());
    let is_mistyped = strsim::damerau_levenshtein(short, long) <= letters / LETTERS_PER_SLIP;
    if is_cut || is_mistyped || has_same_words(short, long) { NameSimilarity::Similar } else { NameSimilarity::Other }
}

/// Whether the words are equal in any order: "ANNA BERG" and "BERG ANNA".
fn has_same_words(left: &str, right: &str) -> bool {
    let words = |name: &str| {
        let mut words: Vec<String> = name.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    left.contains(' ') && words(left) == words(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_legal_forms_and_capitals_do_not_count() {
        for (left, right) in [
            ("Müller & Söhne GmbH", "MUELLER UND SOEHNE"),
            ("Crème Brûlée S.A.R.L.", "creme brulee"),
            ("Ørsted A/S", "ORSTED AS"),
            ("The Blue Company Ltd.", "Blue Co. Limited"),
        ] {
            assert_eq!(
                likeness(left, right),
                NameSimilarity::Same,
                "{left} / {right}: {} / {}",
                name_key(left),
                name_key(right)
            );
        }
    }

    #[test]
    fn cut_mistyped_and_turned_names_are_similar() {
        for (left, right) in [
            ("Vereinigte Schraubenwerke Nord GmbH", "VEREINIGTE SCHRAUBENWERK"),
            ("Anna Berg", "Berg, Anna"),
            ("Hansen Logistik", "Hansen Logisitk"),
        ] {
            assert_eq!(likeness(left, right), NameSimilarity::Similar, "{left} / {right}");
        }
    }

    #[test]
    fn short_beginnings_and_other_names_are_others() {
        for (left, right) in
            [("Berg", "Bergmann"), ("Anna Berg", "Anna Borg"), ("", ""), ("", "GmbH"), ("Nord AG", "Süd AG")]
        {
            assert_eq!(likeness(left, right), NameSimilarity::Other, "{left} / {right}");
        }
    }
}
