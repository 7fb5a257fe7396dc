//! Publishes what was committed but not told, asks gateways about what they have not decided, finds the webhooks that
//! are due, and says how the system is doing.
//!
//! In: the minute schedule. Out: events on `InvoiceEventsTopic`, marked as published; billing's commands in `PaymentsQueue`;
//! commands in the gateways' queues:
//! charges, refunds, questions about undecided payments when they are due, and twice an hour to tell all events once
//! more; messages in `DeliveryQueue` for webhooks whose next attempt is due. May fail: the database, SNS, SQS or DynamoDB;
//! nothing is lost, the next minute tries again. A message that can never be
//! published is parked in its row and holds up nobody.

pub mod config;
pub mod deliver;
pub mod inquire;
pub mod measure;
pub mod relay;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "relay";
