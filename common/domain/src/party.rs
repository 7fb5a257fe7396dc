//! The parties of an invoice, as documents and messages show them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::ClientId;
use crate::language::Language;

/// The debtor: the data of a client that receipts and e-mails need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ClientDetails {
    /// The client.
    pub id: ClientId,
    /// Legal name.
    pub name: String,
    /// The e-mail address for documents.
    pub email: String,
    /// Postal address, one line per element.
    pub address: Vec<String>,
    /// VAT or other tax number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tax_id: Option<String>,
    /// The language of documents and messages; English where an event has none.
    #[serde(default, skip_serializing_if = "Language::is_default")]
    pub language: Language,
}
