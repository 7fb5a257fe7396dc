//! Calls to the payment gateways.
//!
//! In: commands from the queue of each provider: refunds from the outbox, questions from the validator. Out: evidence in
//! `PaymentsQueue`. May fail: the gateway, by a clear no (evidence that the refund did not happen) or without an answer.
//! No answer, a refusal to let us in and trouble on the other side are all the same: nobody knows, so the command comes
//! back. Before a refund is asked for, the gateway is asked whether it was made before; where it cannot be asked that, the
//! same call with the same idempotency key is, and a command that is older than the gateway keeps keys is parked for
//! people.

pub mod call;
pub mod config;
pub mod handler;
