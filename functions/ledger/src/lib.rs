//! Keeps the books.
//!
//! In: events from `LedgerQueue`, in groups of one invoice. Out: one balanced transaction per event, in PostgreSQL.
//! May fail: the database (the whole batch comes back), a message that cannot be read (parked at once). Who
//! retries: the queue. An event posts once because its id is unique in the ledger; the idempotency table saves the
//! database from asking.

pub mod config;
pub mod handler;
pub mod post;
