//! Calls to the payment gateways.
//!
//! In: commands from the queue of each provider: charges, refunds, questions about payments and listings from the outbox,
//! questions about messages from the validator. Out: evidence in `PaymentsQueue`. May fail: the gateway, by a clear no
//! (evidence that it did not happen) or without an answer. No answer, a refusal to let us in and trouble on the other
//! side are all the same: nobody knows.
//!
//! - A charge is then told to be unknown, and questions about the payment follow, the first of which repeat the call
//!   under its key.
//! - A refund, a listing and a question about a message come back, after pauses that grow and are random. Before a refund is asked for, the gateway is asked
//!   whether it was made before; where it cannot be asked that, the same call with the same idempotency key is, and a
//!   command that is older than the gateway keeps keys is parked for people.
//! - A question about a payment that has no answer is asked again later; after the last, staff get a case.

mod back_off;
pub mod call;
pub mod charge;
pub mod config;
pub mod handler;
pub mod listing;
mod outcome_evidence;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "gateway";
