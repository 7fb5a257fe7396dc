//! Publishes what was committed but not published, sends status inquiries and event backfills, finds due webhooks, and
//! writes the health metrics.
//!
//! In: the minute schedule. Out: events on `InvoiceEventsTopic`, marked as published; billing's commands in
//! `PaymentsQueue`; commands in the gateways' queues: charges, refunds, due status inquiries about undecided payments,
//! and event backfills twice an hour; messages in `DeliveryQueue` for webhooks whose next attempt is due. May fail: the
//! database, SNS, SQS or DynamoDB; nothing is lost, the next minute retries. A message that can never be published is
//! parked in its row and delays no other.

pub mod config;
pub mod deliver;
pub mod inquire;
pub mod measure;
pub mod relay;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "relay";
