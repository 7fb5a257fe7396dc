//! `payments.entries_by_hand`: evidence that waits for a second person's approval. Append-only; its case has the
//! outcome.

use quittance_domain::command::Evidence;
use quittance_domain::id::{CaseId, InvoiceId, PaymentId};
use quittance_domain::money::Money;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::{StoreError, money};

const TABLE: &str = "payments.entries_by_hand";

/// Evidence that was entered by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryByHand {
    pub evidence: Evidence,
    /// The invoices that it names.
    pub invoices: Vec<InvoiceId>,
    /// The payment's returned amount at the time of the entry.
    pub returned: Option<Money>,
}

/// Inserts evidence with the case that is opened about it.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(transaction: &mut Transaction, case: CaseId, entry: &EntryByHand) -> Result<(), StoreError> {
    let evidence = serde_json::to_value(&entry.evidence).map_err(|error| StoreError::corrupt(TABLE, error))?;
    let invoices: Vec<Uuid> = entry.invoices.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "insert into payments.entries_by_hand (case_id, evidence, invoice_ids, entered_by, returned_amount, currency)
         values ($1, $2, $3, $4, $5, $6)",
        case.as_uuid(),
        evidence,
        &invoices,
        entry.evidence.actor,
        entry.returned.map(Money::amount),
        entry.returned.map(|returned| returned.currency().code()),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The evidence of a case.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn find(transaction: &mut Transaction, case: CaseId) -> Result<Option<EntryByHand>, StoreError> {
    let row = sqlx::query!(
        "select evidence, invoice_ids, returned_amount, currency from payments.entries_by_hand where case_id = $1",
        case.as_uuid(),
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let evidence = serde_json::from_value(row.evidence).map_err(|error| StoreError::corrupt(TABLE, error))?;
    let returned = row.returned_amount.zip(row.currency);
    Ok(Some(EntryByHand {
        evidence,
        invoices: row.invoice_ids.into_iter().map(InvoiceId::from_uuid).collect(),
        returned: returned.map(|(amount, currency)| money(TABLE, amount, &currency)).transpose()?,
    }))
}

/// Finds the payments of an invoice with a waiting entry; a further entry is about other money.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn waiting_payments(transaction: &mut Transaction, invoice: InvoiceId) -> Result<Vec<PaymentId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select payment_id from payments.cases join payments.payments on payments.id = payment_id
         where payments.invoice_id = $1 and kind = 'entered_by_hand' and cases.status = 'open'",
        invoice.as_uuid(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(ids.into_iter().map(PaymentId::from_uuid).collect())
}
