//! What tells a movement of money apart from others, whichever file tells of it.
//!
//! A bank's own reference of an entry is best, but banks use one for all details of a batch, and some the same one every
//! day; many formats have none. So the identity is a digest of all that the bank says of the movement, and movements of
//! one identity are counted within a file: two real equal payments on one day are the first and the second in every file
//! that has both. A file that overlaps another so adds only what the other has not.

use quittance_formats::{Direction, Movement};
use sha2::{Digest, Sha256};

/// So many bytes of the digest are kept: by chance, no two of all movements that ever were have the same.
const LENGTH: usize = 16;

/// Digest of account, day, amount, direction and references, and of names and text where the bank gives no reference.
pub(crate) fn identity(movement: &Movement) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    };
    let day = movement.booked_on.or(movement.value_on).map(|day| day.to_string());
    let direction = match movement.direction {
        Direction::Credit => "credit",
        Direction::Debit => "debit",
    };
    add(&plain(movement.statement.account.as_deref()));
    add(&day.unwrap_or_default());
    add(&movement.amount.value().normalize().to_string());
    add(movement.amount.currency());
    add(direction);
    match &movement.bank_reference {
        Some(reference) => add(&format!("reference {}", plain(Some(reference)))),
        None => {
            for part in [
                &movement.end_to_end_id,
                &movement.transaction_id,
                &movement.customer_reference,
                &movement.uetr,
                &movement.counterparty.account,
                &movement.counterparty.name,
            ] {
                add(&plain(part.as_deref()));
            }
            add(&plain(Some(&movement.remittance)));
            add(&plain(Some(&movement.creditor_references.join(" "))));
        }
    }
    hex::encode(digest.finalize().get(..LENGTH).unwrap_or_default())
}

/// Capitals without spaces: files of one bank differ in both.
fn plain(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_uppercase).collect()
}
