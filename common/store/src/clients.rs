//! `billing.clients`: the debtors.

use quittance_domain::id::ClientId;
use quittance_domain::language::Language;
use quittance_domain::matching::name_key;
use quittance_domain::party::ClientDetails;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

const TABLE: &str = "billing.clients";

struct Row {
    id: Uuid,
    name: String,
    email: String,
    address: Vec<String>,
    tax_id: Option<String>,
    language: String,
}

impl TryFrom<Row> for ClientDetails {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            name: row.name,
            email: row.email,
            address: row.address,
            tax_id: row.tax_id,
            language: language(TABLE, &row.language)?,
        })
    }
}

/// The stored language of a row.
pub(crate) fn language(table: &'static str, kept: &str) -> Result<Language, StoreError> {
    kept.parse().map_err(|error| StoreError::corrupt(table, error))
}

/// Inserts a client.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, client: &ClientDetails) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into billing.clients (id, name, email, address, tax_id, name_key, language)
         values ($1, $2, $3, $4, $5, $6, $7)",
        client.id.as_uuid(),
        client.name,
        client.email,
        &client.address,
        client.tax_id,
        name_key(&client.name),
        client.language.as_str(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Sets the language of a client's documents and messages.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn set_language(transaction: &mut Transaction, id: ClientId, language: Language) -> Result<(), StoreError> {
    sqlx::query!("update billing.clients set language = $2 where id = $1", id.as_uuid(), language.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Reads a client.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(database: &Database, id: ClientId) -> Result<Option<ClientDetails>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language from billing.clients where id = $1",
        id.as_uuid(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(ClientDetails::try_from).transpose()
}

/// Reads clients within a transaction.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn read(transaction: &mut Transaction, ids: &[ClientId]) -> Result<Vec<ClientDetails>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language from billing.clients where id = any($1)",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(ClientDetails::try_from).collect()
}
