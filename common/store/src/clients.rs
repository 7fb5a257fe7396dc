//! `billing.clients`: the parties that owe invoices.

use quittance_domain::id::ClientId;
use quittance_domain::matching::name_key;
use quittance_domain::party::ClientDetails;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

/// Adds a client.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, client: &ClientDetails) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into billing.clients (id, name, email, address, tax_id, name_key) values ($1, $2, $3, $4, $5, $6)",
        client.id.as_uuid(),
        client.name,
        client.email,
        &client.address,
        client.tax_id,
        name_key(&client.name),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Reads a client.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn find(database: &Database, id: ClientId) -> Result<Option<ClientDetails>, StoreError> {
    let row = sqlx::query!("select name, email, address, tax_id from billing.clients where id = $1", id.as_uuid())
        .fetch_optional(database.pool().await?)
        .await?;
    Ok(row.map(|row| ClientDetails { id, name: row.name, email: row.email, address: row.address, tax_id: row.tax_id }))
}

/// Reads clients within a transaction.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn read(transaction: &mut Transaction, ids: &[ClientId]) -> Result<Vec<ClientDetails>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!("select id, name, email, address, tax_id from billing.clients where id = any($1)", &ids)
        .fetch_all(&mut **transaction)
        .await?;
    let details = rows.into_iter().map(|row| ClientDetails {
        id: ClientId::from_uuid(row.id),
        name: row.name,
        email: row.email,
        address: row.address,
        tax_id: row.tax_id,
    });
    Ok(details.collect())
}
