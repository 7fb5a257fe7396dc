//! Credited bank lines that a later line may return.

use chrono::NaiveDate;
use quittance_domain::id::TransactionId;
use quittance_domain::money::Money;

use crate::database::Database;
use crate::error::{StoreError, money};

const TABLE: &str = "billing.upload_lines";

/// Incoming money that a later line may return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The payer's end-to-end id.
    pub end_to_end_id: Option<String>,
    pub amount: Money,
    /// The payment.
    pub transaction_id: TransactionId,
    /// Our account.
    pub account: Option<String>,
    pub payer: Option<String>,
    pub payer_account: Option<String>,
    /// The booking date.
    pub booked_on: Option<NaiveDate>,
}

/// Finds credited bank lines by the payers' end-to-end ids or accounts.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn originals(
    database: &Database,
    end_to_end_ids: &[String],
    payer_accounts: &[String],
) -> Result<Vec<Original>, StoreError> {
    if end_to_end_ids.is_empty() && payer_accounts.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select end_to_end_id, amount as "amount!", currency as "currency!", transaction_id as "transaction_id!", account,
             payer, payer_account, booked_on
         from billing.upload_lines where end_to_end_id = any($1) and outcome in ('matched', 'unmatched')
         union
         select end_to_end_id, amount, currency, transaction_id, account, payer, payer_account, booked_on
         from billing.upload_lines where payer_account = any($2) and outcome in ('matched', 'unmatched')"#,
        end_to_end_ids,
        payer_accounts,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Original {
                end_to_end_id: row.end_to_end_id,
                amount: money(TABLE, row.amount, &row.currency)?,
                transaction_id: row.transaction_id.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
                account: row.account,
                payer: row.payer,
                payer_account: row.payer_account,
                booked_on: row.booked_on,
            })
        })
        .collect()
}
