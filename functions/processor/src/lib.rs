//! Settles payments.
//!
//! In: commands from `PaymentsQueue`, in groups of one transaction id. Out: facts, allocations, credits, refunds, charges,
//! cases, audit records and outbox rows, in one transaction; then events on `InvoiceEventsTopic` and commands in the
//! gateways' queues. May fail: the database (the whole batch comes back), a message that cannot be read (parked at once),
//! publishing (the relay does it). Who retries: transactions that met others, a few times here; then the queue.
//!
//! Evidence goes through [`settle`], as many messages as a batch has in one transaction: *identify* the payments,
//! read the *ground* under locks, let the domain decide, collect the *changes*, write, commit. What staff decide,
//! and what clients want collected, goes through [`decide`], one decision in one transaction, over the same ground.
//! [`rehearse`] shows what a message would do, for whoever is about to send it again.

mod by_hand;
mod changes;
mod charge;
pub mod config;
mod credit;
pub mod decide;
mod fees;
mod ground;
pub mod handler;
mod identify;
mod match_by_hand;
mod merge;
mod order;
mod records;
pub mod rehearse;
pub mod settle;
mod telling;
pub mod told;
