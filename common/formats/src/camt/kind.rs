//! Detects the message type of a file by its root element.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::quote;

/// The common prefix of the namespaces of these messages (ISO 20022, registered URN).
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.";

/// The newest version that this reader supports.
const VERSION_MAX: u32 = 13;

/// A message and its version: camt.053.001.08.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CamtKind {
    message: Message,
    version: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Message {
    /// camt.052
    Report,
    /// camt.053
    Statement,
    /// camt.054
    Notification,
}

/// A root element that is not a camt message of a known type.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootError {
    #[error(
        "the root element's namespace is not that of camt.052, camt.053 or camt.054 ({NAMESPACE}…); it is `{}`",
        quote(.0)
    )]
    Namespace(String),
    #[error("the root element is `{}`; it should be `Document`", quote(.0))]
    Name(String),
    #[error("camt.{} is not read; camt.052, camt.053 and camt.054 are", quote(.0))]
    Message(String),
    #[error("camt.{} is not read; versions 01 to {VERSION_MAX} are", quote(.0))]
    Version(String),
}

impl CamtKind {
    /// The message type of a root element.
    pub(super) fn of_root(name: &str, attributes: &[(String, String)]) -> Result<Self, RootError> {
        let namespaces = || attributes.iter().filter(|(name, _)| name == "xmlns" || name.starts_with("xmlns:"));
        let Some(rest) = namespaces().find_map(|(_, value)| value.trim().strip_prefix(NAMESPACE)) else {
            let found = namespaces().next().map_or("none", |(_, value)| value.as_str());
            return Err(RootError::Namespace(found.to_owned()));
        };
        if name != "Document" {
            return Err(RootError::Name(name.to_owned()));
        }
        let message = match rest.get(..8) {
            Some("052.001.") => Message::Report,
            Some("053.001.") => Message::Statement,
            Some("054.001.") => Message::Notification,
            _ => return Err(RootError::Message(rest.to_owned())),
        };
        match rest.get(8..).filter(|digits| digits.len() == 2).and_then(|digits| digits.parse().ok()) {
            Some(version @ 1..=VERSION_MAX) => Ok(Self { message, version }),
            _ => Err(RootError::Version(rest.to_owned())),
        }
    }

    /// The element within `Document`.
    pub(super) const fn message_name(self) -> &'static str {
        match self.message {
            Message::Report => "BkToCstmrAcctRpt",
            Message::Statement => "BkToCstmrStmt",
            Message::Notification => "BkToCstmrDbtCdtNtfctn",
        }
    }

    /// Whether an element is the message; version 1 has its version in the name, as in `BkToCstmrStmtV01`.
    pub(super) fn is_message(self, name: &str) -> bool {
        name.strip_prefix(self.message_name())
            .is_some_and(|rest| rest.is_empty() || (self.version == 1 && rest == "V01"))
    }

    /// The element that contains the entries.
    pub(super) const fn statement_name(self) -> &'static str {
        match self.message {
            Message::Report => "Rpt",
            Message::Statement => "Stmt",
            Message::Notification => "Ntfctn",
        }
    }
}

impl fmt::Display for CamtKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self.message {
            Message::Report => 52,
            Message::Statement => 53,
            Message::Notification => 54,
        };
        write!(formatter, "camt.0{number}.001.{:02}", self.version)
    }
}
