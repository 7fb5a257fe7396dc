//! `billing.upload_lines`: the outcome of each line of a file.

use std::collections::HashMap;

use chrono::NaiveDate;
use quittance_domain::id::{ClientId, InvoiceId, PaymentId, TransactionId, UploadId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use quittance_domain::upload::LineOutcome;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, Transaction};
use crate::error::{StoreError, money};

const TABLE: &str = "billing.upload_lines";

/// A line and its decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its position in the file, for people.
    pub place: String,
    /// The identity that distinguishes bank lines.
    pub identity: Option<String>,
    pub amount: Money,
    /// The booking or payment date.
    pub booked_on: Option<NaiveDate>,
    /// Our account.
    pub account: Option<String>,
    pub payer: Option<String>,
    pub payer_account: Option<String>,
    /// The payer's end-to-end id.
    pub end_to_end_id: Option<String>,
    /// The remittance information.
    pub remittance: Option<String>,
    /// The reason of a return, as the bank's code or text.
    pub return_reason: Option<String>,
    pub decision: LineDecision,
}

/// The decision about a line; it is the same when the line is queued again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDecision {
    pub outcome: LineOutcome,
    /// The transaction id under which it was queued; none if it was left out.
    pub transaction_id: Option<TransactionId>,
    /// The invoices that it pays, in their order.
    pub invoices: Vec<InvoiceId>,
    /// The claim that it proves.
    pub payment_id: Option<PaymentId>,
    /// The text that names the invoice.
    pub matched_text: Option<String>,
    /// The bank's fee for a return, included in the line's amount.
    pub bank_fee: Option<Money>,
    /// The score of the match, out of 100.
    pub score: Option<u8>,
    /// The reason, as text for people.
    pub reason: Option<String>,
    /// The candidates for staff to choose from, as JSON.
    pub candidates: Option<Value>,
}

/// Inserts lines with their decisions. Existing lines are kept.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, upload: UploadId, lines: &[&UploadLine]) -> Result<(), StoreError> {
    fn text<'a>(lines: &[&'a UploadLine], value: fn(&UploadLine) -> Option<&str>) -> Vec<Option<&'a str>> {
        lines.iter().map(|line| value(line)).collect()
    }
    // `unnest` does not support arrays within arrays: the invoices of a line are one text.
    let invoices = |line: &&UploadLine| {
        let ids: Vec<String> = line.decision.invoices.iter().map(|id| id.as_uuid().to_string()).collect();
        format!("{{{}}}", ids.join(","))
    };
    sqlx::query!(
        "insert into billing.upload_lines (
             upload_id, line, place, amount, currency, booked_on, account, payer, payer_account, end_to_end_id, remittance,
             outcome, transaction_id, invoices, payment_id, score, reason, candidates, identity, matched_text,
             return_reason, bank_fee
         )
         select $1, line, place, amount, currency, booked_on, account, payer, payer_account, end_to_end_id, remittance,
             outcome, transaction_id, invoices::uuid[], payment_id, score, reason, candidates, identity, matched_text,
             return_reason, bank_fee
         from unnest(
             $2::bigint[], $3::text[], $4::numeric[], $5::text[], $6::date[], $7::text[], $8::text[], $9::text[],
             $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::smallint[], $17::text[],
             $18::jsonb[], $19::text[], $20::text[], $21::text[], $22::numeric[]
         ) as given (
             line, place, amount, currency, booked_on, account, payer, payer_account, end_to_end_id, remittance, outcome,
             transaction_id, invoices, payment_id, score, reason, candidates, identity, matched_text, return_reason,
             bank_fee
         )
         on conflict (upload_id, line) do nothing",
        upload.as_uuid(),
        &lines.iter().map(|line| number(line.line)).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.place.as_str()).collect::<Vec<_>>() as &[&str],
        &lines.iter().map(|line| line.amount.amount()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.amount.currency().to_string()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.booked_on).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &text(lines, |line| line.account.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.payer.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.payer_account.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.end_to_end_id.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.remittance.as_deref()) as &[Option<&str>],
        &lines.iter().map(|line| line.decision.outcome.as_str()).collect::<Vec<_>>() as &[&str],
        &text(lines, |line| line.decision.transaction_id.as_ref().map(TransactionId::as_str)) as &[Option<&str>],
        &lines.iter().map(invoices).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.decision.payment_id.map(PaymentId::as_uuid)).collect::<Vec<_>>() as &[Option<Uuid>],
        &lines.iter().map(|line| line.decision.score.map(i16::from)).collect::<Vec<_>>() as &[Option<i16>],
        &text(lines, |line| line.decision.reason.as_deref()) as &[Option<&str>],
        &lines.iter().map(|line| line.decision.candidates.clone()).collect::<Vec<_>>() as &[Option<Value>],
        &text(lines, |line| line.identity.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.decision.matched_text.as_deref()) as &[Option<&str>],
        &text(lines, |line| line.return_reason.as_deref()) as &[Option<&str>],
        &lines.iter().map(|line| line.decision.bank_fee.map(Money::amount)).collect::<Vec<_>>() as &[Option<Decimal>],
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The identities of the lines of an upload after one line, up to and including another.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn identities(
    database: &Database,
    upload: UploadId,
    after: u64,
    up_to: u64,
) -> Result<Vec<String>, StoreError> {
    let identities = sqlx::query_scalar!(
        r#"select identity as "identity!" from billing.upload_lines
         where upload_id = $1 and line > $2 and line <= $3 and identity is not null"#,
        upload.as_uuid(),
        number(after),
        number(up_to),
    )
    .fetch_all(database.pool().await?)
    .await?;
    Ok(identities)
}

/// PostgreSQL's line numbers are signed.
pub(crate) fn number(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}

/// A line as the API shows it.
#[derive(Debug, Clone)]
pub struct LineView {
    pub line: UploadLine,
    /// The status of its payment; none until the processor has recorded it.
    pub payment_status: Option<PaymentStatus>,
    /// The actual outcome of its money, if it differs from the decision.
    pub settled_as: Option<LineOutcome>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct LineFilter {
    /// Only with this outcome.
    pub outcome: Option<LineOutcome>,
    /// Only those after this one.
    pub after: Option<u64>,
    /// The client whose payments may be shown; none for all. A client's reference of a payment may belong to another
    /// client's payment.
    pub client_id: Option<ClientId>,
}

/// Lists lines of an upload in their order.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn list(
    database: &Database,
    upload: UploadId,
    filter: LineFilter,
    limit: i64,
) -> Result<Vec<LineView>, StoreError> {
    let rows = sqlx::query!(
        r#"select line, place, identity, lines.amount, lines.currency, booked_on, account, payer, payer_account, end_to_end_id,
             remittance, outcome, lines.transaction_id, invoices, lines.payment_id, score, reason, candidates, matched_text,
             return_reason, bank_fee, settled_as,
             case when $5::uuid is null or payments.client_id = $5 then payments.status end as "payment_status?"
         from billing.upload_lines as lines
             left join payments.payment_references on reference = lines.transaction_id
             left join payments.payments on payments.id = payment_references.payment_id
         where upload_id = $1 and line > $2 and ($3::text is null or coalesce(settled_as, outcome) = $3) order by line limit $4"#,
        upload.as_uuid(),
        number(filter.after.unwrap_or_default()),
        filter.outcome.map(LineOutcome::as_str),
        limit,
        filter.client_id.map(ClientId::as_uuid),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(TABLE, error);
            let status = row.payment_status.as_deref().map(str::parse).transpose();
            let settled_as = row.settled_as.as_deref().map(str::parse).transpose();
            let currency = row.currency.clone();
            let bank_fee = row.bank_fee.map(|fee| money(TABLE, fee, &currency)).transpose()?;
            Ok(LineView {
                payment_status: status.map_err(|error| corrupt(&error))?,
                settled_as: settled_as.map_err(|error| corrupt(&error))?,
                line: UploadLine {
                    line: u64::try_from(row.line).map_err(|error| corrupt(&error))?,
                    place: row.place,
                    identity: row.identity,
                    amount: money(TABLE, row.amount, &row.currency)?,
                    booked_on: row.booked_on,
                    account: row.account,
                    payer: row.payer,
                    payer_account: row.payer_account,
                    end_to_end_id: row.end_to_end_id,
                    remittance: row.remittance,
                    return_reason: row.return_reason,
                    decision: LineDecision {
                        outcome: row.outcome.parse().map_err(|error| corrupt(&error))?,
                        transaction_id: parsed(row.transaction_id)?,
                        invoices: row.invoices.into_iter().map(InvoiceId::from_uuid).collect(),
                        payment_id: row.payment_id.map(PaymentId::from_uuid),
                        matched_text: row.matched_text,
                        bank_fee,
                        score: row.score.and_then(|score| u8::try_from(score).ok()),
                        reason: row.reason,
                        candidates: row.candidates,
                    },
                },
            })
        })
        .collect()
}

/// The invoices to which money of these payments was ever allocated, in that order.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn allocated_to(
    database: &Database,
    payments: &[&str],
) -> Result<HashMap<TransactionId, Vec<InvoiceId>>, StoreError> {
    let mut found: HashMap<TransactionId, Vec<InvoiceId>> = HashMap::new();
    if payments.is_empty() {
        return Ok(found);
    }
    let rows = sqlx::query!(
        r#"select reference, invoice_id
         from payments.payment_references join payments.allocations using (payment_id)
         where reference = any($1) and amount > 0 group by reference, invoice_id order by min(allocations.id::text)"#,
        payments as &[&str],
    )
    .fetch_all(database.pool().await?)
    .await?;
    for row in rows {
        let name = row.reference.parse().map_err(|error| StoreError::corrupt(TABLE, error))?;
        found.entry(name).or_default().push(InvoiceId::from_uuid(row.invoice_id));
    }
    Ok(found)
}

/// Records on the lines of these payments how their money was settled: it pays an invoice, or all of it is unapplied.
/// The record stays even if the money went back since.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn record_settled(transaction: &mut Transaction, payments: &[PaymentId]) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = payments.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "with settled as (
             select reference, case
                 when exists (select from payments.allocations where payment_id = names.payment_id and amount > 0)
                     then 'matched'
                 when exists (select from payments.credits where payment_id = names.payment_id and amount > 0)
                     then 'unmatched' end as settled_as
             from payments.payment_references as names where payment_id = any($1)
         )
         update billing.upload_lines as lines set settled_as = nullif(settled.settled_as, lines.outcome)
         from settled
         where lines.transaction_id = settled.reference and lines.outcome in ('matched', 'unmatched')
             and settled.settled_as is not null
             and lines.settled_as is distinct from nullif(settled.settled_as, lines.outcome)",
        &ids,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The number of lines of an upload by outcome.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn counts(database: &Database, upload: UploadId) -> Result<Vec<(LineOutcome, u64)>, StoreError> {
    let rows = sqlx::query!(
        r#"select coalesce(settled_as, outcome) as "outcome!", count(*) as "count!" from billing.upload_lines
         where upload_id = $1 group by 1"#,
        upload.as_uuid(),
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let outcome = row.outcome.parse().map_err(|error| StoreError::corrupt(TABLE, error))?;
            Ok((outcome, u64::try_from(row.count).map_err(|error| StoreError::corrupt(TABLE, error))?))
        })
        .collect()
}

fn parsed(name: Option<String>) -> Result<Option<TransactionId>, StoreError> {
    name.map(|name| name.parse().map_err(|error| StoreError::corrupt(TABLE, error))).transpose()
}
