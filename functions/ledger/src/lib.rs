//! Posts events to the ledger.
//!
//! In: events from `LedgerQueue`, in groups of one invoice. Out: one balanced transaction per event, in PostgreSQL. May
//! fail: the database (the whole batch is redelivered), a message that cannot be parsed (parked immediately). Retries:
//! the queue. An event is posted once because its id is unique in the ledger; the idempotency table saves a query.

pub mod config;
pub mod handler;
pub mod post;
