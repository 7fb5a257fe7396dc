//! Calls the payment gateways.
//!
//! In: commands from the queue of each provider: charges, refunds, status inquiries and event backfills from the
//! outbox, requests for details of webhook messages from the validator. Out: evidence in `PaymentsQueue`. May fail: the
//! gateway, by a clear refusal (evidence that it did not happen) or without an answer. No answer, rejected credentials
//! and errors on the gateway's side are treated alike: the outcome is unknown.
//!
//! - A charge is then reported as unknown, and status inquiries about the payment follow, the first of which repeat the
//!   call under its key.
//! - A refund, a backfill and a request for details are redelivered, after growing, random pauses. Before a refund is
//!   requested, the gateway is asked whether it was made before; if that is not possible, the same call is made with
//!   the same idempotency key, and a command that is older than the gateway keeps keys is parked for people.
//! - A status inquiry without an answer is repeated later; after the last, staff get a case.

mod back_off;
pub mod backfill;
pub mod call;
pub mod charge;
pub mod config;
pub mod handler;
mod outcome_evidence;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "gateway";
