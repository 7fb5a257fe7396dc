//! Records what Amazon SES reports about e-mails.
//!
//! In: Amazon SES reports about e-mails (sent, delivered, rejected, bounced, complaints) from `FeedbackQueue`, through
//! a topic. Out: the report on the record of the delivery that the e-mail's tags name, which decides where
//! `notification` got no answer; suppressed addresses that bounced permanently or whose owners complained, with an
//! audit record. May fail: the table or the database (the message is redelivered), a message that cannot be parsed
//! (parked immediately). Retries: the queue. Reports may arrive several times and in any order.

pub mod config;
pub mod handler;
pub mod ses_event;

/// The name of the function in audit records.
pub(crate) const FUNCTION: &str = "feedback";
