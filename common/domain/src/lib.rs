//! What invoices, payments, money, evidence and events are, and what may happen to them.
//!
//! Pure: no I/O, no async, no clock and no randomness. Callers bring the time and fresh ids; every rule here is a
//! function of its arguments, so that the same facts give the same state in every order of arrival.
//!
//! Where to look: [`money`] for amounts, [`id`] for names of things, [`payment`] for what evidence adds up to,
//! [`settlement`] for what a payment does to an invoice, [`command`] and [`event`] for what travels between functions.

pub mod calendar;
pub mod command;
pub mod event;
pub mod id;
pub mod invoice;
pub mod ledger;
pub mod money;
pub mod party;
pub mod payment;
pub mod settlement;
