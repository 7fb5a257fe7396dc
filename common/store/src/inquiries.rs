//! `payments.questions`: payments that their gateways have not decided, and when the next status inquiry about each is
//! due.

use chrono::{DateTime, Utc};
use quittance_domain::command::InitiateCharge;
use quittance_domain::id::{InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::payment::PaymentStatus;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::{StoreError, money};

const TABLE: &str = "payments.questions";

/// Starts a series of status inquiries about payments, unless one is in progress. With `again`, the series starts over.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn begin(
    transaction: &mut Transaction,
    payments: &[(PaymentId, DateTime<Utc>)],
    since: DateTime<Utc>,
    again: bool,
) -> Result<(), StoreError> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = payments.iter().map(|(id, at)| (id.as_uuid(), *at)).unzip();
    sqlx::query!(
        "insert into payments.questions (payment_id, since, next_at)
         select payment_id, $3, next_at from unnest($1::uuid[], $2::timestamptz[]) as new (payment_id, next_at)
         order by payment_id
         on conflict (payment_id) do update set asked = 0, since = excluded.since, next_at = excluded.next_at where $4",
        &ids,
        &times,
        since,
        again,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A payment whose status inquiry is due.
#[derive(Debug, Clone)]
pub struct DueInquiry {
    pub payment_id: PaymentId,
    pub transaction_id: TransactionId,
    pub provider: Provider,
    /// Its status; it may have been decided since.
    pub status: PaymentStatus,
    /// All its transaction ids in the provider's namespace.
    pub names: Vec<TransactionId>,
    /// The last charge attempt, if it was ours.
    pub charge: Option<InitiateCharge>,
    /// Whether its invoice still accepts the amount of that attempt.
    pub is_wanted: bool,
    /// The number of inquiries made.
    pub asked: u16,
    /// When the series started.
    pub since: DateTime<Utc>,
}

struct Row {
    payment_id: Uuid,
    transaction_id: String,
    provider: String,
    status: String,
    names: Vec<String>,
    asked: i16,
    since: DateTime<Utc>,
    charge: Option<sqlx::types::Json<ChargeRow>>,
}

#[derive(serde::Deserialize)]
struct ChargeRow {
    payment_id: Uuid,
    attempt: u16,
    is_wanted: bool,
    invoice_id: Uuid,
    amount: String,
    currency: String,
    payment_method: String,
    ordered_at: DateTime<Utc>,
}

impl TryFrom<Row> for DueInquiry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(TABLE, error);
        let payment_id = PaymentId::from_uuid(row.payment_id);
        let transaction_id: TransactionId = row.transaction_id.parse().map_err(|error| corrupt(&error))?;
        let provider: Provider = row.provider.parse().map_err(|error| corrupt(&error))?;
        let is_wanted = row.charge.as_ref().is_some_and(|charge| charge.0.is_wanted);
        let charge = row.charge.map(|charge| charge.0.restore(&transaction_id, &provider)).transpose()?;
        let names = row.names.iter().map(|name| name.parse().map_err(|error| corrupt(&error)));
        Ok(Self {
            status: row.status.parse().map_err(|error| corrupt(&error))?,
            names: names.collect::<Result<_, _>>()?,
            asked: u16::try_from(row.asked).map_err(|error| corrupt(&error))?,
            since: row.since,
            payment_id,
            transaction_id,
            provider,
            charge,
            is_wanted,
        })
    }
}

impl ChargeRow {
    fn restore(self, transaction_id: &TransactionId, provider: &Provider) -> Result<InitiateCharge, StoreError> {
        let amount = self.amount.parse().map_err(|error| StoreError::corrupt("payments.charges", error))?;
        let amount = money("payments.charges", amount, &self.currency)?;
        Ok(InitiateCharge {
            payment_id: PaymentId::from_uuid(self.payment_id),
            attempt: self.attempt,
            transaction_id: transaction_id.clone(),
            provider: provider.clone(),
            invoice_id: InvoiceId::from_uuid(self.invoice_id),
            amount: amount.positive().map_err(|error| StoreError::corrupt("payments.charges", error))?,
            payment_method: self.payment_method,
            ordered_at: self.ordered_at,
        })
    }
}

/// Locks up to `count_max` payments of `providers` whose inquiry is due, oldest first; skips those that another relay
/// has locked.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn lock_due(
    transaction: &mut Transaction,
    providers: &[&str],
    now: DateTime<Utc>,
    count_max: i64,
) -> Result<Vec<DueInquiry>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select questions.payment_id, transaction_id, provider, asked, since,
               -- Another payment has the evidence of one that was merged into it.
               case when merged_into is null then payments.status else 'failed' end as "status!",
               array(
                   select reference from payments.payment_references as name
                   where name.payment_id = questions.payment_id and split_part(reference, ':', 1) = provider
                   order by reference
               ) as "names!",
               (
                   select json_build_object(
                       'payment_id', charges.payment_id, 'attempt', attempt, 'invoice_id', charges.invoice_id,
                       'amount', charges.amount::text, 'currency', charges.currency, 'payment_method', payment_method,
                       'ordered_at', ordered_at, 'is_wanted',
                       invoices.status in ('open', 'partially_paid') and total - credited_amount - paid_amount >= charges.amount
                   )
                   from payments.charges join payments.payments as told on told.id = charges.payment_id
                       join billing.invoices on invoices.id = charges.invoice_id
                   where coalesce(told.merged_into, told.id) = questions.payment_id and refusal is null
                   order by ordered_at desc limit 1
               ) as "charge: sqlx::types::Json<ChargeRow>"
           from payments.questions join payments.payments on payments.id = questions.payment_id
           where next_at <= $1 and provider = any($2::text[])
           order by next_at limit $3 for update of questions skip locked"#,
        now,
        providers as &[&str],
        count_max,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(DueInquiry::try_from).collect()
}

/// Records inquiries that are being made, each with the time of the next one.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn schedule_next(
    transaction: &mut Transaction,
    next: &[(PaymentId, DateTime<Utc>)],
) -> Result<(), StoreError> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = next.iter().map(|(id, at)| (id.as_uuid(), *at)).unzip();
    sqlx::query!(
        "update payments.questions set asked = asked + 1, next_at = later.next_at
         from unnest($1::uuid[], $2::timestamptz[]) as later (payment_id, next_at)
         where questions.payment_id = later.payment_id",
        &ids,
        &times,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Ends the series.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn end(transaction: &mut Transaction, payments: &[PaymentId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!("delete from payments.questions where payment_id = any($1)", &ids).execute(&mut **transaction).await?;
    Ok(())
}
