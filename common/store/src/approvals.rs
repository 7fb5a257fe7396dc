//! `payments.approvals`: who of staff approved what a client says.

use quittance_domain::id::CaseId;

use crate::database::Transaction;
use crate::error::StoreError;

/// Notes that somebody approves a case, once however often they say so. Returns how many people do.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn note(transaction: &mut Transaction, case: CaseId, approved_by: &str) -> Result<i64, StoreError> {
    sqlx::query!(
        "insert into payments.approvals (case_id, approved_by) values ($1, $2) on conflict do nothing",
        case.as_uuid(),
        approved_by,
    )
    .execute(&mut **transaction)
    .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from payments.approvals where case_id = $1"#,
        case.as_uuid(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(count)
}
