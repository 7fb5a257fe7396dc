//! `payments.approvals`: approvals of claims by staff.

use quittance_domain::id::{CaseId, PaymentId};
use quittance_domain::money::Money;

use crate::database::Transaction;
use crate::error::StoreError;

/// Records the approval of a case with its amount; repeated approvals by one person count once. Returns the number of
/// approvers.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn record(
    transaction: &mut Transaction,
    case: CaseId,
    amount: Money,
    approved_by: &str,
) -> Result<i64, StoreError> {
    sqlx::query!(
        "insert into payments.approvals (case_id, amount, approved_by) values ($1, $2, $3) on conflict do nothing",
        case.as_uuid(),
        amount.amount(),
        approved_by,
    )
    .execute(&mut **transaction)
    .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from payments.approvals where case_id = $1 and amount = $2"#,
        case.as_uuid(),
        amount.amount(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(count)
}

/// Whether a person uploaded a claim about a payment.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn has_uploaded(transaction: &mut Transaction, payment: PaymentId, who: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (
             select from payments.payment_references
                 join billing.upload_lines on upload_lines.transaction_id = reference
                 join billing.uploads on uploads.id = upload_id
             where payment_references.payment_id = $1 and kind = 'payment_confirmation' and uploaded_by = $2
         ) as "exists!""#,
        payment.as_uuid(),
        who,
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(found)
}
