//! Identifies a movement of money, whichever file reports it.
//!
//! A bank's own reference of an entry would be best, but banks use one for all details of a batch, and some the same
//! one every day; many formats have none. So the identity is a digest of everything that the bank reports about the
//! movement, and movements of one identity are counted within a file: two real, equal payments on one day are the first
//! and the second in every file that has both. A file that overlaps another thus adds only what the other lacks.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use quittance_domain::id::UploadId;
use quittance_formats::{Direction, EntryAmount, Movement};
use quittance_store::{Database, StoreError, upload_lines};
use sha2::{Digest, Sha256};

use crate::lines::day;

/// The stored length of the digest in bytes: long enough to rule out random collisions among all movements ever.
const LENGTH: usize = 16;

/// The number of lines read with one query.
const PAGE: u64 = 50_000;

/// A digest of what a bank reports about a movement, written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MovementIdentity([u8; LENGTH]);

impl MovementIdentity {
    /// The id of one of the movements with this identity, counted from 1.
    pub(crate) fn movement(self, ordinal: u64) -> String {
        format!("{self}-{ordinal}")
    }
}

impl fmt::Display for MovementIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl FromStr for MovementIdentity {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; LENGTH];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The number of lines of a file with each identity so far, in memory: otherwise each chunk would need a query on a
/// table that grows too fast for PostgreSQL to have statistics on it.
#[derive(Debug, Default)]
pub(crate) struct Ordinals {
    counts: HashMap<MovementIdentity, u32>,
}

impl Ordinals {
    /// The counts of the lines that are done.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or has an invalid identity.
    pub(crate) async fn load(database: &Database, upload: UploadId, lines_done: u64) -> Result<Self, StoreError> {
        let (mut ordinals, mut after) = (Self::default(), 0);
        while after < lines_done {
            let up_to = lines_done.min(after.saturating_add(PAGE));
            for identity in upload_lines::identities(database, upload, after, up_to).await? {
                let identity = identity.parse().map_err(|error| StoreError::corrupt("billing.upload_lines", error))?;
                ordinals.next(identity);
            }
            after = up_to;
        }
        Ok(ordinals)
    }

    /// The ordinal of the next line with this identity, from 1.
    pub(crate) fn next(&mut self, identity: MovementIdentity) -> u64 {
        let count = self.counts.entry(identity).or_default();
        *count = count.saturating_add(1);
        u64::from(*count)
    }
}

/// Digest of account, day, amount, direction and references, and of names and text if the bank gives no reference.
pub(crate) fn identity(movement: &Movement) -> MovementIdentity {
    // One file gives the entry's reference, another also that of its only detail.
    let of_whole = movement.entry_reference.as_ref().filter(|_| is_whole(movement));
    let mut parts = said_of(movement, &movement.amount, movement.direction);
    match of_whole.or(movement.bank_reference.as_ref()) {
        Some(reference) => {
            parts.push(referred(reference));
            // A detail without a reference of its own carries that of its entry, and may have its entry's amount.
            if !is_whole(movement) && movement.entry_reference.as_ref() == Some(reference) {
                parts.push("detail".to_owned());
            }
        }
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
            // Two payers whose names are in an unrecognised column remain distinct.
            parts.extend(movement.unread.as_deref().map(|words| format!("unread {}", plain(Some(words)))));
        }
    }
    digest(&parts)
}

/// The entry that a movement is a detail of: the identity of the movement as which another file may report it. None if
/// the movement is the whole entry, or the bank gives it no reference.
pub(crate) fn entry(movement: &Movement) -> Option<MovementIdentity> {
    let reference = movement.entry_reference.as_ref().filter(|_| !is_whole(movement))?;
    let mut parts = said_of(movement, &movement.entry_amount, movement.entry_direction);
    parts.push(referred(reference));
    Some(digest(&parts))
}

/// Whether the movement is the whole entry, rather than one of several details.
const fn is_whole(movement: &Movement) -> bool {
    movement.place.detail.is_none()
}

fn said_of(movement: &Movement, amount: &EntryAmount, direction: Direction) -> Vec<String> {
    let day = day(movement).map(|day| day.to_string()).unwrap_or_default();
    let direction = match direction {
        Direction::Credit => "credit",
        Direction::Debit => "debit",
    };
    let amount = [amount.value().normalize().to_string(), amount.currency().to_owned()];
    let account = plain(movement.statement.account.as_deref());
    [account, day].into_iter().chain(amount).chain([direction.to_owned()]).collect()
}

fn referred(reference: &str) -> String {
    format!("reference {}", plain(Some(reference)))
}

fn digest(parts: &[String]) -> MovementIdentity {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let mut identity = [0; LENGTH];
    identity.iter_mut().zip(digest).for_each(|(place, byte)| *place = byte);
    MovementIdentity(identity)
}

/// Capitals without spaces: files of one bank differ in both.
fn plain(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_uppercase).collect()
}
