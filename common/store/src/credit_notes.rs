//! `billing.credit_notes`: reductions of invoices after they were issued.

use chrono::NaiveDate;
use quittance_domain::event::CreditNoteSummary;
use quittance_domain::id::{ClientId, CreditNoteId, InvoiceId};
use quittance_domain::invoice::Invoice;
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::document_lines::{Columns, InvoiceLine, LineRow};
use crate::error::{StoreError, money};

const TABLE: &str = "billing.credit_notes";

/// A credit note and its invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditNote {
    /// Its data as in events.
    pub summary: CreditNoteSummary,
    pub invoice_id: InvoiceId,
}

struct Row {
    id: Uuid,
    invoice_id: Uuid,
    number: String,
    currency: String,
    total: Decimal,
    tax: Decimal,
    reason: String,
    issued_on: NaiveDate,
}

impl TryFrom<Row> for CreditNote {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let summary = CreditNoteSummary {
            id: CreditNoteId::from_uuid(row.id),
            number: row.number,
            total: money(TABLE, row.total, &row.currency)?,
            tax: money(TABLE, row.tax, &row.currency)?,
            reason: row.reason,
            issued_on: row.issued_on,
        };
        Ok(Self { summary, invoice_id: InvoiceId::from_uuid(row.invoice_id) })
    }
}

/// Takes the year's next number. Numbers are gapless: the counter rolls back with the transaction.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn next_number(transaction: &mut Transaction, year: i32) -> Result<String, StoreError> {
    let number = sqlx::query_scalar!(
        "insert into billing.credit_note_counters (year, last_number) values ($1, 1)
         on conflict (year) do update set last_number = credit_note_counters.last_number + 1
         returning last_number",
        year,
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(format!("CN-{year}-{number:06}"))
}

/// Inserts a credit note and its lines.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, note: &CreditNote, lines: &[InvoiceLine]) -> Result<(), StoreError> {
    let CreditNote { summary, invoice_id } = note;
    sqlx::query!(
        "insert into billing.credit_notes (id, invoice_id, number, currency, total, tax, reason, issued_on)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        summary.id.as_uuid(),
        invoice_id.as_uuid(),
        summary.number,
        summary.total.currency().code(),
        summary.total.amount(),
        summary.tax.amount(),
        summary.reason,
        summary.issued_on,
    )
    .execute(&mut **transaction)
    .await?;
    let columns = Columns::from_lines(lines)?;
    sqlx::query!(
        "insert into billing.credit_note_lines (credit_note_id, position, description, quantity, unit_amount, tax_percent)
         select $1, position, description, quantity, unit_amount, tax_percent
         from unnest($2::text[], $3::integer[], $4::numeric[], $5::numeric[]) with ordinality
             as line (description, quantity, unit_amount, tax_percent, position)",
        summary.id.as_uuid(),
        &columns.descriptions,
        &columns.quantities,
        &columns.amounts,
        &columns.percents,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Reads a credit note; with `client_id`, only if it is that client's.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(
    database: &Database,
    id: CreditNoteId,
    client_id: Option<ClientId>,
) -> Result<Option<CreditNote>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select notes.id, invoice_id, notes.number, notes.currency, notes.total, notes.tax, reason, notes.issued_on
         from billing.credit_notes as notes join billing.invoices on invoices.id = invoice_id
         where notes.id = $1 and ($2::uuid is null or client_id = $2)",
        id.as_uuid(),
        client_id.map(ClientId::as_uuid),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    row.map(CreditNote::try_from).transpose()
}

/// The credit notes of an invoice, the oldest first.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_invoice(database: &Database, invoice_id: InvoiceId) -> Result<Vec<CreditNote>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, invoice_id, number, currency, total, tax, reason, issued_on
         from billing.credit_notes where invoice_id = $1 order by id",
        invoice_id.as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(CreditNote::try_from).collect()
}

/// The amounts credited on an invoice so far: the lines, and their total tax.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn credited(
    transaction: &mut Transaction,
    invoice: &Invoice,
) -> Result<(Vec<InvoiceLine>, Money), StoreError> {
    let currency = invoice.total().currency();
    let rows = sqlx::query_as!(
        LineRow,
        "select description, quantity, unit_amount, tax_percent
         from billing.credit_note_lines join billing.credit_notes as notes on notes.id = credit_note_id
         where invoice_id = $1 order by notes.id, position",
        invoice.id().as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    let tax = sqlx::query_scalar!(
        r#"select coalesce(sum(tax), 0) as "tax!" from billing.credit_notes where invoice_id = $1"#,
        invoice.id().as_uuid(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    let lines = rows.into_iter().map(|row| row.line(currency)).collect::<Result<_, _>>()?;
    Ok((lines, money(TABLE, tax, currency.code())?))
}

/// The lines of a credit note, in order.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn lines(database: &Database, note: &CreditNote) -> Result<Vec<InvoiceLine>, StoreError> {
    let rows = sqlx::query_as!(
        LineRow,
        "select description, quantity, unit_amount, tax_percent from billing.credit_note_lines
         where credit_note_id = $1 order by position",
        note.summary.id.as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(|row| row.line(note.summary.total.currency())).collect()
}
