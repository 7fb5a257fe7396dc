//! Publishes what was committed but not told, and asks gateways about what they have not decided.
//!
//! In: the minute schedule. Out: events on `InvoiceEventsTopic`, marked as published; commands in the gateways' queues:
//! charges, refunds, questions about undecided payments when they are due, and twice an hour to tell all events once
//! more. May fail: the database, SNS or SQS; nothing is lost, the next minute tries again. A message that can never be
//! published is parked in its row and holds up nobody.

pub mod ask;
pub mod config;
pub mod relay;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "relay";
