//! `billing.clients`: the debtors.

use chrono::{DateTime, Utc};
use quittance_domain::id::ClientId;
use quittance_domain::language::Language;
use quittance_domain::listing::Listing;
use quittance_domain::matching::name_key;
use quittance_domain::party::ClientDetails;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

const TABLE: &str = "billing.clients";

/// The unique index of e-mail addresses.
const EMAIL_KEY: &str = "clients_email_key";

/// A client with what its editing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// The data that documents and messages need.
    pub details: ClientDetails,
    /// Incremented with each change.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted; none if it is active.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// The clients to list.
#[derive(Debug, Clone)]
pub struct ClientFilter {
    /// Only this one.
    pub id: Option<ClientId>,
    /// Only with this address, in capital or small letters.
    pub email: Option<String>,
    /// Which page of the list; names, e-mail addresses and tax numbers are searched.
    pub listing: Listing<ClientId>,
}

/// Why a client cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenBalance {
    /// The numbers of invoices that are not paid, at most ten.
    #[error("owes {}; settle, credit or void it first", .0.join(", "))]
    Unpaid(Vec<String>),
    /// There is unapplied cash of the client.
    #[error("has credit; refund it or apply it first (its statement shows it)")]
    Credit,
}

struct Row {
    id: Uuid,
    name: String,
    email: String,
    address: Vec<String>,
    tax_id: Option<String>,
    language: String,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for ClientRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let details = ClientDetails {
            id: ClientId::from_uuid(row.id),
            name: row.name,
            email: row.email,
            address: row.address,
            tax_id: row.tax_id,
            language: language(TABLE, &row.language)?,
        };
        let (version, created_at, updated_at, deleted_at) =
            (row.revision, row.created_at, row.updated_at, row.deleted_at);
        Ok(Self { details, version, created_at, updated_at, deleted_at })
    }
}

/// The stored language of a row.
pub(crate) fn language(table: &'static str, kept: &str) -> Result<Language, StoreError> {
    kept.parse().map_err(|error| StoreError::corrupt(table, error))
}

/// Inserts a client, unless an active client has its e-mail address; returns none then.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, client: &ClientDetails) -> Result<Option<ClientRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "insert into billing.clients (id, name, email, address, tax_id, name_key, language, email_key)
         select $1, $2, $3, $4, $5, $6, $7, lower($3)
         where not exists (select from billing.clients where lower(email) = lower($3) and deleted_at is null)
         on conflict (email_key) where deleted_at is null do nothing
         returning id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at",
        client.id.as_uuid(),
        client.name,
        client.email,
        &client.address,
        client.tax_id,
        name_key(&client.name),
        client.language.as_str(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(ClientRecord::try_from).transpose()
}

/// Writes a client that the caller has locked, as the next version; returns none if another active client has its
/// e-mail address.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn update(transaction: &mut Transaction, client: &ClientDetails) -> Result<Option<ClientRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "update billing.clients set name = $2, email = $3, address = $4, tax_id = $5, name_key = $6, language = $7,
             email_key = case when email = $3 then email_key else lower($3) end,
             revision = revision + 1, updated_at = now()
         where id = $1 and (email = $3 or not exists (
             select from billing.clients where lower(email) = lower($3) and deleted_at is null and id <> $1
         ))
         returning id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at",
        client.id.as_uuid(),
        client.name,
        client.email,
        &client.address,
        client.tax_id,
        name_key(&client.name),
        client.language.as_str(),
    )
    .fetch_optional(&mut **transaction)
    .await;
    match row {
        // Another transaction took the address at the same moment.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(EMAIL_KEY) => Ok(None),
        row => row?.map(ClientRecord::try_from).transpose(),
    }
}

/// Deletes a client that the caller has locked: it stays readable, and its e-mail address becomes free.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn delete(transaction: &mut Transaction, id: ClientId) -> Result<ClientRecord, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "update billing.clients set deleted_at = now(), revision = revision + 1, updated_at = now() where id = $1
         returning id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at",
        id.as_uuid(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    row.try_into()
}

/// Sets the language of a client's documents and messages.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn set_language(transaction: &mut Transaction, id: ClientId, language: Language) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.clients set language = $2, revision = revision + 1, updated_at = now()
         where id = $1 and language <> $2",
        id.as_uuid(),
        language.as_str()
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Locks a client to edit it: until the commit, nobody else edits or deletes it. Its invoices and payments go on.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn lock(transaction: &mut Transaction, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at
         from billing.clients where id = $1 for no key update",
        id.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(ClientRecord::try_from).transpose()
}

/// Locks a client to delete it: until the commit, nobody creates or issues its invoices either.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn lock_to_delete(transaction: &mut Transaction, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at
         from billing.clients where id = $1 for update",
        id.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(ClientRecord::try_from).transpose()
}

/// Whether a client exists and is not deleted; until the commit it cannot be deleted.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn hold_active(transaction: &mut Transaction, id: ClientId) -> Result<bool, StoreError> {
    let deleted_at =
        sqlx::query_scalar!("select deleted_at from billing.clients where id = $1 for key share", id.as_uuid())
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(deleted_at == Some(None))
}

/// What a client owes or is owed, by the invoices and payments that are committed.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn open_balance(transaction: &mut Transaction, id: ClientId) -> Result<Option<OpenBalance>, StoreError> {
    let row = sqlx::query!(
        r#"select
             array(
                 select number from billing.invoices
                 where client_id = $1 and status in ('open', 'partially_paid') and number is not null
                 order by number limit 10
             ) as "unpaid!",
             exists (
                 select from payments.credits where client_id = $1 group by currency having sum(amount) <> 0
             ) as "has_credit!""#,
        id.as_uuid(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(match (row.unpaid, row.has_credit) {
        (unpaid, _) if !unpaid.is_empty() => Some(OpenBalance::Unpaid(unpaid)),
        (_, has_credit) => has_credit.then_some(OpenBalance::Credit),
    })
}

/// Reads a client.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(database: &Database, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at
         from billing.clients where id = $1",
        id.as_uuid(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(ClientRecord::try_from).transpose()
}

/// Lists clients in the order that the filter names.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn list(database: &Database, filter: &ClientFilter) -> Result<Vec<ClientRecord>, StoreError> {
    let listing = &filter.listing;
    let prefixes = listing.words().map(|word| format!("'{word}':*")).collect::<Vec<_>>().join(" & ");
    let rows = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at
         from billing.clients
         where ($1::uuid is null or id = $1) and ($2 = '' or words @@ to_tsquery('simple', $2))
             and ($3::text is null or lower(email) = lower($3))
             and ($4::boolean is null or (deleted_at is not null) = $4)
             and ($5::uuid is null or case $6
                 when 'name' then (lower(name), id) > (
                     select lower(name), id from billing.clients where id = $5 and ($1::uuid is null or id = $1)
                 )
                 when '-created_at' then id < $5
                 else id > $5
             end)
         order by case when $6 = 'name' then lower(name) end, case when $6 = '-created_at' then id end desc, id
         limit $7",
        filter.id.map(ClientId::as_uuid),
        prefixes,
        filter.email,
        listing.is_deleted,
        listing.after.map(ClientId::as_uuid),
        listing.order.as_str(),
        listing.limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(ClientRecord::try_from).collect()
}

/// Reads clients within a transaction.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn read(transaction: &mut Transaction, ids: &[ClientId]) -> Result<Vec<ClientDetails>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, name, email, address, tax_id, language, revision, created_at, updated_at, deleted_at
         from billing.clients where id = any($1)",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(|row| ClientRecord::try_from(row).map(|client| client.details)).collect()
}
