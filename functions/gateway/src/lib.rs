//! Calls to the payment gateways.
//!
//! In: commands from the queue of each provider: refunds from the outbox, questions from the validator. Out: evidence in
//! `PaymentsQueue`. May fail: the gateway, by a clear no (evidence that the refund did not happen) or without an answer.
//! No answer, a refusal to let us in and trouble on the other side are all the same: nobody knows, so the command comes
//! back and the same call is made with the same idempotency key, which asks and never does the same twice. A command
//! that nobody could clear up in [`handler::KEY_KEPT_FOR`] is parked for people, as the gateways forget keys.

pub mod call;
pub mod config;
pub mod handler;
