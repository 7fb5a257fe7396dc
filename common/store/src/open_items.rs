//! Candidates for bank lines: open items, claims, and possible payers. Read without locks, because the processor
//! decides again.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use quittance_domain::id::{ClientId, InvoiceId, PaymentId};
use quittance_domain::invoice::InvoiceStatus;
use quittance_domain::matching::{OpenClaim, OpenItem};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Database;
use crate::error::{StoreError, money};

const TABLE: &str = "billing.invoices";

struct Row {
    id: Uuid,
    client_id: Uuid,
    client: String,
    number: Option<String>,
    currency: String,
    total: Decimal,
    credited_amount: Decimal,
    paid_amount: Decimal,
    status: String,
    issued_on: Option<NaiveDate>,
}

impl Row {
    /// None for a draft, which cannot be paid.
    fn open_item(self) -> Result<Option<OpenItem>, StoreError> {
        let (Some(number), Some(issued_on)) = (self.number, self.issued_on) else { return Ok(None) };
        let status: InvoiceStatus = self.status.parse().map_err(|error| StoreError::corrupt(TABLE, error))?;
        let total = money(TABLE, self.total, &self.currency)?;
        let paid = money(TABLE, self.paid_amount, &self.currency)?;
        let credited = money(TABLE, self.credited_amount, &self.currency)?;
        let owed = total.checked_sub(credited).map_err(|error| StoreError::corrupt(TABLE, error))?;
        let left = owed.checked_sub(paid).map_err(|error| StoreError::corrupt(TABLE, error))?;
        let is_void = status == InvoiceStatus::Void;
        Ok(Some(OpenItem {
            invoice_id: InvoiceId::from_uuid(self.id),
            number,
            client_id: ClientId::from_uuid(self.client_id),
            client: self.client,
            total,
            outstanding: if is_void { Money::zero(total.currency()) } else { left },
            issued_on,
        }))
    }
}

fn open_items(rows: Vec<Row>) -> Result<Vec<OpenItem>, StoreError> {
    rows.into_iter().filter_map(|row| row.open_item().transpose()).collect()
}

/// Issued invoices by the keys of their numbers, and by their ids.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn named(database: &Database, numbers: &[String], ids: &[InvoiceId]) -> Result<Vec<OpenItem>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select invoices.id, client_id, name as client, number, currency, total, credited_amount, paid_amount,
             status, issued_on
         from billing.invoices join billing.clients on clients.id = client_id
         where upper(regexp_replace(number, '[^A-Za-z0-9]', '', 'g')) = any($1)
             or upper(regexp_replace(number, '^[^0-9]+|[^A-Za-z0-9]', '', 'g')) = any($1) or invoices.id = any($2)",
        numbers,
        &ids,
    )
    .fetch_all(database.pool().await?)
    .await?;
    open_items(rows)
}

/// Open invoices of clients with one of these payers' names, with exactly the amount that one of the payers paid: the
/// caller discards those whose amount another payer paid.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_payers(database: &Database, payers: &[(String, Money)]) -> Result<Vec<OpenItem>, StoreError> {
    let names: BTreeSet<&str> = payers.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let amounts: BTreeSet<Decimal> = payers.iter().map(|(_, amount)| amount.amount()).collect();
    let amounts: Vec<Decimal> = amounts.into_iter().collect();
    // Each client's open invoices are read once, and `is true` makes PostgreSQL hash the amounts: joined with the
    // payers' amounts, whose number it does not know in advance, they might be compared with all of them.
    let rows = sqlx::query_as!(
        Row,
        r#"with payers as materialized (select id, name from billing.clients where name_key = any($1))
         select invoices.id, client_id, payers.name as "client!", number, currency, total, credited_amount, paid_amount,
             status, issued_on
         from payers join billing.invoices on client_id = payers.id and status in ('open', 'partially_paid')
         where (total - credited_amount - paid_amount in (select unnest($2::numeric[]))) is true"#,
        &names as &[&str],
        &amounts,
    )
    .fetch_all(database.pool().await?)
    .await?;
    open_items(rows)
}

/// Clients by the keys of their names.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn clients_by_name(database: &Database, names: &[String]) -> Result<Vec<(String, ClientId)>, StoreError> {
    let rows =
        sqlx::query!("select name_key, id from billing.clients where name_key = any($1) and name_key <> ''", names)
            .fetch_all(database.pool().await?)
            .await?;
    Ok(rows.into_iter().map(|row| (row.name_key, ClientId::from_uuid(row.id))).collect())
}

/// Clients whose invoices were paid from an account before.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn clients_by_account(
    database: &Database,
    accounts: &[String],
) -> Result<Vec<(String, ClientId)>, StoreError> {
    let rows = sqlx::query!(
        r#"select distinct payer_account as "account!", payments.client_id as "client_id!"
         from billing.upload_lines as lines
             join payments.payment_references on reference = lines.transaction_id
             join payments.payments on payments.id = payment_references.payment_id
         where payer_account = any($1) and outcome = 'matched' and payments.client_id is not null"#,
        accounts,
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account, ClientId::from_uuid(row.client_id))).collect())
}

/// Payments by bank transfer that were only claimed, or approved by staff, by the payers' references.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn claims(database: &Database, names: &[String]) -> Result<Vec<OpenClaim>, StoreError> {
    let references: Vec<String> = names.iter().map(|name| format!("manual:{name}")).collect();
    let rows = sqlx::query!(
        r#"select payments.id, reference, amount as "amount!", currency as "currency!", invoice_id as "invoice_id!"
         from payments.payment_references join payments.payments on payments.id = payment_id
         where reference = any($1) and merged_into is null and amount is not null and invoice_id is not null and (
             status = 'pending' or status = 'confirmed' and not exists (
                 select from payments.facts
                 where payment_id = payments.id and payments.proves_money(kind) and door <> 'staff'
             )
         )"#,
        &references,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let name = row.reference.split_once(':').map_or(row.reference.as_str(), |(_, name)| name);
            Ok(OpenClaim {
                payment_id: PaymentId::from_uuid(row.id),
                name: name.to_owned(),
                amount: money("payments.payments", row.amount, &row.currency)?,
                invoice_id: InvoiceId::from_uuid(row.invoice_id),
            })
        })
        .collect()
}
