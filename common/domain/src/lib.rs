//! The domain: invoices, payments, money, evidence and events, and the rules that govern them.
//!
//! Pure: no I/O, no async, no clock and no randomness. Callers pass in the time and fresh ids; every rule is a function
//! of its arguments, so the same facts give the same state in every order of arrival.
//!
//! Where to look: [`money`] for amounts, [`id`] for ids, [`fact`] for recorded evidence, [`payment`] for the state that
//! follows from it, [`settlement`] for where the money goes, [`charge`] for what may be collected, [`refund`] and
//! [`case`] and [`adjustment`] for staff decisions, [`inquiry`] for the schedule of status inquiries, [`matching`] for
//! the invoices that a bank line pays, [`language`] for the languages of clients, [`notification`] for what clients are
//! notified of, [`upload`] for files and the outcome of their lines, [`command`] and [`event`] for the messages between
//! functions.

#![deny(missing_docs)]

pub mod adjustment;
mod api_schema;
pub mod calendar;
pub mod case;
pub mod charge;
pub mod command;
pub mod creditor_reference;
pub mod error;
pub mod event;
pub mod fact;
pub mod id;
pub mod inquiry;
pub mod invoice;
pub mod language;
pub mod ledger;
pub mod listing;
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
