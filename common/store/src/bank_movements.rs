//! `billing.bank_movements`: each movement of money on an account once, however many files tell of it.

use std::collections::{BTreeMap, BTreeSet};

use quittance_domain::id::UploadId;

use crate::database::Transaction;
use crate::error::StoreError;
use crate::upload_lines::{UploadLine, number};

const TABLE: &str = "billing.bank_movements";

/// Takes movements of money for lines of an upload, and waits for whoever takes one of them at the same moment. Returns
/// the numbers of those lines that have theirs; the others tell what was told before.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn take_movements(
    transaction: &mut Transaction,
    upload: UploadId,
    movements: &[(String, u64)],
) -> Result<BTreeSet<u64>, StoreError> {
    let mut sorted: Vec<&(String, u64)> = movements.iter().collect();
    // Two files that tell of the same movements wait for each other in one order.
    sorted.sort();
    let identities: Vec<&str> = sorted.iter().map(|(identity, _)| identity.as_str()).collect();
    let numbers: Vec<i64> = sorted.iter().map(|(_, line)| number(*line)).collect();
    let taken = sqlx::query_scalar!(
        "insert into billing.bank_movements (identity, upload_id, line)
         select identity, $1, line from unnest($2::text[], $3::bigint[]) as given (identity, line)
         on conflict (identity) do nothing returning line",
        upload.as_uuid(),
        &identities as &[&str],
        &numbers,
    )
    .fetch_all(&mut **transaction)
    .await?;
    taken.into_iter().map(|line| u64::try_from(line).map_err(|error| StoreError::corrupt(TABLE, error))).collect()
}

/// Notes entries with whether they are told as a whole or in details, and waits for whoever notes one of them at the same
/// moment. Returns how each was told first, and by which upload.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn take_entries(
    transaction: &mut Transaction,
    upload: UploadId,
    entries: &[((String, bool), u64)],
) -> Result<BTreeMap<String, (bool, UploadId)>, StoreError> {
    let mut sorted: Vec<&((String, bool), u64)> = entries.iter().collect();
    sorted.sort();
    let identities: Vec<&str> = sorted.iter().map(|((identity, _), _)| identity.as_str()).collect();
    sqlx::query!(
        "insert into billing.bank_movements (identity, upload_id, line, is_whole)
         select identity, $1, line, is_whole from unnest($2::text[], $3::bigint[], $4::boolean[])
             as given (identity, line, is_whole)
         on conflict (identity) do nothing",
        upload.as_uuid(),
        &identities as &[&str],
        &sorted.iter().map(|(_, line)| number(*line)).collect::<Vec<_>>(),
        &sorted.iter().map(|((_, is_whole), _)| *is_whole).collect::<Vec<_>>(),
    )
    .execute(&mut **transaction)
    .await?;
    let rows = sqlx::query!(
        "select identity, is_whole, upload_id from billing.bank_movements where identity = any($1)",
        &identities as &[&str],
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().map(|row| (row.identity, (row.is_whole, UploadId::from_uuid(row.upload_id)))).collect())
}

/// The line that told of a movement first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstTold {
    /// The file.
    pub upload_id: UploadId,
    /// The line's number in it.
    pub line: u64,
    /// The payer's own name of the transfer.
    pub end_to_end_id: Option<String>,
    /// From which account.
    pub payer_account: Option<String>,
}

impl FirstTold {
    /// Whether a line of the same identity names another transfer or another account: some banks give one reference to
    /// much of what they book.
    #[must_use]
    pub fn is_other(&self, line: &UploadLine) -> bool {
        let differ = |left: &Option<String>, right: &Option<String>| left.is_some() && right.is_some() && left != right;
        differ(&self.end_to_end_id, &line.end_to_end_id) || differ(&self.payer_account, &line.payer_account)
    }
}

/// Which line told of each of these movements first.
///
/// # Errors
/// [`StoreError`] if the database fails or holds a value that the domain does not know.
pub async fn first_told(
    transaction: &mut Transaction,
    movements: &[String],
) -> Result<BTreeMap<String, FirstTold>, StoreError> {
    let rows = sqlx::query!(
        r#"select movements.identity as "identity!", movements.upload_id as "upload_id!", movements.line as "line!",
             end_to_end_id as "end_to_end_id?",
             payer_account as "payer_account?"
         from billing.bank_movements as movements
             left join billing.upload_lines as lines
                 on lines.upload_id = movements.upload_id and lines.line = movements.line
         where movements.identity = any($1)"#,
        movements,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let line = u64::try_from(row.line).map_err(|error| StoreError::corrupt(TABLE, error))?;
            let upload_id = UploadId::from_uuid(row.upload_id);
            let (end_to_end_id, payer_account) = (row.end_to_end_id, row.payer_account);
            Ok((row.identity, FirstTold { upload_id, line, end_to_end_id, payer_account }))
        })
        .collect()
}
