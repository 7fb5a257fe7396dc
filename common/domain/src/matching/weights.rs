//! The weight of each signal, out of 100. The combinations that they are chosen for:
//!
//! | signals of a line | sum | result |
//! |---|---|---|
//! | creditor reference | 80 | a match, in part too |
//! | creditor reference and payer, too much | 95 | a match; the excess becomes the client's credit |
//! | number and amount, another payer | 65 | a case: a typing error names a neighbouring number |
//! | a claim's reference as the whole end-to-end id, and its amount | 70 | a match, regardless of the payer |
//! | number and payer, less than the outstanding amount | 70 | a match: a partial payment, one of several transfers |
//! | number and payer, too much | 60 | a case: it may pay another invoice too |
//! | number | 45 | a case |
//! | number and amount, payer unknown | 65 | a case: a typing error names a neighbouring number |
//! | number in pieces and amount | 55 | a case |
//! | number in pieces, amount and payer | 80 | a match |
//! | amount and payer, nothing else like it | 70 | a match |
//! | amount and payer, two invoices alike | 55 | a case |
//! | amount and account, another name | 60 | a case: one company pays for several |
//! | amount | 30 | a case |

/// A creditor reference with valid check digits.
pub const REFERENCE: i16 = 80;
/// A claim's reference, and nothing else, in the payer's end-to-end id.
pub const CLAIM: i16 = 50;
/// The number in a field for document numbers.
pub const DOCUMENT: i16 = 50;
/// The number in the text, in one piece.
pub const NUMBER: i16 = 45;
/// The number in the text, in pieces or within something longer.
pub const NUMBER_IN_PIECES: i16 = 25;
/// The amount equals the outstanding amount.
pub const AMOUNT: i16 = 30;
/// The amount equals the outstanding amount less bank fees.
pub const AMOUNT_LESS_FEE: i16 = 28;
/// The amount equals the total of an invoice that is already paid, in whole or in part.
pub const TOTAL: i16 = 25;
/// The amount exceeds the outstanding amount.
pub const TOO_MUCH: i16 = -10;
/// The payer's account has paid for the client before.
pub const ACCOUNT: i16 = 30;
/// The payer has the client's name.
pub const NAME: i16 = 25;
/// The payer's name is similar to the client's.
pub const SIMILAR_NAME: i16 = 15;
/// The payer has another name, but may pay on the client's behalf.
pub const OTHER_NAME: i16 = -10;
/// The bank does not report the payer.
pub const NO_PAYER: i16 = -10;
/// The payer is another client.
pub const OTHER_CLIENT: i16 = -40;
/// No other open invoice of the client has the amount.
pub const ONLY_ONE: i16 = 15;
/// It was booked long before the invoice was issued.
pub const TOO_EARLY: i16 = -30;
/// The text certainly names another invoice.
pub const OTHER_NUMBER: i16 = -40;
/// Another open invoice of the client has the amount, and this one does not.
pub const OTHER_FITS: i16 = -40;
/// The invoice is paid or void, and the amount differs from its total.
pub const NOTHING_LEFT: i16 = -20;
/// The money is in another currency.
pub const OTHER_CURRENCY: i16 = -30;
