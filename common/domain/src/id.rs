//! Ids: prefixed UUIDs for what we create, validated texts for what others name.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::api_schema::text_schema;

/// Why a text is not the expected id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not `<prefix>_` and 32 hexadecimal digits.
    #[error("an id of this kind looks like {0}_ and 32 hexadecimal digits")]
    Malformed(&'static str),
    /// Not a transaction id.
    #[error("a transaction id has 1 to 100 letters, digits, points, underscores, colons or hyphens")]
    TransactionId,
    /// Not a provider name.
    #[error("a provider is named by 1 to 32 small letters, digits or underscores")]
    Provider,
}

macro_rules! prefixed_id {
    ($(#[doc = $doc:literal])* $name:ident, $prefix:literal, $example:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The part before the underscore and the 32 hexadecimal digits.
            pub const PREFIX: &'static str = $prefix;

            /// An id for examples.
            pub const EXAMPLE: &'static str = concat!($prefix, "_", $example);

            /// The id with this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID without the prefix, as stored in the database.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$")})
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<utoipa::openapi::Schema> {
                text_schema(concat!("^", $prefix, "_[0-9a-fA-F]{32}$"), concat!($($doc),*).trim(), Self::EXAMPLE)
            }
        }

        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|digits| digits.len() == 32)
                    .and_then(|digits| Uuid::try_parse(digits).ok())
                    .map(Self)
                    .ok_or(IdError::Malformed($prefix))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

prefixed_id!(
    /// A client: the party that owes invoices.
    ClientId,
    "cli",
    "019a3f5e2b7c7d10a1b2c3d4e5f60718"
);
prefixed_id!(
    /// An invoice.
    InvoiceId,
    "inv",
    "019a3f5f00017a3cb4c5d6e7f8091a2b"
);
prefixed_id!(
    /// A credit note.
    CreditNoteId,
    "crn",
    "019a3f6000017a3cb4c5d6e7f8091a2b"
);
prefixed_id!(
    /// A payment, under any number of references.
    PaymentId,
    "pay",
    "019a3f6012347f5e8899aabbccddeeff"
);
prefixed_id!(
    /// An uploaded file.
    UploadId,
    "upl",
    "019a3f6034567f5e8899aabbccddee03"
);
prefixed_id!(
    /// A refund that staff requested.
    RefundId,
    "ref",
    "019a3f6023457f5e8899aabbccddee02"
);
prefixed_id!(
    /// A case that staff close.
    CaseId,
    "cas",
    "019a3f6045677f5e8899aabbccddee04"
);
prefixed_id!(
    /// An adjustment of the money at a provider.
    AdjustmentId,
    "adj",
    "019a3f6067897f5e8899aabbccddee06"
);
prefixed_id!(
    /// A transaction of the ledger.
    LedgerTransactionId,
    "ltx",
    "019a3f6056787f5e8899aabbccddee05"
);
prefixed_id!(
    /// A correction of the books that waits for a second person's approval.
    CorrectionId,
    "cor",
    "019a3f6067897f5e8899aabbccddee07"
);
prefixed_id!(
    /// An audit record.
    AuditId,
    "aud",
    "019a3f6012357f5e8899aabbccddee01"
);
prefixed_id!(
    /// A webhook endpoint.
    WebhookEndpointId,
    "whe",
    "019a3f6056787f5e8899aabbccddee05"
);
prefixed_id!(
    /// A change of an invoice's paid amount by one payment.
    AllocationId,
    "alo",
    "019a3f6078907f5e8899aabbccddee08"
);

macro_rules! text_id {
    ($name:ident, $pattern:literal, $written:literal, $description:literal, $example:literal) => {
        impl $name {
            /// An example.
            pub const EXAMPLE: &'static str = $example;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<utoipa::openapi::Schema> {
                text_schema($written, $description, Self::EXAMPLE)
            }
        }

        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

/// The provider that moved the money: a gateway's name (`stripe`), or `manual` for bank transfers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Provider(String);

text_id!(
    Provider,
    "^[a-z0-9_]{1,32}$",
    "^[a-z0-9_]{1,32}$",
    "The provider that moved the money: a payment gateway, or `manual` for bank transfers.",
    "stripe"
);

impl Provider {
    /// The provider of payments without a gateway.
    #[must_use]
    pub fn manual() -> Self {
        Self(Self::MANUAL.to_owned())
    }

    /// Whether the payment has no gateway.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.0 == Self::MANUAL
    }

    const MANUAL: &'static str = "manual";

    /// The maximum length, in bytes.
    pub const LENGTH_MAX: usize = 32;
}

impl FromStr for Provider {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Provider)
        }
    }
}

/// The id of a payment in its provider's namespace: `stripe:pi_3Nn`, `manual:PO-4711`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TransactionId(String);

text_id!(
    TransactionId,
    "^[a-z0-9_]{1,32}:[A-Za-z0-9._:-]+$",
    "^[A-Za-z0-9._:-]{1,100}$",
    "The name of one movement of money in its provider's namespace: `stripe:pi_3Nn`. A bare name is a bank transfer's: \
     `PO-4711` is `manual:PO-4711`. With the provider it has at most 100 characters.",
    "stripe:pi_3SP0AbCdEfGhIjKl1Zz9Yy8X"
);

impl TransactionId {
    /// The maximum length in bytes; also of the group ids that we give to SQS (which allows 128).
    pub const LENGTH_MAX: usize = 100;

    /// Puts a provider's reference into the provider's namespace; a reference that has it already is unchanged.
    ///
    /// # Errors
    /// [`IdError::TransactionId`] if the result contains other characters or is too long.
    pub fn namespaced(provider: &Provider, reference: &str) -> Result<Self, IdError> {
        let prefix = format!("{provider}:");
        if reference.starts_with(&prefix) { reference.parse() } else { format!("{prefix}{reference}").parse() }
    }
}

impl TransactionId {
    /// The provider in front of the reference; `manual` if there is none.
    #[must_use]
    pub fn provider(&self) -> Provider {
        let named = self.0.split_once(':').and_then(|(prefix, _)| prefix.parse::<Provider>().ok());
        named.unwrap_or_else(Provider::manual)
    }

    /// The prefix of the references of payments that are known only from a bank statement.
    pub const BANK_LINE_PREFIX: &'static str = "bank-";

    /// Whether we assigned the id to a line of a bank statement; callers may not use such ids.
    #[must_use]
    pub fn is_bank_line(&self) -> bool {
        self.provider().is_manual() && self.reference().starts_with(Self::BANK_LINE_PREFIX)
    }

    /// The provider's own reference of the payment, without the namespace.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, reference)| reference)
    }

    /// Parses a reference as people write it: with its provider in front (`stripe:pi_1`), or bare, which means a bank
    /// transfer (`PO-4711` is `manual:PO-4711`). Also returns the provider.
    ///
    /// # Errors
    /// [`IdError::TransactionId`] if it contains other characters or is too long.
    pub fn with_provider(reference: &str) -> Result<(Provider, Self), IdError> {
        let named = reference.split_once(':').and_then(|(prefix, _)| prefix.parse::<Provider>().ok());
        let provider = named.unwrap_or_else(Provider::manual);
        let transaction_id = Self::namespaced(&provider, reference)?;
        Ok((provider, transaction_id))
    }
}

impl FromStr for TransactionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::TransactionId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefixed_id_is_read_back_from_its_own_text_and_from_no_other() {
        let id = InvoiceId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "inv_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse::<InvoiceId>(), Ok(id));
        for text in ["cli_00000000000000000000000000000007", "00000000000000000000000000000007", "inv_7", ""] {
            assert!(text.parse::<InvoiceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_reference_enters_its_providers_namespace_once() {
        let stripe: Provider = "stripe".parse().unwrap();
        for reference in ["pi_1", "stripe:pi_1"] {
            assert_eq!(TransactionId::namespaced(&stripe, reference).unwrap().as_str(), "stripe:pi_1");
        }
        assert!(TransactionId::namespaced(&stripe, &"x".repeat(100)).is_err());
    }

    #[test]
    fn a_bare_reference_names_a_bank_transfer() {
        for (reference, provider, id) in [("PO-1", "manual", "manual:PO-1"), ("stripe:pi_1", "stripe", "stripe:pi_1")] {
            let (read_provider, read_id) = TransactionId::with_provider(reference).unwrap();
            assert_eq!((read_provider.as_str(), read_id.as_str()), (provider, id));
        }
    }

    #[test]
    fn transaction_ids_carry_no_other_characters() {
        for text in ["", "a b", "a/b", "ü", "a\n", "a%20"] {
            assert!(text.parse::<TransactionId>().is_err(), "{text:?}");
        }
    }
}
