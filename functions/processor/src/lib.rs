//! Settles payments.
//!
//! In: commands from `PaymentsQueue`, in groups of one transaction id. Out: facts, allocations, credits, cases,
//! audit records and outbox rows, in one transaction; then events on `InvoiceEventsTopic`. May fail: the database
//! (the whole batch comes back), a message that cannot be read (parked at once), publishing (the relay does it).
//! Who retries: the queue.

mod changes;
pub mod config;
pub mod handler;
pub mod settle;
