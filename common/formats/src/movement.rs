//! What a statement tells: movements of money on an account.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use quittance_domain::money::{Money, MoneyError};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::FilePosition;

/// An amount as a file has it, zero or more; its currency may be one that is no more, such as DEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryAmount {
    value: Decimal,
    currency: String,
}

impl EntryAmount {
    pub(crate) fn new(value: Decimal, currency: &str) -> Result<Self, String> {
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let shown = crate::error::quote(currency);
            return Err(format!("`{shown}` is not a currency; write the three letters of ISO 4217, as in EUR"));
        }
        Ok(Self { value: if value.is_zero() { value.abs() } else { value }, currency: currency.to_owned() })
    }

    /// The amount in major units, with the decimals that the file gives.
    #[must_use]
    pub const fn value(&self) -> Decimal {
        self.value
    }

    /// The currency: three letters (ISO 4217, current or historic).
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The amount as money that we can keep.
    ///
    /// # Errors
    /// [`MoneyError`] for a currency that is none today, more decimals than it has, or an amount beyond the largest.
    pub fn money(&self) -> Result<Money, MoneyError> {
        Money::new(self.value, self.currency.parse()?)
    }
}

impl fmt::Display for EntryAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value, self.currency)
    }
}

/// Which way money went, seen by the account's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// It came in.
    Credit,
    /// It went out.
    Debit,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Credit => Self::Debit,
            Self::Debit => Self::Credit,
        }
    }

    /// The value with the sign that it has in a balance.
    #[must_use]
    pub fn signed(self, value: Decimal) -> Decimal {
        match self {
            Self::Credit => value,
            Self::Debit => -value,
        }
    }
}

/// How far the bank is with an entry (ISO 20022 `ExternalEntryStatus1Code`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BookingStatus {
    /// `BOOK`: the money moved.
    Booked,
    /// `PDNG`: it may yet fail.
    Pending,
    /// `INFO`: told for information, moves nothing.
    Information,
    /// `FUTR`: will be booked on a later day.
    Future,
    /// A status of the bank's own.
    Other(String),
    /// A word that we do not know, where the status stands.
    Unknown(String),
}

/// The statement (or report, or notification) that an entry stands in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParsedStatement {
    /// Its place among the file's statements, from 1.
    pub ordinal: u64,
    /// The bank's name of it: `Id`, MT940 `:20:`.
    pub id: Option<String>,
    /// The message that carries it: `GrpHdr/MsgId`.
    pub message_id: Option<String>,
    /// `ElctrncSeqNb`; MT940 the statement number of `:28C:`.
    pub electronic_sequence: Option<String>,
    /// `LglSeqNb`.
    pub legal_sequence: Option<String>,
    /// The page of a statement that comes in several messages; MT940 the sequence number of `:28C:`.
    pub page: Option<String>,
    /// Whether no page follows, where the file tells.
    pub is_last_page: Option<bool>,
    /// The account: IBAN, or the bank's own number.
    pub account: Option<String>,
    /// The account's currency, where the file tells.
    pub currency: Option<String>,
    /// The account owner's name.
    pub owner: Option<String>,
}

/// Money that a bank took for its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCharge {
    /// How much; zero in many files.
    pub amount: EntryAmount,
    /// Whether it was taken (debit) or given back.
    pub direction: Direction,
    /// Whether it is part of the entry's amount (`ChrgInclInd`), where the file tells.
    pub is_included: Option<bool>,
    /// Who bears it (`Br`: DEBT, CRED, SHAR, SLEV).
    pub bearer: Option<String>,
}

/// Who is on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counterparty {
    /// The name: the debtor's of a credit, the creditor's of a debit; the other way round for what goes back.
    pub name: Option<String>,
    /// The account: IBAN, or another number.
    pub account: Option<String>,
    /// On whose behalf (`UltmtDbtr`, `UltmtCdtr`, `ABWA+`).
    pub ultimate_name: Option<String>,
}

impl Counterparty {
    /// Whether the file says who it is.
    pub(crate) const fn is_named(&self) -> bool {
        self.name.is_some() || self.account.is_some() || self.ultimate_name.is_some()
    }
}

/// One movement of money on an account: a detail of a batch booking, or else the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Counts the movements of the upload, from 1: the line that people are shown.
    pub number: u64,
    /// Where it stands.
    pub place: FilePosition,
    /// The statement that it stands in.
    pub statement: Arc<ParsedStatement>,
    /// How much moved.
    pub amount: EntryAmount,
    /// Which way.
    pub direction: Direction,
    /// How much the bank booked with the whole entry; as `amount`, but for details of a batch.
    pub entry_amount: EntryAmount,
    /// Which way the whole entry went.
    pub entry_direction: Direction,
    /// Whether it takes an earlier entry back (`RvslInd`; MT940 `RC`, `RD`, or a code for returned items).
    pub is_reversal: bool,
    /// Whether it may take back money that came in, or be a debit of another kind: the bank has one code for both.
    pub may_be_return: bool,
    /// How far the bank is.
    pub status: BookingStatus,
    /// The day of the booking, as the bank writes it.
    pub booked_on: Option<NaiveDate>,
    /// The day from which it bears interest.
    pub value_on: Option<NaiveDate>,
    /// How many details the entry has that this movement stands for: 0 without any, more than 1 if they could not be told
    /// apart (no amounts of their own), or their sum is not the entry's amount.
    pub details: u32,
    /// The bank's own name of it: `AcctSvcrRef` of the detail, else of the entry; MT940 `:61:` after `//`.
    pub bank_reference: Option<String>,
    /// The bank's own name of the whole entry, where it has one beside those of its details: `Ntry/AcctSvcrRef`.
    pub entry_reference: Option<String>,
    /// The payer's name of it, carried through to us (`EndToEndId`, `EREF+`).
    pub end_to_end_id: Option<String>,
    /// `TxId`.
    pub transaction_id: Option<String>,
    /// `InstrId`, `KREF+`.
    pub instruction_id: Option<String>,
    /// MT940 `:61:` subfield 7: the reference for the account's owner.
    pub customer_reference: Option<String>,
    /// `MndtId`, `MREF+`.
    pub mandate_id: Option<String>,
    /// `UETR`: the same at every bank on the way.
    pub uetr: Option<String>,
    /// `MsgId` of the order or batch.
    pub message_id: Option<String>,
    /// `PmtInfId` of the order or batch.
    pub payment_information_id: Option<String>,
    /// References of the details that could not be told apart.
    pub further_references: Vec<String>,
    /// The other side.
    pub counterparty: Counterparty,
    /// Structured references (`Strd/CdtrRefInf/Ref`): RF… (ISO 11649), QR references and others.
    pub creditor_references: Vec<String>,
    /// Numbers of documents that it pays (`Strd/RfrdDocInf/Nb`).
    pub documents: Vec<String>,
    /// The unstructured text, blocks joined by spaces.
    pub remittance: String,
    /// Words of a CSV file's columns whose meaning is not known, where no known one says who paid.
    pub unread: Option<String>,
    /// What the bank adds (`AddtlTxInf`, `AddtlNtryInf`; MT940 the line after `:61:`).
    pub additional: Option<String>,
    /// What the payer sent (`AmtDtls/InstdAmt`), to recognise fees.
    pub instructed_amount: Option<EntryAmount>,
    /// What banks took on the way.
    pub charges: Vec<EntryCharge>,
    /// Why it came back (`RtrInf/Rsn`).
    pub return_reason: Option<String>,
    /// What kind of business it is: `PMNT-RCDT-ESCT` (ISO 20022), else the bank's own code; MT940 the type of `:61:`.
    pub bank_code: Option<String>,
}
