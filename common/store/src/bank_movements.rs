//! `billing.bank_movements`: each movement of money on an account once, however many files report it.

use std::collections::{BTreeMap, HashSet};

use quittance_domain::id::UploadId;
use quittance_domain::matching::{NameSimilarity, likeness};

use crate::database::Transaction;
use crate::error::StoreError;
use crate::upload_lines::{UploadLine, number};

const TABLE: &str = "billing.bank_movements";

/// A movement that a line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedMovement {
    /// The line's number in its file.
    pub line: u64,
    /// Whether the line reports the whole movement; otherwise it reports a detail of it.
    pub is_whole: bool,
}

/// Claims movements of money for lines of an upload, and waits for concurrent claims of the same ones. Returns the
/// earlier reports of those that were already claimed.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn take(
    transaction: &mut Transaction,
    upload: UploadId,
    // In order, so that two files with the same movements cannot deadlock.
    movements: &BTreeMap<String, ReportedMovement>,
) -> Result<BTreeMap<String, FirstReport>, StoreError> {
    let identities: Vec<&str> = movements.keys().map(String::as_str).collect();
    let taken = sqlx::query_scalar!(
        "insert into billing.bank_movements (identity, upload_id, line, is_whole)
         select identity, $1, line, is_whole from unnest($2::text[], $3::bigint[], $4::boolean[])
             as given (identity, line, is_whole)
         on conflict (identity) do nothing returning identity",
        upload.as_uuid(),
        &identities as &[&str],
        &movements.values().map(|reported| number(reported.line)).collect::<Vec<_>>(),
        &movements.values().map(|reported| reported.is_whole).collect::<Vec<_>>(),
    )
    .fetch_all(&mut **transaction)
    .await?;
    if taken.len() == identities.len() {
        return Ok(BTreeMap::new());
    }
    let taken: HashSet<&str> = taken.iter().map(String::as_str).collect();
    let before: Vec<&str> = identities.into_iter().filter(|identity| !taken.contains(identity)).collect();
    first_reported(transaction, &before).await
}

/// The line that first reported a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstReport {
    /// The file.
    pub upload_id: UploadId,
    /// The line, and whether it reported the whole movement.
    pub reported: ReportedMovement,
    /// The payer's end-to-end id.
    pub end_to_end_id: Option<String>,
    pub payer: Option<String>,
    pub payer_account: Option<String>,
}

impl FirstReport {
    /// Whether a line of the same identity names another transfer or another account: some banks use one reference for
    /// many of their bookings.
    #[must_use]
    pub fn is_other(&self, line: &UploadLine) -> bool {
        let differ = |left: &Option<String>, right: &Option<String>| left.is_some() && right.is_some() && left != right;
        // Files of two formats may truncate a name differently, or name the ultimate debtor: an account is more
        // significant.
        let has_accounts = self.payer_account.is_some() && line.payer_account.is_some();
        let names = self.payer.as_deref().zip(line.payer.as_deref()).filter(|_| !has_accounts);
        differ(&self.end_to_end_id, &line.end_to_end_id)
            || differ(&self.payer_account, &line.payer_account)
            || names.is_some_and(|(left, right)| likeness(left, right) == NameSimilarity::Other)
    }
}

/// The line that first reported each of these movements; none if no line did.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn first_reported(
    transaction: &mut Transaction,
    movements: &[&str],
) -> Result<BTreeMap<String, FirstReport>, StoreError> {
    if movements.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"select movements.identity as "identity!", movements.upload_id as "upload_id!", movements.line as "line!",
             is_whole as "is_whole!", end_to_end_id as "end_to_end_id?", payer as "payer?", payer_account as "payer_account?"
         from billing.bank_movements as movements
             left join billing.upload_lines as lines
                 on lines.upload_id = movements.upload_id and lines.line = movements.line
         where movements.identity = any($1)"#,
        movements as &[&str],
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter()
        .map(|row| {
            let line = u64::try_from(row.line).map_err(|error| StoreError::corrupt(TABLE, error))?;
            let reported = ReportedMovement { line, is_whole: row.is_whole };
            let upload_id = UploadId::from_uuid(row.upload_id);
            let (end_to_end_id, payer, payer_account) = (row.end_to_end_id, row.payer, row.payer_account);
            Ok((row.identity, FirstReport { upload_id, reported, end_to_end_id, payer, payer_account }))
        })
        .collect()
}
