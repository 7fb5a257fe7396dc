//! What each sign is worth, of 100. See the comments for the combinations that they are made for.
//!
//! | what a line shows | sum | is |
//! |---|---|---|
//! | creditor reference | 80 | a match, in part too |
//! | creditor reference and payer, too much | 95 | a match; what is over becomes the client's credit |
//! | number and amount, another payer | 65 | a case: a slip of the pen names a neighbour |
//! | a claim's name as the whole end-to-end id, and its amount | 70 | a match, whoever pays |
//! | number and payer, less than what is left | 70 | a match: a part, one of several transfers |
//! | number and payer, too much | 60 | a case: it may pay another invoice too |
//! | number | 45 | a case |
//! | number and amount, payer unknown | 65 | a case: a slip of the pen names a neighbour |
//! | number in pieces and amount | 55 | a case |
//! | number in pieces, amount and payer | 80 | a match |
//! | amount and payer, nothing else like it | 70 | a match |
//! | amount and payer, two invoices alike | 55 | a case |
//! | amount and account, another name | 60 | a case: one company pays for several |
//! | amount | 30 | a case |

/// A creditor reference with the right check digits.
pub const REFERENCE: i16 = 80;
/// The name of a claim, and nothing else, where the payer names the transfer.
pub const CLAIM: i16 = 50;
/// The number in a field for numbers of documents.
pub const DOCUMENT: i16 = 50;
/// The number in the text, in one piece.
pub const NUMBER: i16 = 45;
/// The number in the text, in pieces or within something longer.
pub const NUMBER_IN_PIECES: i16 = 25;
/// The amount is what is left to pay.
pub const AMOUNT: i16 = 30;
/// The amount is what is left to pay, less what banks took.
pub const AMOUNT_LESS_FEE: i16 = 28;
/// The amount is the total of an invoice that is paid already, in whole or in part.
pub const TOTAL: i16 = 25;
/// The amount is more than what is left to pay.
pub const TOO_MUCH: i16 = -10;
/// The payer's account paid for the client before.
pub const ACCOUNT: i16 = 30;
/// The payer bears the client's name.
pub const NAME: i16 = 25;
/// The payer bears nearly the client's name.
pub const SIMILAR_NAME: i16 = 15;
/// The payer bears another name: somebody may pay for them.
pub const OTHER_NAME: i16 = -10;
/// The bank does not say who paid.
pub const NO_PAYER: i16 = -10;
/// The payer is another client.
pub const OTHER_CLIENT: i16 = -40;
/// No other open invoice of the client has that amount.
pub const ONLY_ONE: i16 = 15;
/// It was booked long before the invoice was issued.
pub const TOO_EARLY: i16 = -30;
/// The text surely names another invoice.
pub const OTHER_NUMBER: i16 = -40;
/// Another open invoice of the client has the amount, and this one has not.
pub const OTHER_FITS: i16 = -40;
/// The invoice is paid or void, and the amount is not its total.
pub const NOTHING_LEFT: i16 = -20;
/// The money is in another currency.
pub const OTHER_CURRENCY: i16 = -30;
