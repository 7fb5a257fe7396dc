//! Field 86: information about an entry, in bank-specific formats.

mod sepa;
pub(super) mod slashes;
mod subfields;

/// The content of an entry's field 86.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Information {
    pub(super) end_to_end_id: Option<String>,
    pub(super) instruction_id: Option<String>,
    pub(super) mandate_id: Option<String>,
    pub(super) further_references: Vec<String>,
    pub(super) creditor_references: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) account: Option<String>,
    pub(super) ultimate_name: Option<String>,
    pub(super) return_reason: Option<String>,
    /// The business transaction code in front of the subfields.
    pub(super) business_code: Option<String>,
    /// The code after the text key, which is the reason if the entry is a return.
    pub(super) return_code: Option<String>,
    /// The amount before charges, and the charges, as the bank writes them.
    pub(super) original_amount: Option<String>,
    pub(super) charges: Option<String>,
    pub(super) remittance: String,
}

use crate::limits::REMITTANCE_LENGTH_MAX;
use crate::text::tidy;

/// Lines of this length are broken within words (SWIFT `6*65x`).
const FULL_LINE_LENGTH: usize = 65;

impl Information {
    pub(super) fn read(lines: &[String]) -> Self {
        let joined = lines.concat();
        if let Some(subfields) = subfields::split(&joined) {
            let code = joined.trim_start().get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
            return Self { business_code: code.map(str::to_owned), ..subfields::read(&subfields) };
        }
        if let Some(read) = slashes::read(&joined) {
            return read;
        }
        let text = free(lines);
        sepa::read(&text, &[])
            .unwrap_or_else(|| Self { remittance: tidy(&text, REMITTANCE_LENGTH_MAX), ..Self::default() })
    }
}

/// Unstructured text: full lines are broken anywhere, shorter ones at the end of a word.
fn free(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        if line.chars().count() < FULL_LINE_LENGTH {
            text.push(' ');
        }
    }
    text
}
