//! `payments.cases`: what staff have to decide.

use quittance_domain::id::{CaseId, InvoiceId, PaymentId};
use quittance_domain::money::Money;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;

/// What kind of decision a case asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseKind {
    /// Money that no invoice could take.
    Surplus,
    /// Sources that disagree.
    Contradiction,
}

impl CaseKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Surplus => "surplus",
            Self::Contradiction => "contradiction",
        }
    }
}

/// A case to open.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// The case.
    pub id: CaseId,
    /// What it asks for.
    pub kind: CaseKind,
    /// The payment it is about.
    pub payment_id: PaymentId,
    /// The invoice that the payment names.
    pub invoice_id: Option<InvoiceId>,
    /// The money in question.
    pub amount: Option<Money>,
    /// What happened, in words.
    pub reason: String,
}

/// Opens cases; a contradiction that has an open case already gets no second one.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn open(transaction: &mut Transaction, cases: &[NewCase]) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = cases.iter().map(|case| case.id.as_uuid()).collect();
    let kinds: Vec<String> = cases.iter().map(|case| case.kind.as_str().to_owned()).collect();
    let payments: Vec<Uuid> = cases.iter().map(|case| case.payment_id.as_uuid()).collect();
    let invoices: Vec<Option<Uuid>> = cases.iter().map(|case| case.invoice_id.map(InvoiceId::as_uuid)).collect();
    let amounts: Vec<Option<Decimal>> = cases.iter().map(|case| case.amount.map(Money::amount)).collect();
    let currencies: Vec<Option<String>> =
        cases.iter().map(|case| case.amount.map(|amount| amount.currency().to_string())).collect();
    let reasons: Vec<String> = cases.iter().map(|case| case.reason.clone()).collect();
    sqlx::query!(
        "insert into payments.cases (id, kind, payment_id, invoice_id, amount, currency, reason)
         select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::numeric[], $6::text[], $7::text[])
         on conflict do nothing",
        &ids,
        &kinds,
        &payments,
        &invoices as &[Option<Uuid>],
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>],
        &reasons,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
