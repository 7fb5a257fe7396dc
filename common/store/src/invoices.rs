//! `billing.invoices`: billing writes the document's columns, the processor the paid amounts.

use chrono::NaiveDate;
use quittance_domain::command::InvoiceReference;
use quittance_domain::event::InvoiceSummary;
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::{Amounts, Invoice};
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::clients::language;
use crate::database::{Database, Transaction};
use crate::document_lines::{Columns, InvoiceLine, LineRow};
use crate::error::{StoreError, money};

const TABLE: &str = "billing.invoices";

/// An invoice with the data that documents and events need.
#[derive(Debug, Clone)]
pub struct InvoiceRecord {
    /// The data that settlement needs.
    pub invoice: Invoice,
    /// The tax included in its total.
    pub tax: Money,
    /// The number, if issued.
    pub number: Option<String>,
    /// Date of issue, if issued.
    pub issued_on: Option<NaiveDate>,
    /// Due date.
    pub due_on: NaiveDate,
    pub client: ClientDetails,
}

impl InvoiceRecord {
    /// The invoice as events carry it; none for a draft, which has no number.
    #[must_use]
    pub fn summary(&self, invoice: &Invoice) -> Option<InvoiceSummary> {
        Some(InvoiceSummary {
            id: invoice.id(),
            number: self.number.clone()?,
            total: invoice.total(),
            tax: (!self.tax.is_zero()).then_some(self.tax),
            credited: (!invoice.credited().is_zero()).then(|| invoice.credited()),
            paid: invoice.paid(),
            status: invoice.status(),
            version: invoice.version(),
            issued_on: self.issued_on?,
            due_on: self.due_on,
        })
    }
}

struct Row {
    id: Uuid,
    client_id: Uuid,
    number: Option<String>,
    currency: String,
    total: Decimal,
    tax: Decimal,
    credited_amount: Decimal,
    paid_amount: Decimal,
    status: String,
    version: i64,
    issued_on: Option<NaiveDate>,
    due_on: NaiveDate,
    name: String,
    email: String,
    address: Vec<String>,
    tax_id: Option<String>,
    language: String,
}

impl TryFrom<Row> for InvoiceRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let client_id = ClientId::from_uuid(row.client_id);
        Ok(Self {
            invoice: Invoice::restore(
                InvoiceId::from_uuid(row.id),
                client_id,
                Amounts {
                    total: money(TABLE, row.total, &row.currency)?,
                    credited: money(TABLE, row.credited_amount, &row.currency)?,
                    paid: money(TABLE, row.paid_amount, &row.currency)?,
                },
                row.status.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                row.version,
            )
            .map_err(|error| StoreError::corrupt(TABLE, format!("{}: {error}", row.id)))?,
            tax: money(TABLE, row.tax, &row.currency)?,
            number: row.number,
            issued_on: row.issued_on,
            due_on: row.due_on,
            client: ClientDetails {
                id: client_id,
                name: row.name,
                email: row.email,
                address: row.address,
                tax_id: row.tax_id,
                language: language(TABLE, &row.language)?,
            },
        })
    }
}

/// Locks invoices in the order of their ids, to change their paid amounts.
///
/// The lock allows others to insert rows that refer to the invoice. With `for update`, two payments of one invoice that
/// have both just inserted their facts would deadlock.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn lock(transaction: &mut Transaction, ids: &[InvoiceId]) -> Result<Vec<InvoiceRecord>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select invoices.id, client_id, number, currency, total, tax, credited_amount, paid_amount, status, version, issued_on, due_on,
             name, email, address, tax_id, language
         from billing.invoices join billing.clients on clients.id = client_id
         where invoices.id = any($1) order by invoices.id for no key update of invoices",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(InvoiceRecord::try_from).collect()
}

/// Locks one invoice, to change its document.
///
/// The number is a key, so this waits for transactions that insert rows referring to the invoice: with the weaker lock,
/// issuing an invoice and a payment that names it would deadlock.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn lock_document(transaction: &mut Transaction, id: InvoiceId) -> Result<Option<InvoiceRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select invoices.id, client_id, number, currency, total, tax, credited_amount, paid_amount, status, version, issued_on, due_on,
             name, email, address, tax_id, language
         from billing.invoices join billing.clients on clients.id = client_id
         where invoices.id = $1 for update of invoices",
        id.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(InvoiceRecord::try_from).transpose()
}

/// Reads an invoice; with `client_id`, only if it is that client's.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(
    database: &Database,
    id: InvoiceId,
    client_id: Option<ClientId>,
) -> Result<Option<InvoiceRecord>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select invoices.id, client_id, number, currency, total, tax, credited_amount, paid_amount, status, version, issued_on, due_on,
             name, email, address, tax_id, language
         from billing.invoices join billing.clients on clients.id = client_id
         where invoices.id = $1 and ($2::uuid is null or client_id = $2)",
        id.as_uuid(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(InvoiceRecord::try_from).transpose()
}

/// The id of an invoice that is named by its id or by its printed number; with `client_id`, a number only if it is that
/// client's. An id is not looked up.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn resolve(
    database: &Database,
    named: &InvoiceReference,
    client_id: Option<ClientId>,
) -> Result<Option<InvoiceId>, StoreError> {
    let number = match named {
        InvoiceReference::Id(id) => return Ok(Some(*id)),
        InvoiceReference::Number(number) => number,
    };
    let id = sqlx::query_scalar!(
        "select id from billing.invoices where number = $1 and ($2::uuid is null or client_id = $2)",
        number,
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    Ok(id.map(InvoiceId::from_uuid))
}

/// The client and currency of an invoice, for functions that may not read clients.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn owner(database: &Database, id: InvoiceId) -> Result<Option<(ClientId, String)>, StoreError> {
    let row = sqlx::query!("select client_id, currency from billing.invoices where id = $1", id.as_uuid())
        .fetch_optional(database.pool().await?)
        .await?;
    Ok(row.map(|row| (ClientId::from_uuid(row.client_id), row.currency)))
}

/// Whether an invoice is a draft, which its client does not see yet; not if there is none.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_draft(database: &Database, id: InvoiceId) -> Result<bool, StoreError> {
    let is_draft = sqlx::query_scalar!(
        r#"select exists (select from billing.invoices where id = $1 and status = 'draft') as "is_draft!""#,
        id.as_uuid()
    );
    Ok(is_draft.fetch_one(database.pool().await?).await?)
}

/// An invoice that evidence names, with its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInvoice {
    pub id: InvoiceId,
    /// The printed number, if issued.
    pub number: Option<String>,
    pub client_id: ClientId,
}

/// Looks up invoices by id and by printed number.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn named(
    transaction: &mut Transaction,
    ids: &[InvoiceId],
    numbers: &[String],
) -> Result<Vec<NamedInvoice>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "select id, number, client_id from billing.invoices where id = any($1) or number = any($2)",
        &ids,
        numbers,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| NamedInvoice {
            id: InvoiceId::from_uuid(row.id),
            number: row.number,
            client_id: ClientId::from_uuid(row.client_id),
        })
        .collect())
}

/// Writes the paid amounts of invoices that the caller has locked.
///
/// # Errors
/// [`StoreError`] if the database refuses (a sum above the total) or fails.
pub async fn update_paid(transaction: &mut Transaction, invoices: &[&Invoice]) -> Result<(), StoreError> {
    if invoices.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = invoices.iter().map(|invoice| invoice.id().as_uuid()).collect();
    let paid: Vec<Decimal> = invoices.iter().map(|invoice| invoice.paid().amount()).collect();
    let statuses: Vec<String> = invoices.iter().map(|invoice| invoice.status().to_string()).collect();
    let versions: Vec<i64> = invoices.iter().map(|invoice| invoice.version()).collect();
    sqlx::query!(
        "update billing.invoices set paid_amount = new.paid_amount, status = new.status, version = new.version
         from unnest($1::uuid[], $2::numeric[], $3::text[], $4::bigint[]) as new (id, paid_amount, status, version)
         where invoices.id = new.id",
        &ids,
        &paid,
        &statuses,
        &versions,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Inserts a draft and its lines.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert_draft(
    transaction: &mut Transaction,
    invoice: &Invoice,
    tax: Money,
    due_on: NaiveDate,
    lines: &[InvoiceLine],
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into billing.invoices (id, client_id, currency, total, tax, due_on) values ($1, $2, $3, $4, $5, $6)",
        invoice.id().as_uuid(),
        invoice.client_id().as_uuid(),
        invoice.total().currency().code(),
        invoice.total().amount(),
        tax.amount(),
        due_on,
    )
    .execute(&mut **transaction)
    .await?;
    let columns = Columns::from_lines(lines)?;
    sqlx::query!(
        "insert into billing.invoice_lines (invoice_id, position, description, quantity, unit_amount, tax_percent)
         select $1, position, description, quantity, unit_amount, tax_percent
         from unnest($2::text[], $3::integer[], $4::numeric[], $5::numeric[]) with ordinality
             as line (description, quantity, unit_amount, tax_percent, position)",
        invoice.id().as_uuid(),
        &columns.descriptions,
        &columns.quantities,
        &columns.amounts,
        &columns.percents,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes the year's next invoice number. Numbers are gapless: the counter rolls back with the transaction.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn next_number(transaction: &mut Transaction, year: i32) -> Result<String, StoreError> {
    let number = sqlx::query_scalar!(
        "insert into billing.invoice_counters (year, last_number) values ($1, 1)
         on conflict (year) do update set last_number = invoice_counters.last_number + 1
         returning last_number",
        year,
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(format!("INV-{year}-{number:06}"))
}

/// Writes number, date, credited amount, status and version of an invoice that the caller has locked.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn update_document(transaction: &mut Transaction, record: &InvoiceRecord) -> Result<(), StoreError> {
    sqlx::query!(
        "update billing.invoices set number = $2, issued_on = $3, status = $4, version = $5, credited_amount = $6,
             voided_at = case when $4 = 'void' then now() end
         where id = $1",
        record.invoice.id().as_uuid(),
        record.number,
        record.issued_on,
        record.invoice.status().as_str(),
        record.invoice.version(),
        record.invoice.credited().amount(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The lines of an invoice, in order.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn lines(database: &Database, invoice: &Invoice) -> Result<Vec<InvoiceLine>, StoreError> {
    let rows = sqlx::query_as!(
        LineRow,
        "select description, quantity, unit_amount, tax_percent from billing.invoice_lines
         where invoice_id = $1 order by position",
        invoice.id().as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(|row| row.line(invoice.total().currency())).collect()
}
