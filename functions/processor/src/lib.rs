//! Settles payments.
//!
//! In: commands from `PaymentsQueue`, in groups of one transaction id. Out: facts, allocations, credits, refunds,
//! charges, cases, audit records and outbox rows, in one transaction; then events on `InvoiceEventsTopic` and commands
//! in the gateways' queues. May fail: the database (the whole batch is redelivered), a message that cannot be parsed
//! (parked immediately), publishing (the relay takes over). Retries: transactions that conflict with others, a few
//! times here; then the queue.
//!
//! Evidence goes through [`settle`], each run of consecutive evidence in one transaction: identify and lock the
//! payments, insert facts, lock the invoices, let the domain decide, collect the changes, write, commit. Staff commands
//! and charges go through [`decide`], one in each transaction, over the same locked batch. [`rehearse`] is the dry run
//! of a message that may be replayed.

mod by_hand;
mod changes;
mod charge;
pub mod config;
mod credit;
pub mod decide;
pub mod emitted_events;
mod event_builder;
mod fees;
pub mod handler;
mod identify;
mod locked_batch;
mod match_by_hand;
mod merge;
mod records;
pub mod rehearse;
pub mod settle;
mod staff_command;
