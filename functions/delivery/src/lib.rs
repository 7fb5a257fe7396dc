//! Delivers recorded events to webhook endpoints by signed HTTP (Standard Webhooks 1.0).
//!
//! In: messages from `DeliveryQueue` that name a due record of the deliveries' table. Out: one POST for each; its
//! `webhook-id` is the event's id at every attempt. May fail: the endpoint. Retries: this function, through a message
//! with a delay or, for pauses above 15 minutes, the relay, which finds due deliveries in the table; nine attempts in
//! some three days. After that, or when the endpoint responds with 410, it is disabled, with an audit record and an
//! alarm, and undelivered events wait for a manual replay.
//!
//! Records of one endpoint are attempted in sequence, those of several concurrently, and few workers serve one endpoint
//! at a time: a slow one does not delay the others.

pub mod attempt;
pub mod config;
pub mod handler;
mod keys;
pub mod signature;

pub use keys::{EndpointSigners, SignerError};

/// The name in audit records.
pub(crate) const FUNCTION: &str = "delivery";
