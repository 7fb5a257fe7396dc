//! Uploaded files, and the outcome of their lines.

use crate::names::{serialized_name, stored_name};

/// The largest bank statement, in bytes: a million entries of camt.053.
pub const STATEMENT_BYTES_MAX: u32 = 1024 * 1024 * 1024;

/// The largest file of payment confirmations, and the largest image attached to one, in bytes.
pub const CONFIRMATION_BYTES_MAX: u32 = 10 * 1024 * 1024;

/// The kind of a file. It comes from our record, never from the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadKind {
    /// A client's file of payments that it claims to have made.
    PaymentConfirmation,
    /// A bank's statement of our account.
    BankStatement,
}

stored_name!(UploadKind {
    PaymentConfirmation => "payment_confirmation",
    BankStatement => "bank_statement",
});
serialized_name!(UploadKind);

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

/// The status of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStatus {
    /// The upload was announced; the file has not arrived.
    AwaitingFile,
    /// The whole file is readable; its lines are being queued.
    Importing,
    /// Every line was queued, or left out with a reason.
    Accepted,
    /// The file is unusable; nothing of it was queued.
    Refused,
}

stored_name!(UploadStatus {
    AwaitingFile => "awaiting_file",
    Importing => "importing",
    Accepted => "accepted",
    Refused => "refused",
});

/// The outcome of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineOutcome {
    /// Queued as a client's claim.
    Claimed,
    /// Queued as money for the invoices that it pays.
    Matched,
    /// Queued as money that staff have to find an invoice for.
    Unmatched,
    /// Queued as money that was taken back.
    Returned,
    /// Reported before, by this file or another.
    Duplicate,
    /// Not about received money: a debit, or a booking that is not final.
    Ignored,
    /// Money moved, but the line cannot be processed; staff have to review it.
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
