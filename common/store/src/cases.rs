//! `payments.cases`: exceptions that staff resolve.

use chrono::{DateTime, Utc};
use quittance_domain::case::{CaseKind, Resolution};
use quittance_domain::id::{CaseId, ClientId, InvoiceId, PaymentId, TransactionId, UploadId};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

const TABLE: &str = "payments.cases";

/// A case to open; if the payment has an open one of the same kind, and about the same duplicate, that one is updated.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// The id, if it is new.
    pub id: CaseId,
    pub kind: CaseKind,
    pub payment_id: PaymentId,
    /// The invoice that the payment names.
    pub invoice_id: Option<InvoiceId>,
    /// The other payment of a suspected duplicate.
    pub other_payment: Option<PaymentId>,
    /// The amount in question.
    pub amount: Option<Money>,
    /// The reason, as text for people.
    pub reason: String,
}

/// A case to close.
#[derive(Debug, Clone)]
pub struct ClosedCase {
    pub id: CaseId,
    pub resolution: Resolution,
    /// The unapplied cash that staff left as it is.
    pub kept: Option<Money>,
    /// Who decided; none if the case was closed automatically.
    pub decided_by: Option<String>,
    pub decision_reason: Option<String>,
}

/// A case of a payment.
#[derive(Debug, Clone)]
pub struct KnownCase {
    pub id: CaseId,
    pub payment_id: PaymentId,
    pub kind: CaseKind,
    /// The other payment of a suspected duplicate.
    pub other_payment: Option<PaymentId>,
    /// The amount in question.
    pub amount: Option<Money>,
    /// What remains of the unapplied cash that staff dismissed.
    pub kept: Option<Money>,
    /// The reason, as text for people.
    pub reason: String,
    /// The resolution; none while it is open.
    pub resolution: Option<Resolution>,
}

impl KnownCase {
    /// Whether it is a case of that kind that staff dismissed.
    #[must_use]
    pub fn is_dismissed(&self, kind: CaseKind) -> bool {
        self.kind == kind && self.resolution == Some(Resolution::Dismissed)
    }

    /// Marks the case as dismissed by staff.
    pub fn dismiss(&mut self) {
        self.resolution = Some(Resolution::Dismissed);
        self.kept = self.amount.filter(|_| self.kind == CaseKind::UnappliedCash);
    }
}

/// Opens cases. If the payment has an open case of the kind, that case gets the new amount and reason.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn open(transaction: &mut Transaction, cases: &[NewCase]) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = cases.iter().map(|case| case.id.as_uuid()).collect();
    let kinds: Vec<String> = cases.iter().map(|case| case.kind.to_string()).collect();
    let payments: Vec<Uuid> = cases.iter().map(|case| case.payment_id.as_uuid()).collect();
    let invoices: Vec<Option<Uuid>> = cases.iter().map(|case| case.invoice_id.map(InvoiceId::as_uuid)).collect();
    let others: Vec<Option<Uuid>> = cases.iter().map(|case| case.other_payment.map(PaymentId::as_uuid)).collect();
    let amounts: Vec<Option<Decimal>> = cases.iter().map(|case| case.amount.map(Money::amount)).collect();
    let currencies: Vec<Option<String>> =
        cases.iter().map(|case| case.amount.map(|amount| amount.currency().to_string())).collect();
    let reasons: Vec<String> = cases.iter().map(|case| case.reason.clone()).collect();
    sqlx::query!(
        "insert into payments.cases (id, kind, payment_id, invoice_id, other_payment_id, amount, currency, reason)
         select * from unnest(
             $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::numeric[], $7::text[], $8::text[]
         )
         on conflict (payment_id, kind, other_payment_id) where status = 'open'
             do update set amount = excluded.amount, currency = excluded.currency, reason = excluded.reason",
        &ids,
        &kinds,
        &payments,
        &invoices as &[Option<Uuid>],
        &others as &[Option<Uuid>],
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>],
        &reasons,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Closes an open case.
///
/// # Errors
/// [`StoreError`] if the database refuses (a decision without a reason) or fails.
pub async fn close(transaction: &mut Transaction, case: &ClosedCase) -> Result<(), StoreError> {
    sqlx::query!(
        "update payments.cases set status = 'closed', resolution = $2, kept_amount = $3, decided_by = $4,
             decision_reason = $5, closed_at = now(), refusal = null
         where id = $1 and status = 'open'",
        case.id.as_uuid(),
        case.resolution.as_str(),
        case.kept.map(Money::amount),
        case.decided_by,
        case.decision_reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Updates what remains of the unapplied cash of a dismissed case.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn reduce(transaction: &mut Transaction, id: CaseId, amount: Money) -> Result<(), StoreError> {
    sqlx::query!("update payments.cases set kept_amount = $2 where id = $1", id.as_uuid(), amount.amount())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Records on an open case why a decision could not be carried out.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn refuse(transaction: &mut Transaction, id: CaseId, refusal: &str) -> Result<(), StoreError> {
    sqlx::query!("update payments.cases set refusal = $2 where id = $1 and status = 'open'", id.as_uuid(), refusal)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The cases of payments.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn of_payments(transaction: &mut Transaction, payments: &[PaymentId]) -> Result<Vec<KnownCase>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "select id, payment_id, kind, other_payment_id, amount, kept_amount, currency, reason, resolution
         from payments.cases where payment_id = any($1)",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let resolution = row.resolution.as_deref().map(str::parse).transpose();
            Ok(KnownCase {
                id: CaseId::from_uuid(row.id),
                payment_id: PaymentId::from_uuid(row.payment_id),
                kind: row.kind.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                other_payment: row.other_payment_id.map(PaymentId::from_uuid),
                amount: amount(row.amount, row.currency.as_deref())?,
                kept: amount(row.kept_amount, row.currency.as_deref())?,
                reason: row.reason,
                resolution: resolution.map_err(|error| StoreError::corrupt(TABLE, error))?,
            })
        })
        .collect()
}

fn amount(amount: Option<Decimal>, currency: Option<&str>) -> Result<Option<Money>, StoreError> {
    amount.zip(currency).map(|(amount, currency)| money(TABLE, amount, currency)).transpose()
}

/// The data to route a decision about a case to the processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseTarget {
    /// The transaction id of its payment.
    pub transaction_id: TransactionId,
    /// The resolution; none while it is open.
    pub resolution: Option<Resolution>,
}

/// Finds a case.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(database: &Database, id: CaseId) -> Result<Option<CaseTarget>, StoreError> {
    let row = sqlx::query!(
        "select transaction_id, resolution from payments.cases join payments.payments on payments.id = payment_id
         where cases.id = $1",
        id.as_uuid(),
    )
    .fetch_optional(database.pool().await?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let resolution = row.resolution.as_deref().map(str::parse).transpose();
    Ok(Some(CaseTarget {
        transaction_id: row.transaction_id.parse().map_err(|error| StoreError::corrupt("payments.payments", error))?,
        resolution: resolution.map_err(|error| StoreError::corrupt(TABLE, error))?,
    }))
}

/// Whether the payment has an entry by hand that waits for a second person.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_entry_waiting(database: &Database, name: &TransactionId) -> Result<bool, StoreError> {
    let is_waiting = sqlx::query_scalar!(
        r#"select exists (
               select from payments.payment_references join payments.cases using (payment_id)
               where reference = $1 and kind = 'entered_by_hand' and status = 'open'
           ) as "is_waiting!""#,
        name.as_str(),
    )
    .fetch_one(database.pool().await?)
    .await?;
    Ok(is_waiting)
}

/// A case as the API shows it.
#[derive(Debug, Clone)]
pub struct CaseView {
    pub id: CaseId,
    pub kind: String,
    /// The transaction id of its payment.
    pub transaction_id: String,
    /// The transaction id of the other payment of a suspected duplicate.
    pub twin: Option<String>,
    /// The client of the invoice that the payment names.
    pub client_id: Option<ClientId>,
    /// The invoice that the payment names.
    pub invoice_id: Option<InvoiceId>,
    /// The amount in question.
    pub amount: Option<Money>,
    /// The reason, as text for people.
    pub reason: String,
    /// `open` or `closed`.
    pub status: String,
    pub resolution: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    pub decision_reason: Option<String>,
    /// Why the last decision could not be carried out.
    pub refusal: Option<String>,
    /// The open items that a bank line may settle, the best first; as JSON.
    pub candidates: Option<Value>,
    /// The uploaded image that shows the payment.
    pub attachment: Option<UploadId>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
}

struct Row {
    id: Uuid,
    kind: String,
    transaction_id: String,
    twin: Option<String>,
    client_id: Option<Uuid>,
    invoice_id: Option<Uuid>,
    amount: Option<Decimal>,
    currency: Option<String>,
    reason: String,
    status: String,
    resolution: Option<String>,
    decided_by: Option<String>,
    decision_reason: Option<String>,
    refusal: Option<String>,
    candidates: Option<Value>,
    attachment: Option<Uuid>,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for CaseView {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        Ok(Self {
            id: CaseId::from_uuid(row.id),
            kind: row.kind,
            transaction_id: row.transaction_id,
            twin: row.twin,
            client_id: row.client_id.map(ClientId::from_uuid),
            invoice_id: row.invoice_id.map(InvoiceId::from_uuid),
            amount: amount(row.amount, row.currency.as_deref())?,
            reason: row.reason,
            status: row.status,
            resolution: row.resolution,
            decided_by: row.decided_by,
            decision_reason: row.decision_reason,
            refusal: row.refusal,
            candidates: row.candidates,
            attachment: row.attachment.map(UploadId::from_uuid),
            opened_at: row.opened_at,
            closed_at: row.closed_at,
        })
    }
}

#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// `open` or `closed`; none for both.
    pub status: Option<String>,
    /// Only of this kind; none for all.
    pub kind: Option<CaseKind>,
    /// Only this one.
    pub id: Option<CaseId>,
    /// Only those after this one.
    pub after: Option<CaseId>,
}

/// Lists cases in the order of their ids, which is that of their opening.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored amount is invalid in its currency.
pub async fn list(database: &Database, filter: &CaseFilter, limit: i64) -> Result<Vec<CaseView>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select cases.id, kind, payments.transaction_id, other.transaction_id as "twin?", payments.client_id,
             cases.invoice_id, cases.amount, cases.currency, reason, cases.status, resolution, decided_by,
             decision_reason, refusal, opened_at, closed_at,
             (
                 select candidates from billing.upload_lines
                 where upload_lines.transaction_id = payments.transaction_id and outcome = 'unmatched' limit 1
             ) as candidates,
             (
                 select uploads.id from billing.upload_lines join billing.uploads on uploads.id = upload_id
                 where upload_lines.transaction_id = payments.transaction_id and typed is not null
                     and coalesce(uploads.client_id = payments.client_id, true)
                 order by uploads.id desc limit 1
             ) as attachment
         from payments.cases join payments.payments on payments.id = payment_id
             left join payments.payments as other on other.id = other_payment_id
         where ($1::text is null or cases.status = $1) and ($2::text is null or kind = $2)
             and ($3::uuid is null or cases.id = $3) and ($4::uuid is null or cases.id > $4)
         order by cases.id limit $5"#,
        filter.status,
        filter.kind.map(CaseKind::as_str),
        filter.id.map(CaseId::as_uuid),
        filter.after.map(CaseId::as_uuid),
        limit,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter().map(CaseView::try_from).collect()
}
