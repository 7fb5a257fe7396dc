//! Detects returns of received money that are only marked by a code.

use super::information::Information;
use super::values::EntryLine;
use crate::movement::Direction;
use crate::returns::{MAY_RETURN_DEBIT, RETURNS_DEBIT};

/// SWIFT's code for a returned item, after the letter of subfield 6 of field 61.
const RETURNED_ITEM: &str = "RTI";

/// How certain it is that an entry is a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReturnedEntry {
    Surely,
    /// The code is also used for another kind of debit.
    Perhaps,
    No,
}

impl ReturnedEntry {
    pub(super) fn parse(line: &EntryLine, information: &Information) -> Self {
        let is_returned_item = line.kind.as_deref().is_some_and(|kind| kind.ends_with(RETURNED_ITEM));
        let is_debit = line.direction == Direction::Debit;
        match information.business_code.as_deref() {
            _ if is_returned_item => Self::Surely,
            Some(code) if is_debit && RETURNS_DEBIT.contains(&code) => Self::Surely,
            Some(code) if is_debit && MAY_RETURN_DEBIT.contains(&code) => Self::Perhaps,
            _ => Self::No,
        }
    }
}
