//! Files that people bring, and what becomes of their lines.

use crate::names::stored_name;

/// The largest bank statement, in bytes: a million entries of camt.053.
pub const STATEMENT_BYTES_MAX: u32 = 1024 * 1024 * 1024;

/// The largest file of payment confirmations and the largest picture beside one, in bytes.
pub const CONFIRMATION_BYTES_MAX: u32 = 10 * 1024 * 1024;

/// What a file is. Taken from our record, never from the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadKind {
    /// A client's list of payments it says it made.
    PaymentConfirmation,
    /// What the bank says happened on our account.
    BankStatement,
}

stored_name!(UploadKind {
    PaymentConfirmation => "payment_confirmation",
    BankStatement => "bank_statement",
});

impl UploadKind {
    /// The largest file of the kind, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> u32 {
        match self {
            Self::PaymentConfirmation => CONFIRMATION_BYTES_MAX,
            Self::BankStatement => STATEMENT_BYTES_MAX,
        }
    }
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStatus {
    /// It is announced.
    AwaitingFile,
    /// The whole file can be read; its lines are being handed on.
    Importing,
    /// Every line is handed on or left out with a reason.
    Accepted,
    /// The file cannot be used; nothing of it was handed on.
    Refused,
}

stored_name!(UploadStatus {
    AwaitingFile => "awaiting_file",
    Importing => "importing",
    Accepted => "accepted",
    Refused => "refused",
});

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineOutcome {
    /// Handed on as what a client says.
    Claimed,
    /// Handed on as money for the invoices that it pays.
    Matched,
    /// Handed on as money that staff have to find an invoice for.
    Unmatched,
    /// Handed on as money that was taken back.
    Returned,
    /// Told before, by this file or another.
    Duplicate,
    /// Tells nothing about money that we received: a debit, a booking that is not final.
    Ignored,
    /// Money moved that cannot be handed on; somebody has to look.
    Rejected,
}

stored_name!(LineOutcome {
    Claimed => "claimed",
    Matched => "matched",
    Unmatched => "unmatched",
    Returned => "returned",
    Duplicate => "duplicate",
    Ignored => "ignored",
    Rejected => "rejected",
});
