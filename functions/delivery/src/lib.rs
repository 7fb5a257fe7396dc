//! Tells webhook endpoints what was recorded for them, by signed HTTP (Standard Webhooks 1.0).
//!
//! In: messages from `DeliveryQueue` that say which record of the deliveries' table is due. Out: one POST for each; its
//! `webhook-id` is the event's id at every attempt. May fail: the receiver. Who retries: this function, by a message
//! with a delay or, for pauses above 15 minutes, by the relay, which finds what is due in the table; nine times in some
//! three days. Then, or when the receiver answers 410, the endpoint is disabled, with an audit record and an alarm, and
//! what it was not told waits to be sent again by hand.
//!
//! Records of one endpoint are attempted one after the other, those of several at once, and few workers are at one
//! endpoint at a time: a slow one holds up no other.

pub mod attempt;
pub mod config;
pub mod handler;
mod keys;
pub mod signature;

pub use keys::EndpointSigners;

/// The name in audit records.
pub(crate) const FUNCTION: &str = "delivery";
