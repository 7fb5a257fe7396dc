//! What invoices, payments, money, evidence and events are, and what may happen to them.
//!
//! Pure: no I/O, no async, no clock and no randomness. Callers bring the time and fresh ids; every rule here is a
//! function of its arguments, so that the same facts give the same state in every order of arrival.
//!
//! Where to look: [`money`] for amounts, [`id`] for names of things, [`fact`] for what sources say, [`payment`] for what
//! that adds up to, [`settlement`] for where the money goes, [`charge`] for what may be collected, [`refund`] and [`case`]
//! and [`adjustment`] for what staff decide, [`inquiry`] for when a gateway is asked again, [`matching`] for which invoices
//! a bank line pays, [`language`] for what clients are written to in, [`notification`] for what they are told, [`upload`] for
//! what becomes of files, [`command`] and [`event`] for what travels between functions.

pub mod adjustment;
pub mod calendar;
pub mod case;
pub mod charge;
pub mod command;
pub mod creditor_reference;
pub mod event;
pub mod fact;
pub mod id;
pub mod inquiry;
pub mod invoice;
pub mod language;
pub mod ledger;
pub mod matching;
pub mod money;
pub mod names;
pub mod notification;
pub mod party;
pub mod payment;
pub mod receipt;
pub mod refund;
pub mod refund_reason;
pub mod returned;
pub mod settlement;
pub mod tax;
pub mod upload;
