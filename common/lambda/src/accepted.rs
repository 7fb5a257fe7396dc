//! Payments that the validator has accepted and the processor has not recorded yet, so that a caller who reads a
//! payment immediately does not get a 404.

use quittance_domain::id::{ClientId, TransactionId};

/// The key under which an accepted payment is stored: for its client, or for staff.
#[must_use]
pub fn key(transaction_id: &TransactionId, client_id: Option<ClientId>) -> String {
    match client_id {
        Some(client_id) => format!("accepted\n{client_id}\n{transaction_id}"),
        None => format!("accepted\n{transaction_id}"),
    }
}
