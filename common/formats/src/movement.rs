//! Movements of money on an account, as statements report them.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use quittance_domain::money::{Money, MoneyError};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::FilePosition;
use crate::value_error::ValueError;

/// An amount as a file has it, zero or more; its currency may be a historic one, such as DEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryAmount {
    value: Decimal,
    currency: String,
}

impl EntryAmount {
    pub(crate) fn new(value: Decimal, currency: &str) -> Result<Self, ValueError> {
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(ValueError::Currency(currency.to_owned()));
        }
        Ok(Self { value: if value.is_zero() { value.abs() } else { value }, currency: currency.to_owned() })
    }

    /// The amount in major units, with the decimals of the file.
    #[must_use]
    pub const fn value(&self) -> Decimal {
        self.value
    }

    /// The currency: three letters (ISO 4217, current or historic).
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The amount as money.
    ///
    /// # Errors
    /// [`MoneyError`] for a currency that is not current, more decimals than it has, or an amount above the maximum.
    pub fn money(&self) -> Result<Money, MoneyError> {
        Money::new(self.value, self.currency.parse()?)
    }
}

impl fmt::Display for EntryAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value, self.currency)
    }
}

/// The direction of money, as seen by the account's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Money came in.
    Credit,
    /// Money went out.
    Debit,
}

impl Direction {
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Credit => Self::Debit,
            Self::Debit => Self::Credit,
        }
    }

    /// The value with its sign in a balance.
    #[must_use]
    pub fn signed(self, value: Decimal) -> Decimal {
        match self {
            Self::Credit => value,
            Self::Debit => -value,
        }
    }
}

/// The booking status of an entry (ISO 20022 `ExternalEntryStatus1Code`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BookingStatus {
    /// `BOOK`: the money moved.
    Booked,
    /// `PDNG`: it may yet fail.
    Pending,
    /// `INFO`: for information only, moves no money.
    Information,
    /// `FUTR`: will be booked on a later day.
    Future,
    /// A proprietary status of the bank.
    Other(String),
    /// An unknown word in place of the status.
    Unknown(String),
}

/// The statement (or report, or notification) that contains an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParsedStatement {
    /// Its number among the file's statements, from 1.
    pub ordinal: u64,
    /// The bank's id: `Id`, MT940 `:20:`.
    pub id: Option<String>,
    /// The id of its message: `GrpHdr/MsgId`.
    pub message_id: Option<String>,
    /// `ElctrncSeqNb`; MT940 the statement number of `:28C:`.
    pub electronic_sequence: Option<String>,
    /// `LglSeqNb`.
    pub legal_sequence: Option<String>,
    /// The page of a statement in several messages; MT940 the sequence number of `:28C:`.
    pub page: Option<String>,
    /// Whether it is the last page, if the file states it.
    pub is_last_page: Option<bool>,
    /// The account: IBAN, or the bank's own number.
    pub account: Option<String>,
    /// The account's currency, if the file states it.
    pub currency: Option<String>,
    /// The account owner's name.
    pub owner: Option<String>,
}

/// A bank's charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCharge {
    /// The amount; zero in many files.
    pub amount: EntryAmount,
    /// Whether it was charged (debit) or refunded.
    pub direction: Direction,
    /// Whether it is included in the entry's amount (`ChrgInclInd`), if the file states it.
    pub is_included: Option<bool>,
    /// Who bears it (`Br`: DEBT, CRED, SHAR, SLEV).
    pub bearer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counterparty {
    /// The name: the debtor's of a credit, the creditor's of a debit; the reverse for returns.
    pub name: Option<String>,
    /// The account: IBAN, or another number.
    pub account: Option<String>,
    /// The ultimate party (`UltmtDbtr`, `UltmtCdtr`, `ABWA+`).
    pub ultimate_name: Option<String>,
}

impl Counterparty {
    /// Whether the file identifies the counterparty.
    pub(crate) const fn is_named(&self) -> bool {
        self.name.is_some() || self.account.is_some() || self.ultimate_name.is_some()
    }
}

/// One movement of money on an account: a detail of a batch booking, otherwise the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The number of the movement within the upload, from 1: the line number that people see.
    pub number: u64,
    /// Its position.
    pub place: FilePosition,
    /// The statement that contains it.
    pub statement: Arc<ParsedStatement>,
    pub amount: EntryAmount,
    pub direction: Direction,
    /// The booked amount of the whole entry; equals `amount`, except for details of a batch.
    pub entry_amount: EntryAmount,
    /// The direction of the whole entry.
    pub entry_direction: Direction,
    /// Whether it reverses an earlier entry (`RvslInd`; MT940 `RC`, `RD`, or a code for returned items).
    pub is_reversal: bool,
    /// Whether it may be a return of received money or another kind of debit: the bank has one code for both.
    pub may_be_return: bool,
    /// The booking status.
    pub status: BookingStatus,
    /// The booking date, as the bank writes it.
    pub booked_on: Option<NaiveDate>,
    /// The value date.
    pub value_on: Option<NaiveDate>,
    /// The number of the entry's details that this movement stands for: 0 without any, more than 1 if they could not be
    /// distinguished (no amounts of their own), or their sum is not the entry's amount.
    pub details: u32,
    /// The bank's reference: `AcctSvcrRef` of the detail, otherwise of the entry; MT940 `:61:` after `//`.
    pub bank_reference: Option<String>,
    /// The bank's reference of the whole entry, if it has one in addition to those of its details: `Ntry/AcctSvcrRef`.
    pub entry_reference: Option<String>,
    /// The payer's reference, passed through to us (`EndToEndId`, `EREF+`).
    pub end_to_end_id: Option<String>,
    /// `TxId`.
    pub transaction_id: Option<String>,
    /// `InstrId`, `KREF+`.
    pub instruction_id: Option<String>,
    /// MT940 `:61:` subfield 7: the reference for the account's owner.
    pub customer_reference: Option<String>,
    /// `MndtId`, `MREF+`.
    pub mandate_id: Option<String>,
    /// `UETR`: the same at every bank involved.
    pub uetr: Option<String>,
    /// `MsgId` of the order or batch.
    pub message_id: Option<String>,
    /// `PmtInfId` of the order or batch.
    pub payment_information_id: Option<String>,
    /// References of details that could not be distinguished.
    pub further_references: Vec<String>,
    pub counterparty: Counterparty,
    /// Structured references (`Strd/CdtrRefInf/Ref`): RF… (ISO 11649), QR references and others.
    pub creditor_references: Vec<String>,
    /// Numbers of the documents that it pays (`Strd/RfrdDocInf/Nb`).
    pub documents: Vec<String>,
    /// The unstructured text, with blocks joined by spaces.
    pub remittance: String,
    /// Text of a CSV file's columns with an unknown meaning, if no known column has the payer.
    pub unread: Option<String>,
    /// Additional information of the bank (`AddtlTxInf`, `AddtlNtryInf`; MT940 the line after `:61:`).
    pub additional: Option<String>,
    /// The amount that the payer sent (`AmtDtls/InstdAmt`), to detect fees.
    pub instructed_amount: Option<EntryAmount>,
    /// Charges of the banks involved.
    pub charges: Vec<EntryCharge>,
    /// The reason of a return (`RtrInf/Rsn`).
    pub return_reason: Option<String>,
    /// The transaction code: `PMNT-RCDT-ESCT` (ISO 20022), otherwise the bank's own code; MT940 the type of `:61:`.
    pub bank_code: Option<String>,
}
