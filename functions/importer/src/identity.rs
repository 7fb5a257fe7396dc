//! What tells a movement of money apart from others, whichever file tells of it.
//!
//! A bank's own reference of an entry is best, but banks use one for all details of a batch, and some the same one every
//! day; many formats have none. So the identity is a digest of all that the bank says of the movement, and movements of
//! one identity are counted within a file: two real equal payments on one day are the first and the second in every file
//! that has both. A file that overlaps another so adds only what the other has not.

use std::collections::HashMap;

use quittance_domain::id::UploadId;
use quittance_formats::{Amount, Direction, Movement};
use quittance_store::{Database, StoreError, upload_lines};
use sha2::{Digest, Sha256};

/// So many bytes of the digest are kept: by chance, no two of all movements that ever were have the same.
const LENGTH: usize = 16;

/// So many lines are asked for at once.
const PAGE: u64 = 50_000;

/// How many lines of a file told of each identity so far, in memory: the database would have to be asked again for each
/// chunk, of a table that grows so fast that PostgreSQL knows nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Ordinals {
    /// By the digest as a number.
    counts: HashMap<u128, u32>,
}

impl Ordinals {
    /// Those of the lines that are done.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub(crate) async fn of(database: &Database, upload: UploadId, lines_done: u64) -> Result<Self, StoreError> {
        let (mut ordinals, mut after) = (Self::default(), 0);
        while after < lines_done {
            let up_to = lines_done.min(after.saturating_add(PAGE));
            for identity in upload_lines::identities(database, upload, after, up_to).await? {
                ordinals.next(&identity);
            }
            after = up_to;
        }
        Ok(ordinals)
    }

    /// Which line of this identity the next one is, from 1.
    pub(crate) fn next(&mut self, identity: &str) -> u64 {
        // Identities are ours: digits of a hexadecimal number.
        let count = self.counts.entry(u128::from_str_radix(identity, 16).unwrap_or_default()).or_default();
        *count = count.saturating_add(1);
        u64::from(*count)
    }
}

/// Digest of account, day, amount, direction and references, and of names and text where the bank gives no reference.
pub(crate) fn identity(movement: &Movement) -> String {
    let mut parts = vec![plain(movement.statement.account.as_deref()), day_of(movement)];
    parts.extend(of_amount(&movement.amount, movement.direction));
    // One file gives the entry's reference, another that of its only detail beside it.
    let of_whole = movement.entry_reference.as_ref().filter(|_| is_whole(movement));
    match of_whole.or(movement.bank_reference.as_ref()) {
        Some(reference) => parts.push(format!("reference {}", plain(Some(reference)))),
        None => {
            let said = [
                &movement.end_to_end_id,
                &movement.transaction_id,
                &movement.customer_reference,
                &movement.uetr,
                &movement.counterparty.account,
                &movement.counterparty.name,
            ];
            parts.extend(said.map(|part| plain(part.as_deref())));
            parts.push(plain(Some(&movement.remittance)));
            parts.push(plain(Some(&movement.creditor_references.join(" "))));
        }
    }
    digest(&parts)
}

/// What tells the whole entry apart that a movement is, or is a detail of; and whether it is the whole. One file may have
/// a batch as one entry, another the details of it. None where the bank has no name for the entry.
pub(crate) fn entry(movement: &Movement) -> Option<(String, bool)> {
    let reference = movement.entry_reference.as_deref()?;
    let mut parts = vec![plain(movement.statement.account.as_deref()), day_of(movement), plain(Some(reference))];
    parts.extend(of_amount(&movement.entry_amount, movement.entry_direction));
    Some((format!("entry-{}", digest(&parts)), is_whole(movement)))
}

/// Whether the movement is all of its entry, not one of several details.
const fn is_whole(movement: &Movement) -> bool {
    movement.place.detail.is_none()
}

fn day_of(movement: &Movement) -> String {
    movement.booked_on.or(movement.value_on).map(|day| day.to_string()).unwrap_or_default()
}

fn of_amount(amount: &Amount, direction: Direction) -> [String; 3] {
    let direction = match direction {
        Direction::Credit => "credit",
        Direction::Debit => "debit",
    };
    [amount.value().normalize().to_string(), amount.currency().to_owned(), direction.to_owned()]
}

fn digest(parts: &[String]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize().get(..LENGTH).unwrap_or_default())
}

/// Capitals without spaces: files of one bank differ in both.
fn plain(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_uppercase).collect()
}
