//! Codes of entries that return money (German banks' DFÜ agreement, annex 3: business transaction codes).

/// A direct debit that we collected is returned: SEPA B2B, SEPA Core.
pub(crate) const RETURNS_DEBIT: [&str; 2] = ["108", "109"];

/// A SEPA B2B direct debit is booked: somebody collected it from us or, at some banks, one that we collected is
/// returned.
pub(crate) const MAY_RETURN_DEBIT: [&str; 1] = ["104"];
