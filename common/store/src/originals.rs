//! What came in on bank lines and may be taken back by a later one.

use chrono::NaiveDate;
use quittance_domain::id::TransactionId;
use quittance_domain::money::Money;

use crate::database::Database;
use crate::error::{StoreError, money};

const TABLE: &str = "billing.upload_lines";

/// Money that came in and that a later line may take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The payer's own name of the transfer.
    pub end_to_end_id: Option<String>,
    /// How much came.
    pub amount: Money,
    /// The payment.
    pub transaction_id: TransactionId,
    /// Our account.
    pub account: Option<String>,
    /// Who paid.
    pub payer: Option<String>,
    /// From which account it came.
    pub payer_account: Option<String>,
    /// When.
    pub booked_on: Option<NaiveDate>,
}

/// Finds what came in on bank lines under the payers' own names of it, or from their accounts.
///
/// # Errors
/// [`StoreError`] if the database fails or holds a value that the domain does not know.
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
